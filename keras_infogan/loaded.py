"""A trained model to work with in Python, by the names of its codes: `keras_infogan.load(path)`."""

import importlib.util
import pathlib
import re

from keras_infogan import checkpoints, contract, models, named, onnx_model, runs, trained
from keras_infogan.config import UserError, absolute_path


class Loaded(named.Named):
    """A run or an export; see `named.Named`.

    Attributes:
      trained: the Trained that computes: for latent vectors, and images in [-1, 1].
    """

    def __init__(self, model):
        self.trained = model
        self.title, self.latent_spec, self.image_shape, self.capabilities = (
            model.title,
            model.latent_spec,
            model.image_shape,
            model.capabilities,
        )
        self.classes, self.units = model.classes, model.units

    def __repr__(self):
        codes = ", ".join(f"{code.name} ({code.prior})" for code in self.latent_spec.codes)
        return (
            f"<{self.title} of {'x'.join(map(str, self.image_shape))} images, step "
            f"{self.trained.step}; codes: {codes or 'none'}>"
        )

    def _generate(self, inputs, seeds, blended, gains):
        if blended and not self.trained.takes_weights:
            raise UserError(
                "this ONNX file takes categories as an index and cannot blend; export with "
                "--onnx_categories=weights, or load the run."
            )
        noise = self.latent_spec.noise
        latents = self.latent_spec.assembled(
            inputs, noise.from_seeds(seeds) if noise.size else None
        )
        made = (
            self.trained.generate(latents) if gains is None else self.trained.edit(latents, gains)
        )
        return named.to_uint8((made + 1) / 2)

    def log_likelihood(self, images, *, seed=0, num_samples=1):
        """Returns nats per image, float (count,), of images as `encode` takes them; see
        `trained.Trained.log_likelihood`.
        """
        self._require("log_likelihood")
        return self.trained.log_likelihood(self._checked_images(images) * 2 - 1, seed, num_samples)

    def _encode(self, images):
        return self.latent_spec.outputs(self.trained.encode(images * 2 - 1))

    def _reconstruct(self, images):
        return named.to_uint8((self.trained.reconstruct(images * 2 - 1) + 1) / 2)

    def _decode(self, vectors):
        latents = self.latent_spec.assembled(vectors)
        return named.to_uint8((self.trained.decode(latents) + 1) / 2)

    def _classify(self, images):
        return self.trained.classify(images * 2 - 1)


class _SavedModel(trained.Trained):
    """An exported SavedModel, in this process."""

    def __init__(self, directory, agreed):
        import tensorflow as tf

        super().__init__(
            agreed.title,
            agreed.latent_spec,
            agreed.image_shape,
            agreed.step,
            agreed.capabilities,
            agreed.likelihood,
            agreed.classes,
            agreed.units,
        )
        self._contract = agreed
        try:
            self._loaded = tf.saved_model.load(str(directory))
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise UserError(
                f"{directory} cannot be read ({str(error).splitlines()[0][:200]}); export it again."
            ) from None

    def _compute(self, capability, first, *others):
        import tensorflow as tf

        if capability == "generate":
            inputs = {"latents": first}
        elif capability == "decode":
            parts = self.latent_spec.unpack(first)
            inputs = {code.name: parts[code.name] for code in self.latent_spec.codes}
        elif capability == "edit":
            inputs = self._contract.feeds("edit", latents=first, unit_gain=others[0])
        else:
            inputs = {"images": (first + 1) / 2, **dict(zip(("noise",), others, strict=False))}
        signature = self._loaded.signatures["latents" if capability == "generate" else capability]
        outputs = signature(**{name: tf.constant(array) for name, array in inputs.items()})
        numbers = {
            "encode": "parameters",
            "log_likelihood": contract.LOG_LIKELIHOOD.name,
            "classify": contract.CLASS_PROBABILITIES,
        }
        if capability in numbers:
            return outputs[numbers[capability]].numpy()
        name = contract.RECONSTRUCTIONS if capability == "reconstruct" else "images"
        return outputs[name].numpy() * 2 - 1


def load(path, unit_layer=None):
    """Loads a trained model.

    Args:
      path: a run directory, the directory of an export, or one of its .onnx files. An export is
        computed by ONNX Runtime, without TensorFlow, where it has ONNX files, else from its
        SavedModel.
      unit_layer: of a run, a layer as keras_infogan.dissect takes it, whose units `generate` then
        takes gains of. An export has it if it was exported with --unit_layer.

    Returns:
      Loaded.

    Raises:
      UserError: if there is none, it is damaged, or a newer version wrote it.
    """
    if not str(path):
        raise UserError("which model? Give a run directory, or what keras_infogan.export wrote.")
    path = pathlib.Path(absolute_path(str(path)))
    if path.name in ("generator.json", "config.json"):
        path = path.parent
    if unit_layer and (path.suffix == ".onnx" or (path / "generator.json").is_file()):
        raise UserError(
            f"unit_layer={unit_layer!r}: {path} is an export, open at the layer that it was "
            "exported with (--unit_layer) or at none; load the run."
        )
    if path.suffix == ".onnx":
        return Loaded(onnx_model.load(path, needs=(), others=True))
    if (path / "generator.json").is_file():
        content, agreed = contract.read(path / "generator.json")
        files = content.get("files")
        if not isinstance(files, dict) or not files:
            raise UserError(
                f"{path / 'generator.json'} is damaged: it does not say which files there "
                "are; export again."
            )
        onnx = [f"{name}.onnx" for name in contract.ONNX_FILES.values() if f"{name}.onnx" in files]
        saved_models = [
            name for name in files if re.fullmatch(re.escape(agreed.name) + r"/\d+", name)
        ]
        # TensorFlow is always there; ONNX Runtime is an extra.
        if saved_models and not (onnx and importlib.util.find_spec("onnxruntime")):
            return Loaded(_SavedModel(path / saved_models[-1], agreed))
        return Loaded(onnx_model.load(path / (onnx or ["generator.onnx"])[0]))
    if not path.exists():
        raise UserError(
            f"{path} is not there; give a run directory, or what keras_infogan.export wrote."
        )
    return Loaded(load_run(path, unit_layer)[1])


def load_run(directory, unit_layer=None):
    """Loads a trained model: builds it from config.json and reads its newest checkpoint, moving
    averages in place of weights where it keeps them.

    It computes in float32 whatever precision it was trained in, so that what is seen, scored and
    exported is the same. With a `unit_layer` it is open there.

    Returns:
      (Run, trained.TrainedLearner).

    Raises:
      UserError: if it is no run directory or has no checkpoint yet.
    """
    run = runs.check_trained(directory)
    learner = models.build(run.model, run.settings, run.image_shape, precision="float32")
    checkpoints.restore(run, learner)
    learner.use_average()
    model = trained.TrainedLearner(learner, runs.read_classes(run))
    if unit_layer:
        model.open(unit_layer)
    return run, model
