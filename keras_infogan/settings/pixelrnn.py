"""Settings and presets of PixelRNN (van den Oord et al. 2016, arXiv 1601.06759). Loads without
TensorFlow.

Deviations of all presets, with the reason:
  - Adam, its rate falling to 0, not the paper's RMSProp at a constant one: it is what runs of
    minutes end best with.
  - Kernels leave out the rows below the pixel, which a mask would set to 0.
  - Two values are two logits of a softmax, as any other number of values, not one of a sigmoid.
  - A row's state before its first pixel is 0, and so is that above the first row; it is not
    learned.
  - Labels are of the later paper on PixelCNN: a bias for each in the gates of every LSTM.
"""

import dataclasses
import math

from keras_infogan import config
from keras_infogan.config import UserError, setting
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_label

_LABEL = "kind=categorical(10)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PixelRNNSettings(config.Settings):
    """Everything that defines a PixelRNN run, apart from the data."""

    title = "PixelRNN"
    paper = "van den Oord et al. 2016, arXiv 1601.06759"

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
    architecture: str = setting(
        "diagonal",
        "the LSTM: from both upper corners along the diagonals, or from the top row downward",
        choices=("diagonal", "row"),
    )
    filters: int = setting(16, "features h of an LSTM; between blocks 2h", minimum=1)
    blocks: int = setting(7, "LSTM layers after the first convolution", minimum=1)
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
                f"--codes={self.codes!r} names the label of a conditional PixelRNN; add "
                "--conditional, or leave it out."
            )
        self._label()

    def _label(self):
        if not self.conditional:
            return ()
        return parse_label(self.codes or _LABEL, "a conditional PixelRNN")

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


# A preset is chosen by the data set's name, or with --preset; "general" serves all other data.
PRESETS = {
    "digits": PixelRNNSettings(
        levels=2, filters=8, blocks=1, learning_rate=2e-3, batch_size=64, steps=1000
    ),
    # The paper has 7 layers for MNIST; two of them learn in less than an hour on a core.
    "mnist": PixelRNNSettings(
        levels=2,
        blocks=2,
        learning_rate=3e-3,
        batch_size=64,
        steps=1000,
        picture_every_steps=1000,
    ),
    # The paper has 12 layers of 128 features for CIFAR-10; these are for a day on a few cores.
    "general": PixelRNNSettings(batch_size=16, steps=50_000),
}
