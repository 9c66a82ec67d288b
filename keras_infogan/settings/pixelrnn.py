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

from keras_infogan.config import setting
from keras_infogan.pixel_settings import PixelByPixelSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class PixelRNNSettings(PixelByPixelSettings):
    """Everything that defines a PixelRNN run, apart from the data."""

    title = "PixelRNN"
    paper = "van den Oord et al. 2016, arXiv 1601.06759"

    architecture: str = setting(
        "diagonal",
        "the LSTM: from both upper corners along the diagonals, or from the top row downward",
        choices=("diagonal", "row"),
    )
    filters: int = setting(16, "features h of an LSTM; between blocks 2h", minimum=1)
    blocks: int = setting(7, "LSTM layers after the first convolution", minimum=1)


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
