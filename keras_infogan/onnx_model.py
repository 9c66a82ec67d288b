"""Models that were exported to ONNX, to sample, encode and score with. No TensorFlow.

model = onnx_model.load("export/generator.onnx", provider="cuda")
images = model.generate(model.latent_spec.sample(16, seed=0))
print(model.provider)     # where it really runs
"""

import pathlib

import numpy as np

from keras_infogan.config import UserError
from keras_infogan.contract import (
    CLASS_PROBABILITIES,
    LOG_LIKELIHOOD,
    METADATA_KEY,
    ONNX_FILES,
    RECONSTRUCTIONS,
    from_json,
    read,
)
from keras_infogan.trained import Trained
from keras_infogan.untrusted import parse_json

# What onnxruntime calls each, the most wanted first; it goes on to the next for what the
# first cannot do.
PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
# What onnxruntime calls the types of a contract.
_TYPES = {"float32": "tensor(float)", "int64": "tensor(int64)", "uint8": "tensor(uint8)"}


class OnnxModel(Trained):
    """Runs generator.onnx, recognizer.onnx and what else was exported.

    Attributes:
      contract: what the files say of themselves.
    """

    def __init__(self, contract, sessions):
        """
        Args:
          contract: the Contract of the files.
          sessions: onnxruntime.InferenceSession by capability; the model can do no more than these.
        """
        super().__init__(
            contract.title,
            contract.latent_spec,
            contract.image_shape,
            contract.step,
            sessions,
            contract.likelihood,
            contract.classes,
            contract.units,
        )
        self.takes_weights = contract.categories == "weights"
        self.contract, self._sessions = contract, sessions

    @property
    def provider(self):
        """Where it runs: "tensorrt", "cuda" or "cpu", as onnxruntime says after it has
        loaded the files.
        """
        return provider_of(next(iter(self._sessions.values())))

    def _compute(self, capability, first, *others):
        feeds = self.contract.feeds
        if capability == "generate":
            # Of a file that takes categories as an index, blends of categories become
            # the likeliest one.
            return self._images("generate", "images", feeds("generator", latents=first))
        if capability == "decode":
            return self._images("decode", "images", feeds("decoder", latents=first))
        if capability == "edit":
            (gains,) = others
            return self._images("edit", "images", feeds("editor", latents=first, unit_gain=gains))
        images = (first + 1) / 2
        if capability == "reconstruct":
            return self._images(
                "reconstruct", RECONSTRUCTIONS, feeds("reconstructor", images=images)
            )
        if capability == "log_likelihood":
            return self._run(
                "log_likelihood",
                [LOG_LIKELIHOOD.name],
                feeds("scorer", images=images, **dict(zip(("noise",), others, strict=False))),
            )[0]
        if capability == "classify":
            return self._run("classify", [CLASS_PROBABILITIES], feeds("classifier", images=images))[
                0
            ]
        return self._run("encode", ["parameters"], feeds("recognizer", images=images))[0]

    def outputs(self, images):
        """Returns what the recognizer says of images in [-1, 1]: a dict from the names of
        Contract.answers to arrays.
        """
        self.require("encode")
        names = [tensor.name for tensor in self.contract.answers]
        feeds = (
            self.contract.feeds("recognizer", images=(part + 1) / 2) for part in self.parts(images)
        )
        columns = zip(*(self._run("encode", names, feed) for feed in feeds), strict=True)
        return {name: np.concatenate(column) for name, column in zip(names, columns, strict=True)}

    def _images(self, capability, name, feeds):
        return self.contract.from_onnx_images(self._run(capability, [name], feeds)[0]) * 2 - 1

    def _run(self, capability, names, feeds):
        """Returns the outputs of these names; raises UserError if they cannot be computed, or are
        not what the contract says.
        """
        file = ONNX_FILES[capability]
        try:
            outputs = self._sessions[capability].run(names, feeds)
        except Exception as error:  # onnxruntime's own, which have no common parent but Exception
            raise UserError(
                f"{file}.onnx cannot be run ({_first_line(error)}); export it again."
            ) from None
        count = len(next(iter(feeds.values())))
        promised = {tensor.name: tensor for tensor in self.contract.onnx_graphs()[file].outputs}
        for name, output in zip(names, outputs, strict=True):
            expected = (count, *promised[name].shape)
            if np.shape(output) != expected:
                raise UserError(
                    f"{file}.onnx: expected {name} of the shape {expected}, received "
                    f"{np.shape(output)}; export it again."
                )
        return outputs

    def bind(self, count):
        """Returns a `BoundGenerator` for batches of `count` images."""
        return BoundGenerator(self.contract, self._sessions["generate"], count)


class BoundGenerator:
    """Makes batches of one size with inputs and outputs in the device's own memory, so that nothing
    is copied but what you ask for.

    Attributes:
      inputs: dict from name to onnxruntime.OrtValue on the device;
        `update_inplace(array)` writes it.
      images: onnxruntime.OrtValue that every `run` overwrites; `.numpy()` copies it to the host,
        `.data_ptr()` is its address on the device.
    """

    def __init__(self, contract, session, count):
        import onnxruntime

        device = "cpu" if provider_of(session) == "cpu" else "cuda"
        allocate = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        graph = contract.onnx_graphs()["generator"]
        self.inputs = {
            tensor.name: allocate((count, *tensor.shape), np.dtype(tensor.type).type, device, 0)
            for tensor in graph.inputs
        }
        (images,) = graph.outputs
        self.images = allocate((count, *images.shape), np.dtype(images.type).type, device, 0)
        self._session, self._binding = session, session.io_binding()
        for name, value in self.inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        self._binding.bind_ortvalue_output("images", self.images)

    def run(self):
        """Computes `images` from `inputs`, as they lie on the device, and returns it."""
        self._session.run_with_iobinding(self._binding)
        return self.images


