"""A trained model as tools see it: one numpy face for a run, a model in training,
and exported files.

Latents are float32 (count, latent_spec.size); images float32 (count, height, width, channels) in
[-1, 1]. Everything is computed in batches on one device.
"""

import functools

import numpy as np

from keras_infogan import capabilities, units
from keras_infogan.codes import GRAY_TOLERANCE
from keras_infogan.config import UserError
from keras_infogan.latents import NUM_SEEDS, Noise

_BATCH_SIZE = 256


class Trained:
    """What the faces share; a subclass has `_compute`.

    `takes_weights`: whether latent vectors may blend categories. `has_hidden`: whether there are
    hidden features to look at.

    Attributes:
      title: of the model, for people.
      latent_spec: LatentSpec, what latent vectors are made of.
      image_shape: (height, width, channels).
      step: the training step that it stands at.
      capabilities: names in `capabilities.CAPABILITIES`.
      likelihood: of a model with log_likelihood, what its nats are: {"meaning": a text, "exact": or
        a bound, "binary": whether pixels are, "noise_size": numbers that each estimate draws, ...};
        None otherwise. See `capabilities`.
      classes: of a model with classify, the classes' names in order; () otherwise.
      units: of a model with edit the units.Units that it takes gains of; None otherwise.
    """

    takes_weights = True
    has_hidden = False

    def __init__(
        self, title, latent_spec, image_shape, step, can, likelihood=None, classes=(), units=None
    ):
        self.title, self.latent_spec, self.image_shape, self._step = (
            title,
            latent_spec,
            tuple(image_shape),
            step,
        )
        self.capabilities, self.likelihood, self.classes = tuple(can), likelihood, tuple(classes)
        self.units = units

    @property
    def step(self):
        return self._step

    def generate(self, latents):
        """Returns the images of latent vectors."""
        return self._in_batches("generate", latents)

    def edit(self, latents, unit_gain):
        """Returns the images of latent vectors with each unit times its gain, float32 (count,
        units).
        """
        return self._in_batches("edit", latents, unit_gain)

    def decode(self, latents):
        """Returns the images of latent vectors that were encoded."""
        return self._in_batches("decode", latents)

    def sample(self, num, seed):
        """Returns `num` images of latents drawn with `seed`."""
        return self.generate(self.latent_spec.sample(num, seed))

    def encode(self, images):
        """Returns the parameters of Q(c|x), float32 (count, latent_spec.total_parameters)."""
        return self._in_batches("encode", images)

    def reconstruct(self, images):
        """Returns what is generated from what images encode to."""
        return self._in_batches("reconstruct", images)

    def log_likelihood(self, images, seed=0, num_samples=1):
        """Returns nats per image, float64 (count,): see the capability of this name.

        Of a bound that draws, the mean over `num_samples` importance samples, log (1/k) sum p(x, z)
        / q(z|x) (Burda et al. 2015, arXiv 1509.00519, equation 8): one gives the variational bound,
        more come nearer to the likelihood. Image i draws with the seeds from seed + i * num_samples
        on.

        Raises:
          UserError: for fewer than one sample, or if the model has no likelihood.
        """
        self.require("log_likelihood")
        if num_samples < 1:
            raise UserError(f"num_samples: expected at least 1, received {num_samples}.")
        assert self.likelihood is not None
        noise = Noise(self.likelihood["noise_size"], "normal")
        if not noise.size:
            self._check_levels(images)
            return self.log_likelihoods(images).astype(np.float64)
        total = np.full(len(images), -np.inf)
        for sample in range(num_samples):
            seeds = (
                seed + sample + num_samples * np.arange(len(images), dtype=np.int64)
            ) % NUM_SEEDS
            total = np.logaddexp(total, self.log_likelihoods(images, noise.from_seeds(seeds)))
        return total - np.log(num_samples)

    def surprise(self, images):
        """Returns nats of each pixel given those before it, float32 (count, height, width)."""
        self.require("surprise")
        self._check_levels(images)
        return self._in_batches("surprise", images)

    def complete(self, images, known, seed):
        """Returns images with the pixels drawn anew, with `seed`, that are not known, float32
        (count, height, width, 1), 1 or 0.
        """
        self.require("complete")
        wanted = (len(images), *self.image_shape[:2], 1)
        if np.shape(known) != wanted or not np.isin(known, (0, 1)).all():
            raise UserError(
                f"known: expected {wanted} of 1, where a pixel stays as it is, and 0, received "
                f"{np.shape(known)} from {np.min(known):g} to {np.max(known):g}."
            )
        self._check_shape("images", images, self.image_shape)
        self._check_levels(np.where(known == 1, images, 1))
        latents = self.latent_spec.sample(len(images), seed)
        return self._in_batches("complete", images, known, latents)

    def log_likelihoods(self, images, *noise):
        """Returns one estimate per image, float32 (count,), drawn with the noise given, float32
        (count, size), where the model draws.
        """
        return self._in_batches("log_likelihood", images, *noise)

    def classify(self, images):
        """Returns the probability of each of `classes`, float32 (count, classes)."""
        if self.likelihood:  # by which it classifies
            self._check_levels(images)
        return self._in_batches("classify", images)

    def require(self, capability):
        """Raises UserError unless the model can do what is asked."""
        capabilities.require(self, capability)

    def _check_levels(self, images):
        assert self.likelihood is not None
        if (
            self.likelihood["binary"]
            and np.abs(np.abs(images) - 1).max(initial=0) > 2 * GRAY_TOLERANCE
        ):
            raise UserError(
                f"this {self.title} knows black and white pixels alone, and these images have "
                "gray ones; draw them black or white first, as datasets.binarized does."
            )

    @staticmethod
    def _check_shape(name, array, shape):
        wanted = f"(count, {', '.join(map(str, shape))})"
        if np.shape(array)[1:] != tuple(shape):
            raise UserError(
                f"{name}: expected {wanted}, the size that the model was trained on, received "
                f"{np.shape(array)}."
            )

    def _in_batches(self, capability, *arrays):
        self.require(capability)
        if capability in ("generate", "decode", "edit"):
            self._check_shape("latents", arrays[0], (self.latent_spec.size,))
        else:
            self._check_shape("images", arrays[0], self.image_shape)
        return np.concatenate(
            [
                self._compute(capability, *part)
                for part in zip(*map(self.parts, arrays), strict=True)
            ]
        )

    @staticmethod
    def parts(array):
        """Returns an array in batches, a list."""
        return [
            array[start : start + _BATCH_SIZE]
            for start in range(0, max(len(array), 1), _BATCH_SIZE)
        ]

    def _compute(self, capability, *arrays):
        """Returns the result of a capability for one batch, numpy."""
        raise NotImplementedError


