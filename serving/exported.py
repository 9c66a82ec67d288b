"""The export that a command is about: --export_dir, its contract and its SavedModel."""

import pathlib

from absl import flags

from keras_infogan import config, contract
from keras_infogan.config import UserError
from keras_infogan.contract import ONNX_FILES

FLAGS = flags.FLAGS


def define_flag(also=""):
    """Defines --export_dir; `also` says what else it may be."""
    flags.DEFINE_string("export_dir", None, f"the directory that keras_infogan.export wrote{also}.")


def chosen_directory():
    """Returns the directory of --export_dir; raises UserError if it is not given."""
    if not FLAGS.export_dir:
        raise UserError(
            "which export? Give --export_dir=DIR, the directory that keras_infogan.export wrote."
        )
    return pathlib.Path(config.absolute_path(FLAGS.export_dir))


def check_regular(path):
    """Raises UserError if a path is there and no file: a pipe or a device could be waited for
    without end.
    """
    if path.exists() and not path.is_file():
        raise UserError(
            f"expected a file at {path}, which is a directory, pipe or device; put the file there "
            "that keras_infogan wrote."
        )


def read_contract(directory):
    """Returns the Contract in the generator.json of a directory; raises UserError if there is none
    that can be read.
    """
    path = directory / "generator.json"
    check_regular(path)
    return contract.read(path)[1]


def first_onnx_file(contract):
    """Returns the name of the ONNX file of the first thing that an exported model can do; others
    are found beside it.
    """
    return f"{ONNX_FILES[contract.capabilities[0]]}.onnx"


def versions_of(export_dir, name):
    """Returns the versions of a model's SavedModel in an export, a dict from number to path."""
    found = {
        int(path.name): path
        for path in export_dir.glob(f"{name}/*")
        if path.name.isdecimal() and (path / "saved_model.pb").is_file()
    }
    return dict(sorted(found.items()))