def provider_of(session):
    """Returns the name in PROVIDERS of what a session runs on."""
    return next(
        name for name, (first, *_) in PROVIDERS.items() if first == session.get_providers()[0]
    )


def load(path, needs=None, provider="cpu", num_threads=0, others=False):
    """Opens an exported generator.onnx (or generator_fp16.onnx, or any other of the files), and
    what else is needed of those beside it.

    Args:
      path: of the file.
      needs: capabilities, names in `capabilities.CAPABILITIES`; None: all that were exported.
      provider: one of PROVIDERS; where it cannot be had, the next best is taken:
        `OnnxModel.provider` says which.
      num_threads: of the CPU; 0: all cores. On a machine that is busy otherwise, fewer
        are often faster.
      others: whether files that are not needed are opened too where they lie beside it.

    Returns:
      OnnxModel.

    Raises:
      UserError: if a file is missing or damaged, was not exported by keras-infogan, or the files
        are not of one run; or onnxruntime is not installed.
    """
    path = pathlib.Path(path)
    session, text = open_session(path, provider, num_threads)
    try:
        contract = from_json(path, parse_json(text))
        name, promised = contract.name, contract.onnx_graphs()
        if not name.isprintable():
            raise ValueError(f"the name {name[:100]!r}")
        graphs = {one: promised[ONNX_FILES[one]] for one in contract.capabilities}
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(
            f"{path} says of its run what this keras-infogan cannot read ({error!r}); "
            "export it again."
        ) from None
    taken, names = (
        [value.name for value in values] for values in (session.get_inputs(), session.get_outputs())
    )
    giving = [
        capability
        for capability, graph in graphs.items()
        if [tensor.name for tensor in graph.outputs] == names
    ]
    if not giving:
        raise UserError(
            f"{path} gives {', '.join(names)}, not what its metadata say; export it again."
        )
    # Generator and editor both give images.
    given = next(
        (one for one in giving if {tensor.name for tensor in graphs[one].inputs} == set(taken)),
        giving[0],
    )
    _check_graph(path, session, graphs[given])
    beside = path.with_name("generator.json")
    if beside.is_file() and read(beside)[1] != contract:
        raise UserError(
            f"{path} and {beside.name} beside it are not of the same run and step; "
            "export both again."
        )
    sessions = {given: session}
    for capability in contract.capabilities:
        other = path.with_name(f"{ONNX_FILES[capability]}.onnx")
        needed = needs is None or capability in needs or (others and other.is_file())
        if capability in sessions or not needed:
            continue
        sessions[capability], other_text = open_session(other, provider, num_threads)
        if other_text != text:
            raise UserError(
                f"{path} and {other.name} beside it are not of the same run and step; "
                "export both again."
            )
        _check_graph(other, sessions[capability], graphs[capability])
    model = OnnxModel(
        contract, {name: sessions[name] for name in contract.capabilities if name in sessions}
    )
    for capability in needs or ():
        model.require(capability)
    return model


def _check_graph(path, session, graph):
    """Raises UserError unless a session takes and gives the Tensors of a Graph."""
    for what, values, tensors in (
        ("takes", session.get_inputs(), graph.inputs),
        ("gives", session.get_outputs(), graph.outputs),
    ):
        found = {value.name: (value.type, value.shape) for value in values}
        expected = {tensor.name: (_TYPES[tensor.type], list(tensor.shape)) for tensor in tensors}
        for name in found | expected:
            kind, shape = found.get(name, ("nothing", []))
            # The first dimension is the batch, of any size, which has a name in place of a number.
            fits = shape and not isinstance(shape[0], int)
            if name not in expected or not fits or (kind, shape[1:]) != expected[name]:
                raise UserError(
                    f"{path} {what} {name[:100]!r} as {kind} {shape}, which is not what its "
                    "metadata say; export it again."
                )


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _onnxruntime(provider):
    try:
        import onnxruntime
    except ImportError:
        raise UserError(
            "reading ONNX files needs onnxruntime, which is not installed; install keras-infogan "
            "with its extra: pip install '.[export]'."
        ) from None
    if provider != "cpu":
        # CUDA's libraries from pip's packages, where they are not on the system.
        onnxruntime.preload_dlls()
    return onnxruntime


def open_session(path, provider="cpu", num_threads=0):
    """Returns an onnxruntime.InferenceSession of an exported file, and the contract in
    its metadata, text.

    Raises:
      UserError: if it is missing, damaged, or not of keras_infogan.export.
    """
    onnxruntime = _onnxruntime(provider)
    if not path.is_file():
        raise UserError(
            f"{path} is not there; the .onnx files of an export, as keras_infogan.export writes "
            "them, must lie side by side."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 4  # what could not be had is said by `provider`
    wanted = [name for name in PROVIDERS[provider] if name in onnxruntime.get_available_providers()]
    try:
        session = onnxruntime.InferenceSession(path, options, providers=wanted)
    except Exception as error:
        # onnxruntime raises classes of its own, which have no common parent but Exception.
        raise UserError(f"{path} cannot be read ({_first_line(error)}); export it again.") from None
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise UserError(
            f"{path} does not say which codes it has: keras_infogan.export did not write it; give "
            "a file that it wrote."
        )
    return session, text