class TrainedLearner(Trained):
    """A Learner, as it is now: it may go on training.

    Unlike keras.Model.predict it asks no other replica or worker to take part: the chief of a
    cluster draws pictures alone.
    """

    def __init__(self, learner, classes=None):
        """
        Args:
          learner: the Learner.
          classes: the names of its classes, if they have others than their numbers.
        """
        can, likelihood = capabilities.of(learner), getattr(learner, "likelihood", None)
        super().__init__(
            learner.settings.title,
            learner.latent_spec,
            learner.image_shape,
            learner.step,
            can,
            likelihood,
            classes or map(str, range(getattr(learner, "num_classes", 0))),
        )
        self.learner, self._functions = learner, {}

    def open(self, layer):
        """Opens the generator at a layer, one of `units.layers_of`: from then on it can edit.

        Raises:
          UserError: if it does not generate, or has no such layer, or that has no map.
        """
        name, keras_layer, shape = units.layer_with_maps(self, layer)
        self.learner.edit = functools.partial(units.edit, self.learner, keras_layer)
        self.units = units.Units(name, (None,) * shape[-1])
        self.capabilities = (*self.capabilities, "edit")

    @property
    def step(self):
        return self.learner.step

    def _compute(self, capability, *arrays):
        import tensorflow as tf

        if capability not in self._functions:
            specs = [tf.TensorSpec((None, *array.shape[1:]), tf.float32) for array in arrays]
            self._functions[capability] = tf.function(
                capabilities.function(self.learner, capability),
                input_signature=specs,
                autograph=False,
            )
        return self._functions[capability](*arrays).numpy()

    @property
    def has_hidden(self):
        """Whether there are hidden features to look at."""
        return callable(getattr(self.learner, "hidden", None))

    def hidden(self, images):
        """Returns hidden features of images, such as what the last layer of its encoder reads,
        float32 (count, features).
        """
        parts = [self._compute("hidden", part) for part in self.parts(images)]
        return np.concatenate(parts).astype(np.float32)
