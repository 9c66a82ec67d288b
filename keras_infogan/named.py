"""Images by the names of codes: what a model on disk (`keras_infogan.load`) and one behind a server
(`serving.client`) have in common.

images = model.generate(digit=3, slant=0.7, seed=1, num=8) # uint8 (8, height, width, channels)
model.generate(digit={3: 0.5, 8: 0.5}) # a blend model.encode(images) # {"digit": array([3, 3,
...]), "digit_probabilities": ..., "slant": ..., "slant_std": ...}
"""

from collections.abc import Mapping

import numpy as np

from keras_infogan import capabilities
from keras_infogan.codes import LARGEST, is_integer
from keras_infogan.config import UserError, did_you_mean
from keras_infogan.latents import NUM_SEEDS, LatentSpec
from keras_infogan.units import Units

_MOST_IMAGES = 1_000_000


class Named:
    """Arguments by name, checked before anything is computed; a subclass computes.

    Attributes:
      title: of the model, for people.
      latent_spec: LatentSpec, its codes under the names that are taken here.
      image_shape: (height, width, channels).
      capabilities: names in `capabilities.CAPABILITIES`.
      classes: of a model that can classify, the classes' names in order; () otherwise.
      units: of a model that is open at a layer, the units.Units that it takes gains of; None
        otherwise.
    """

    latent_spec: LatentSpec
    image_shape: tuple
    units: Units | None = None

    def generate(self, codes=None, /, *, seed=0, num=1, unit_gain=None, **more_codes):
        """Returns images, uint8 (num, height, width, channels).

        Args:
          codes, more_codes: per code one value for all images, or a sequence of `num`. A category
            is an index, or a dict from category to weight, to blend; a bit is 0 or 1, or a number
            between; any other code is a number. Codes called as arguments are go into the dict
            `codes`.
          seed: of the first image's noise, and of the codes that are not given, which are drawn
            from their priors; image i has the noise of seed + i.
          num: number of images.
          unit_gain: by how much units are multiplied, of a model with `units`: a dict from a unit's
            number to its gain, all others staying as they are, or gains (units,) or (num, units); 1
            leaves a unit as it is, 0 removes it. Not together with a blend.

        Raises:
          UserError: if an argument is not what the model takes (nothing is computed then), the
            model generates nothing, or a server does not deliver.
        """
        self._require("generate")
        if not is_integer(num) or not 1 <= num <= _MOST_IMAGES:
            raise UserError(
                f"num: expected a number of images from 1 to {_MOST_IMAGES:,}, received {num!r}."
            )
        if not is_integer(seed) or not 0 <= seed <= NUM_SEEDS - num:
            raise UserError(
                f"seed: expected an integer from 0 to {NUM_SEEDS - num} for {num} images, "
                f"received {seed!r}."
            )
        codes = {} if codes is None else codes
        if not isinstance(codes, Mapping):
            raise UserError(
                "codes: expected names and values, as in generate(digit=3) or "
                f"generate({{'digit': 3}}), received {codes!r}."
            )
        twice = codes.keys() & more_codes.keys()
        if twice:
            raise UserError(f"{min(twice)} is given twice; give each code once.")
        gains = None if unit_gain is None else self._gains(unit_gain, num)
        inputs, blended = self._inputs({**codes, **more_codes}, num, seed)
        if blended and gains is not None:
            raise UserError(
                "unit_gain: expected one category for each code beside it, received a blend."
            )
        seeds = np.arange(seed, seed + num, dtype=np.int64)
        return self._generate(inputs, seeds, blended, gains)

    def sample(self, num=1, seed=0):
        """Returns `num` images of the prior as `generate` does."""
        return self.generate(seed=seed, num=num)

    def encode(self, images):
        """Returns what the recognizer says of images, a dict of arrays: per code its value, and
        probabilities or the standard deviation.

        Args:
          images: uint8, or float in [0, 1], (count, height, width, channels).

        Raises:
          UserError: as `generate`.
        """
        self._require("encode")
        return self._encode(self._checked_images(images))

    def reconstruct(self, images):
        """Returns what is generated from what images encode to, uint8 as `generate` gives them;
        takes images as `encode` does.
        """
        self._require("reconstruct")
        return self._reconstruct(self._checked_images(images))

    def decode(self, **vectors):
        """Returns images, uint8 (count, height, width, channels), of vectors by name, each (count,
        size): what `encode` gives, of one image or of several.

        Raises:
          UserError: as `generate`.
        """
        self._require("decode")
        sizes = {code.name: code.size for code in self.latent_spec.codes}
        try:
            arrays = {name: np.asarray(values, np.float64) for name, values in vectors.items()}
        except (TypeError, ValueError):
            raise UserError(f"{', '.join(vectors)}: expected arrays of numbers.") from None
        shapes = {name: array.shape for name, array in arrays.items()}
        counts = {shape[:1] for shape in shapes.values()}
        if len(counts) != 1 or shapes != {name: (*min(counts), sizes[name]) for name in sizes}:
            expected = ", ".join(f"{name} (count, {size})" for name, size in sizes.items())
            received = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise UserError(f"expected {expected}; received {received or 'nothing'}.")
        for name, array in arrays.items():
            if not array.size or not (np.abs(array) <= LARGEST).all():
                raise UserError(f"{name}: expected finite numbers, for at least one image.")
        return self._decode({name: array.astype(np.float32) for name, array in arrays.items()})

    def classify(self, images):
        """Returns what the classifier says of images, a dict of arrays: "class", its number among
        `classes`, int64 (count,), and "class_probabilities", float32 (count, classes); takes images
        as `encode` does.
        """
        self._require("classify")
        probabilities = self._classify(self._checked_images(images))
        return {
            "class": probabilities.argmax(axis=-1).astype(np.int64),
            "class_probabilities": probabilities,
        }

    def _require(self, capability):
        capabilities.require(self, capability)

    def _checked_images(self, images):
        try:
            images = np.asarray(images)
        except ValueError:
            raise UserError(
                "images: expected an array, received lists of uneven lengths."
            ) from None
        wanted = f"(count, {', '.join(map(str, self.image_shape))})"
        if images.shape[1:] != tuple(self.image_shape) or not images.size:
            raise UserError(f"images: expected the shape {wanted}, received {images.shape}.")
        if images.dtype.kind not in "fuib":
            raise UserError(f"images: expected uint8, or float in [0, 1], received {images.dtype}.")
        images = images / np.float32(255) if images.dtype == np.uint8 else images.astype(np.float32)
        if not np.all((images >= 0) & (images <= 1)):
            raise UserError("images: expected numbers from 0 to 1, or uint8.")
        return images

    def _inputs(self, given, num, seed):
        """Returns the inputs for all codes, arrays by name, and whether they are weights of every
        discrete code, because something is blended.
        """
        known = {code.name: code for code in self.latent_spec.codes}
        for name in given:
            if name not in known:
                raise UserError(
                    f"there is no code {name!r}{did_you_mean(name, known)}; the codes are "
                    f"{', '.join(known) or 'none'}."
                )
        drawn = self.latent_spec.values(self.latent_spec.sample(num, seed))
        inputs = {
            name: code.given(given.get(name, drawn[name]), num) for name, code in known.items()
        }
        blended = any(
            inputs[name].dtype != np.int64 for name, code in known.items() if not code.continuous
        )
        if blended:
            shapes = {name: code.input("weights").shape for name, code in known.items()}
            inputs = {
                name: known[name].vector(array).reshape(num, *shapes[name]).astype(np.float32)
                for name, array in inputs.items()
            }
        return inputs, blended

    def _gains(self, given, num):
        """Returns gains as float32 (num, units)."""
        if self.units is None:
            raise UserError(
                "unit_gain: this model is open at no layer; export the run with "
                "--unit_layer=LAYER, or load it with unit_layer=LAYER."
            )
        count = len(self.units.segments)
        if isinstance(given, Mapping):
            unknown = [unit for unit in given if not is_integer(unit) or not 0 <= unit < count]
            if unknown:
                raise UserError(
                    f"unit_gain: expected units from 0 to {count - 1}, received {unknown[0]!r}."
                )
            given = [given.get(unit, 1) for unit in range(count)]
        try:
            gains = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            raise UserError(f"unit_gain: expected numbers, received {given!r:.60}.") from None
        if gains.shape not in ((count,), (num, count)):
            raise UserError(
                f"unit_gain: expected the shape ({count},) or ({num}, {count}), received "
                f"{gains.shape}."
            )
        if not (np.abs(gains) <= LARGEST).all():
            raise UserError("unit_gain: expected finite numbers.")
        return np.broadcast_to(gains, (num, count)).astype(np.float32)

    def _generate(self, inputs, seeds, blended, gains):
        """Returns images, uint8, of checked inputs, an image's seed each, int64 (num,), and gains
        of units, float32 (num, units) or None.
        """
        raise NotImplementedError

    def _encode(self, images):
        """Returns a dict of arrays for float32 images in [0, 1]."""
        raise NotImplementedError

    def _reconstruct(self, images):
        """Returns images, uint8, for float32 images in [0, 1]."""
        raise NotImplementedError

    def _decode(self, vectors):
        """Returns images, uint8, for vectors by name, float32 (count, size)."""
        raise NotImplementedError

    def _classify(self, images):
        """Returns probabilities (count, classes) for float32 images in [0, 1]."""
        raise NotImplementedError


def to_uint8(images):
    """Returns images in [0, 1] as uint8; raises UserError if they hold what is no number."""
    if not np.isfinite(images).all():
        raise UserError(
            "the images hold what is no number; ask for codes nearer to the range that they "
            "were trained on."
        )
    return np.round(np.clip(images, 0, 1) * 255).astype(np.uint8)
