"""Where a command takes its trained model from: --run_dir, through TensorFlow, or
--onnx, without it.
"""

import pathlib
import sys

from absl import flags

from keras_infogan import config, loaded, onnx_model, runs
from keras_infogan.config import UserError

FLAGS = flags.FLAGS


def define_flags(exported):
    """Defines --run_dir, --onnx and --provider; `exported` names the file that --onnx takes."""
    config.define_path("run_dir", None, "the run directory that keras_infogan.train wrote.")
    config.define_path(
        "onnx", None, f"an exported {exported}, instead of a run; TensorFlow is not loaded then."
    )
    flags.DEFINE_enum(
        "provider", "cpu", onnx_model.PROVIDERS, "what --onnx runs on, if it can be had."
    )


def chosen(needs=None, others=False):
    """Returns what the flags name.

    Args:
      needs, others: see onnx_model.load.

    Returns:
      (Run, function () -> Trained). Only the function loads TensorFlow, and only for --run_dir.

    Raises:
      UserError: if neither or both are given, or there is no such run or file.
    """
    if FLAGS.onnx and FLAGS.run_dir:
        raise UserError("give --run_dir or --onnx, not both.")
    if not FLAGS.onnx:
        return runs.check_trained(FLAGS.run_dir), lambda: _require(
            loaded.load_run(FLAGS.run_dir)[1], needs
        )
    path = pathlib.Path(config.absolute_path(FLAGS.onnx))
    model = onnx_model.load(path, needs, FLAGS.provider, others=others)
    agreed = model.contract
    # What the files say of their run, as far as anything needs it here.
    run = runs.Run(
        path.parent,
        agreed.model,
        agreed.dataset,
        None,
        agreed.image_shape,
        agreed.settings,
        agreed.fingerprint,
        agreed.framing,
    )
    if model.provider != FLAGS.provider:
        print(
            f"{FLAGS.provider} could not be had from onnxruntime here; running on "
            f"{model.provider}.",
            file=sys.stderr,
        )
    return run, lambda: model


def _require(model, needs):
    for capability in needs or ():
        model.require(capability)
    return model
