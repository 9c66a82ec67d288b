"""Settings that models have in common which make an image pixel by pixel (see `pixels`). Loads
without TensorFlow.
"""

import dataclasses
import math

from keras_infogan import config
from keras_infogan.config import UserError, setting
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_label

_LABEL = "kind=categorical(10)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PixelByPixelSettings(config.Settings):
    """What defines a run of any of them, but for its network."""

    levels: int = setting(
        256,
        "values that a pixel's channel can have; 2: black and white, drawn with the gray level as "
        "the probability of white",
        minimum=2,
        maximum=256,
    )
    binarization: str = setting(
        "dynamic",
        "when pixels of 2 levels are drawn: anew at each step, or every training image once and "
        "for all, before training",
        choices=("dynamic", "fixed"),
    )
    conditional: bool = setting(
        False, "learn from labels, and draw images given one (arXiv 1606.05328, Section 2.3)"
    )
    codes: str = setting(
        "",
        "with --conditional, the label, one categorical code with a value for each class; empty: "
        f"{_LABEL}",
    )
    noise_size: int = setting(
        0,
        "length of the noise: one number for each pixel and channel, which picks its value; "
        "0: made for the image size",
        minimum=0,
    )

    learning_rate: float = setting(1e-3, "Adam's step size", minimum=0.0)
    learning_rate_decay_start: float = setting(
        0.0,
        "share of the steps after which the rate falls linearly, to 0 at the end; 1: it stays",
        minimum=0.0,
        maximum=1.0,
    )
    adam_beta_1: float = setting(
        0.9, "Adam's decay of the first moment", minimum=0.0, maximum=0.999
    )

    def __post_init__(self):
        super().__post_init__()
        if self.binarization == "fixed" and self.levels > 2:
            raise UserError(
                f"--binarization=fixed draws pixels black or white, and --levels={self.levels} "
                "are more than two; give --levels=2, or leave it out."
            )
        if self.codes and not self.conditional:
            raise UserError(
                f"--codes={self.codes!r} names the label of a conditional {self.title}; "
                "add --conditional, or leave it out."
            )
        self._label()

    def _label(self):
        if not self.conditional:
            return ()
        return parse_label(self.codes or _LABEL, f"a conditional {self.title}")

    @property
    def reads(self):
        """What training takes of a batch."""
        return ("image", "label") if self.conditional else ("image",)

    @property
    def num_classes(self):
        """How many classes the label tells apart, 0 without one."""
        return sum(code.num_values for code in self._label())

    @property
    def latent_spec(self):
        """The LatentSpec of these settings: noise, and the label as a code where there is one."""
        return LatentSpec(Noise(self.noise_size, picks_pixels=True), self._label())

    def for_images(self, image_shape):
        """Returns the settings with noise for (height, width, channels), and the label where it is
        conditional; raises UserError if other noise is given.
        """
        size = math.prod(image_shape)
        if self.noise_size not in (0, size):
            raise UserError(
                f"--noise_size={self.noise_size} does not fit images of "
                f"{'x'.join(map(str, image_shape))} numbers, each of which takes one: leave it out."
            )
        codes = self.codes or (_LABEL if self.conditional else "")
        return dataclasses.replace(self, noise_size=size, codes=codes)
