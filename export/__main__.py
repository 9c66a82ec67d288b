"""Writes a trained run as ONNX files: python -m keras_infogan.export --run_dir=runs/mnist-infogan-1

Writes to --output_dir (default: <run_dir>/export):
    generator.onnx     "latents" float32 (batch, size) -> "images" float32 (batch, height, width, channels) in [-1, 1]
    recognizer.onnx    "images" -> "parameters" of Q(c|x), float32 (batch, parameters)

Both carry their codes in their metadata; keras_infogan.evaluate --onnx=.../generator.onnx scores them without TensorFlow. About 10 seconds on two CPU cores.
"""

import pathlib

from absl import flags

from keras_infogan import config, runs
from keras_infogan.config import UserError

FLAGS = flags.FLAGS


def export(run_dir, output_dir):
    """Writes a run's generator and recognizer as ONNX files to a directory, which is created, and returns their paths."""
    output_dir = runs.output_directory(output_dir)
    run, model = runs.load(run_dir)
    try:
        from keras_infogan.export import to_onnx
    except ImportError as error:
        raise UserError(f"ONNX export needs {error.name}, which is not installed; install keras-infogan with its extra: pip install '.[onnx]'.") from None
    return to_onnx.write(run, model, output_dir)


def define_flags():
    flags.DEFINE_string("run_dir", None, "the run directory that keras_infogan.train wrote.")
    flags.DEFINE_string("output_dir", None, "where the files go; default: <run_dir>/export.")


def main():
    runs.check_trained(FLAGS.run_dir)
    for path in export(FLAGS.run_dir, config.user_path(FLAGS.output_dir) or pathlib.Path(FLAGS.run_dir) / "export"):
        print(path)
    return 0


if __name__ == "__main__":
    define_flags()
    config.run_command(main)
