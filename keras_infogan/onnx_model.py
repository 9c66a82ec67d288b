"""A generator and recognizer that were exported to ONNX, as a model to sample, encode and score with. No TensorFlow.

run, model = onnx_model.load("export/generator.onnx", provider="cuda")
images = model.generate(model.latents.sample(16, seed=0))
print(model.provider)     # where it really runs
"""

import json
import pathlib

import numpy as np

from keras_infogan.config import UserError
from keras_infogan.contract import METADATA_KEY, from_json

# What onnxruntime calls each, the most wanted first; it goes on to the next for what the first cannot do.
PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
_BATCH_SIZE = 256


class OnnxModel:
    """Runs generator.onnx and recognizer.onnx.

    Attributes:
      contract: what the files say of themselves.
      latents: LatentSpec, what the generator's input vectors are made of.
      step: the training step that was exported.
    """

    def __init__(self, contract, generator=None, recognizer=None):
        """
        Args:
          contract: the Contract of the files.
          generator, recognizer: onnxruntime.InferenceSession of each; without one, what needs it fails.
        """
        self.contract, self.latents, self.step = contract, contract.latents, contract.step
        self._generator, self._recognizer = generator, recognizer

    @property
    def provider(self):
        """Where it runs: "tensorrt", "cuda" or "cpu", as onnxruntime says after it has loaded the files."""
        return provider_of(self._generator or self._recognizer)

    def sample(self, count, seed):
        """Returns `count` images as `generate` does, of latents drawn with `seed`."""
        return self.generate(self.latents.sample(count, seed))

    def generate(self, latents):
        """Returns images, float32 (count, height, width, channels) in [-1, 1], of latent vectors, float32 (count, latents.size).

        Of a file that takes categories as an index, blends of categories become the likeliest one.
        """
        parts = [self._generator.run(["images"], self.contract.feeds("generator", part))[0] for part in _parts(latents)]
        return self.contract.from_onnx_images(np.concatenate(parts)) * 2 - 1

    def encode(self, images):
        """Returns the recognizer's output, float32 (count, latents.total_parameters), for images float32 (count, height, width, channels) in [-1, 1]."""
        return self.answers(images)["parameters"]

    def answers(self, images):
        """Returns what the recognizer says of images, as `encode` takes them: a dict from the names of Contract.answers to arrays."""
        names = [tensor.name for tensor in self.contract.answers]
        feeds = (self.contract.feeds("recognizer", images=(part + 1) / 2) for part in _parts(images))
        columns = zip(*(self._recognizer.run(names, feed) for feed in feeds), strict=True)
        return {name: np.concatenate(column) for name, column in zip(names, columns, strict=True)}

    def bind(self, count):
        """Returns a `BoundGenerator` for batches of `count` images."""
        return BoundGenerator(self.contract, self._generator, count)


class BoundGenerator:
    """Makes batches of one size with inputs and outputs in the device's own memory, so that nothing is copied but what you ask for.

    Attributes:
      inputs: dict from name to onnxruntime.OrtValue on the device; `update_inplace(array)` writes it.
      images: onnxruntime.OrtValue that every `run` overwrites; `.numpy()` copies it to the host, `.data_ptr()` is its address on the device.
    """

    def __init__(self, contract, session, count):
        import onnxruntime

        device = "cpu" if provider_of(session) == "cpu" else "cuda"
        allocate = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        inputs, (images,) = contract.onnx_graphs()["generator"]
        self.inputs = {tensor.name: allocate((count, *tensor.shape), np.dtype(tensor.type).type, device, 0) for tensor in inputs}
        self.images = allocate((count, *images.shape), np.dtype(images.type).type, device, 0)
        self._session, self._binding = session, session.io_binding()
        for name, value in self.inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        self._binding.bind_ortvalue_output("images", self.images)

    def run(self):
        """Computes `images` from `inputs`, as they lie on the device, and returns it."""
        self._session.run_with_iobinding(self._binding)
        return self.images


def _parts(array):
    return [array[start : start + _BATCH_SIZE] for start in range(0, len(array), _BATCH_SIZE)] or [array]


def provider_of(session):
    """Returns the name in PROVIDERS of what a session runs on."""
    return next(name for name, (first, *_) in PROVIDERS.items() if first == session.get_providers()[0])


def load(path, needs=("generator", "recognizer"), provider="cpu", num_threads=0):
    """Opens an exported generator.onnx (or generator_fp16.onnx), recognizer.onnx beside it, or one of them.

    Args:
      path: of a generator, or of recognizer.onnx where nothing else is needed.
      needs: which of the two.
      provider: one of PROVIDERS; where it cannot be had, the next best is taken: `OnnxModel.provider` says which.
      num_threads: of the CPU; 0: all cores. On a machine that is busy otherwise, fewer are often faster.

    Returns:
      (Run, in the directory of the files, OnnxModel).

    Raises:
      UserError: if a file is missing or damaged, was not exported by keras-infogan, or the two are not of one run; or onnxruntime is not installed.
    """
    path = pathlib.Path(path)
    paths = {name: path if name == needs[0] else path.with_name(f"{name}.onnx") for name in needs}
    opened = {name: open_session(paths[name], provider, num_threads) for name in needs}
    for name, (session, _) in opened.items():
        given = [value.name for value in session.get_outputs()]
        if (name == "generator") != (given == ["images"]):
            raise UserError(f"{paths[name]} gives {', '.join(given)}, not what a {name} gives; give {name}.onnx, as keras_infogan.export writes it.")
    texts = [text for _, text in opened.values()]
    if len(set(texts)) > 1:
        raise UserError(f"{path} and recognizer.onnx beside it are not of the same run and step; export both again.")
    try:
        contract = from_json(path.parent, json.loads(texts[0]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} says of its run what this keras-infogan cannot read ({error!r}); export it again.") from None
    return contract.run, OnnxModel(contract, **{name: session for name, (session, _) in opened.items()})


def _onnxruntime(provider):
    try:
        import onnxruntime
    except ImportError:
        raise UserError(
            "reading ONNX files needs onnxruntime, which is not installed; install keras-infogan with its extra: pip install '.[export]'."
        ) from None
    if provider != "cpu":
        onnxruntime.preload_dlls()  # CUDA's libraries from pip's packages, where they are not on the system
    return onnxruntime


def open_session(path, provider="cpu", num_threads=0):
    """Returns an onnxruntime.InferenceSession of an exported file, and the contract in its metadata, text.

    Raises:
      UserError: if it is missing, damaged, or not of keras_infogan.export.
    """
    onnxruntime = _onnxruntime(provider)
    if not path.is_file():
        raise UserError(f"{path} is not there; generator.onnx and recognizer.onnx, as keras_infogan.export writes them, must lie side by side.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 4  # what could not be had is said by `provider`
    wanted = [name for name in PROVIDERS[provider] if name in onnxruntime.get_available_providers()]
    try:
        session = onnxruntime.InferenceSession(path, options, providers=wanted)
    except Exception as error:  # onnxruntime raises classes of its own, which have no common parent but Exception
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0][:200]}); export it again.") from None
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise UserError(f"{path} does not say which codes it has: keras_infogan.export did not write it; give a file that it wrote.")
    return session, text
