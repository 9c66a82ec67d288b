"""A generator and recognizer that were exported to ONNX, as a model that scores can be computed on. No TensorFlow."""

import json
import pathlib

from keras_infogan import runs
from keras_infogan.config import UserError


class OnnxModel:
    """Runs generator.onnx and recognizer.onnx on the CPU.

    Attributes:
      latents: LatentSpec, what the generator's input vectors are made of.
      step: the training step that was exported.
    """

    def __init__(self, latents, step, generator, recognizer):
        self.latents, self.step = latents, step
        self._generator, self._recognizer = generator, recognizer

    def generate(self, latents):
        """Returns images, float32 (count, height, width, channels) in [-1, 1], of latent vectors, float32 (count, latents.size)."""
        return self._generator.run(["images"], {"latents": latents})[0]

    def encode(self, images):
        """Returns the recognizer's output, float32 (count, latents.total_parameters), for images float32 (count, height, width, channels) in [-1, 1]."""
        return self._recognizer.run(["parameters"], {"images": images})[0]


def load(path):
    """Opens generator.onnx and the recognizer.onnx beside it.

    Returns:
      (Run, in the directory of the files, OnnxModel).

    Raises:
      UserError: if a file is missing or damaged, was not exported by keras-infogan, or the two are not of one run; or onnxruntime is not installed.
    """
    generator, text = _open(pathlib.Path(path), "images")
    recognizer, other = _open(pathlib.Path(path).with_name("recognizer.onnx"), "parameters")
    if text != other:
        raise UserError(f"{path} and recognizer.onnx beside it are not of the same run and step; export both again.")
    try:
        about = json.loads(text)
        run = runs.from_json(pathlib.Path(path).parent, about["run"])
        return run, OnnxModel(run.config.latents, int(about["step"]), generator, recognizer)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} says of its run what this keras-infogan cannot read ({error!r}); export it again.") from None


def _open(path, output):
    """Returns an inference session, whose one output must have this name, and what the file says of its run, text."""
    try:
        import onnxruntime
    except ImportError:
        raise UserError("reading ONNX files needs onnxruntime, which is not installed; install keras-infogan with its extra: pip install '.[onnx]'.") from None
    if not path.is_file():
        raise UserError(f"{path} is not there; generator.onnx and recognizer.onnx, as keras_infogan.export writes them, must lie side by side.")
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, which have no common parent but Exception
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0][:200]}); export it again.") from None
    text = session.get_modelmeta().custom_metadata_map.get("keras_infogan")
    names = [value.name for value in session.get_outputs()]
    if names != [output]:
        raise UserError(f"{path} gives {', '.join(names)}, where {output} was expected; give generator.onnx, with recognizer.onnx beside it.")
    if text is None:
        raise UserError(f"{path} does not say which codes it has: keras_infogan.export did not write it; give a file that it wrote.")
    return session, text
