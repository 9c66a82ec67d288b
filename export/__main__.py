"""Turns a trained run into files that other programs load:

    python -m keras_infogan.export --run_dir=runs/mnist-infogan-1

Writes to --export_dir (default: <run_dir>/export):
    <data set>-<model>/1/                    a SavedModel for TensorFlow Serving; the next export
                                             adds version 2 beside it
    generator.onnx, generator_fp16.onnx      codes and noise -> images
    recognizer.onnx                          images -> codes
    generator.json                           the contract: inputs and outputs, ranges, scores,
                                             differences from the Keras model
    README.md, generator.png                 a model card with the lines that load each file
and with --formats=web (alone, or with the others):
    web/                                     the latent explorer, a page to publish or to open with
                                             keras_infogan.serving.explore

    python -m keras_infogan.export --run_dir=runs/mnist-infogan-1 \\
        --rename=continuous_1=slant,continuous_2=width
    python -m keras_infogan.export --run_dir=runs/mnist-infogan-1 --rename=names.json --formats=web

and with --unit_layer=LAYER (keras_infogan.dissect names layers)
    editor.onnx                              codes, noise and a gain of each unit -> images

Every file is compared with the Keras model over 10,000 images before it is put in place; if one
differs, nothing is exported and what was there stays. MNIST takes about a minute on two CPU cores.
"""

import importlib.util
import json
import os
import pathlib

from absl import flags

from keras_infogan import config, runs
from keras_infogan.config import UserError
from keras_infogan.contract import CATEGORIES, IMAGE_LAYOUTS, IMAGE_TYPES
from keras_infogan.export import exporting

FLAGS = flags.FLAGS
# What each format needs beside TensorFlow.
_ONNX = ("tf2onnx", "onnx", "onnxruntime")
FORMATS = {"saved_model": ("tensorflow_serving",), "onnx": _ONNX, "web": _ONNX}


def parse_formats(text):
    """Returns a list of keys of FORMATS from text such as "saved_model,onnx"; raises UserError for
    others, and if what one needs is not installed.
    """
    formats = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        received = (
            repr(unknown[0]) + config.did_you_mean(unknown[0], FORMATS) if unknown else "none"
        )
        raise UserError(
            f"--formats: expected one or more of {', '.join(FORMATS)}, received {received}."
        )
    for name in formats:
        for package in FORMATS[name]:
            if importlib.util.find_spec(package) is None:
                raise UserError(
                    f"the format {name} needs {package}, which is not installed; install "
                    "keras-infogan with its extra: pip install '.[export]'."
                )
    return formats


def parse_renames(text):
    """Returns a dict from old to new name from text such as
    "continuous_1=slant,continuous_2=width", or from the JSON file of that name (*.json).
    """
    if text.endswith(".json"):
        return _read_renames(pathlib.Path(config.absolute_path(text)))
    renames = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        old, equals, new = (piece.strip() for piece in part.partition("="))
        if not equals or old in renames:
            raise UserError(
                f"--rename: cannot read {part!r}; write it like "
                "continuous_1=slant,continuous_2=width, each code once."
            )
        renames[old] = new
    return renames


def _read_renames(path):
    if path.exists() and not path.is_file():  # a pipe could be waited for without end
        raise UserError(f"--rename: {path} is no file; give one like the explorer's names.json.")
    try:
        renames = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--rename: cannot read {path}: {error.strerror}.") from None
    except (ValueError, RecursionError):
        renames = None
    if not isinstance(renames, dict) or not all(isinstance(name, str) for name in renames.values()):
        raise UserError(
            f'--rename: expected {path} to hold names like {{"continuous_1": "slant"}}, as the '
            "latent explorer saves them; save them again."
        )
    return renames


def define_flags():
    config.define_path("run_dir", None, "the run directory that keras_infogan.train wrote.")
    config.define_path("export_dir", None, "where the files go; default: <run_dir>/export.")
    config.rename_flag("output_dir", "export_dir")
    flags.DEFINE_string(
        "formats", "saved_model,onnx", f"what to write, separated by commas: {', '.join(FORMATS)}."
    )
    flags.DEFINE_string(
        "rename",
        "",
        "new names for codes: old=new, separated by commas; "
        "or the names.json of the latent explorer.",
    )
    flags.DEFINE_bool(
        "fp16",
        True,
        "whether the ONNX generator comes in half precision too; generators of hard edges can be "
        "too inexact in it.",
    )
    flags.DEFINE_enum(
        "onnx_categories",
        "index",
        CATEGORIES,
        "how the ONNX generator takes a discrete code: its index, "
        "or weights over categories, to blend.",
    )
    flags.DEFINE_enum(
        "onnx_image_type",
        "float32",
        IMAGE_TYPES,
        "type of the ONNX files' images: float32 in [0, 1], or uint8.",
    )
    flags.DEFINE_enum(
        "onnx_image_layout", "NHWC", IMAGE_LAYOUTS, "layout of the ONNX files' images."
    )
    flags.DEFINE_string(
        "unit_layer",
        None,
        "a layer of the generator, as keras_infogan.dissect names it, whose units can then be "
        "switched off: the signature edit, editor.onnx and a list of units in the explorer.",
    )


def main():
    run = runs.check_trained(FLAGS.run_dir)
    formats = parse_formats(FLAGS.formats)
    form = {
        "categories": FLAGS.onnx_categories,
        "image_type": FLAGS.onnx_image_type,
        "image_layout": FLAGS.onnx_image_layout,
    }
    contract = exporting.contract_of(run, parse_renames(FLAGS.rename), **form)
    export_dir = pathlib.Path(config.user_path(FLAGS.export_dir) or run.directory / "export")
    # A GPU would be taken from a training run, and its convolutions are less exact than the
    # comparison asks for.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    for path in exporting.export(run, contract, export_dir, formats, FLAGS.fp16, FLAGS.unit_layer):
        print(path)
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
