"""The export that a command is about: --export_dir, and the versions of its SavedModel."""

import pathlib

from absl import flags

from keras_infogan import config
from keras_infogan.config import UserError

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


def versions_of(export_dir, name):
    """Returns the versions of a model's SavedModel in an export, a dict from number to path."""
    found = {
        int(path.name): path
        for path in export_dir.glob(f"{name}/*")
        if path.name.isdecimal() and (path / "saved_model.pb").is_file()
    }
    return dict(sorted(found.items()))
