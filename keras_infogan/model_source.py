"""Where a command takes its trained model from: --run_dir, through TensorFlow, or --onnx, without it."""

import sys

from absl import flags

from keras_infogan import config, onnx_model, runs
from keras_infogan.config import UserError

FLAGS = flags.FLAGS


def define_flags(exported):
    """Defines --run_dir, --onnx and --provider; `exported` names the file that --onnx takes."""
    flags.DEFINE_string("run_dir", None, "the run directory that keras_infogan.train wrote.")
    flags.DEFINE_string("onnx", None, f"an exported {exported}, instead of a run; TensorFlow is not loaded then.")
    flags.DEFINE_enum("provider", "cpu", onnx_model.PROVIDERS, "what --onnx runs on, if it can be had.")


def chosen(needs=("generator", "recognizer")):
    """Returns what the flags name.

    Args:
      needs: the files that --onnx opens; see onnx_model.load.

    Returns:
      (Run, function () -> trained model). Only the function loads TensorFlow, and only for --run_dir.

    Raises:
      UserError: if neither or both are given, or there is no such run or file.
    """
    if FLAGS.onnx and FLAGS.run_dir:
        raise UserError("give --run_dir or --onnx, not both.")
    if not FLAGS.onnx:
        return runs.check_trained(FLAGS.run_dir), lambda: runs.load(FLAGS.run_dir)[1]
    run, model = onnx_model.load(config.user_path(FLAGS.onnx), needs, FLAGS.provider)
    if model.provider != FLAGS.provider:
        print(f"{FLAGS.provider} could not be had from onnxruntime here; running on {model.provider}.", file=sys.stderr)
    return run, lambda: model
