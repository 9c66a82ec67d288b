"""Settings and presets of PixelCNN (van den Oord et al. 2016, arXiv 1601.06759; gated: arXiv
1606.05328). Loads without TensorFlow.

Deviations of all presets, with the reason:
  - Adam, its rate falling to 0, not the paper's RMSProp at a constant one: it is what runs of
    minutes end best with.
  - Kernels leave out the rows below the pixel, which a mask would set to 0.
  - Two values are two logits of a softmax, as any other number of values, not one of a sigmoid.
  - Labels in the plain architecture, which the paper knows in the gated one only: a bias for each
    in the widest convolution of every block.
"""

import dataclasses

from keras_infogan.config import setting
from keras_infogan.pixel_settings import PixelByPixelSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class PixelCNNSettings(PixelByPixelSettings):
    """Everything that defines a PixelCNN run, apart from the data."""

    title = "PixelCNN"
    paper = "van den Oord et al. 2016, arXiv 1601.06759"

    architecture: str = setting(
        "plain",
        "residual blocks as in the first paper, or gated ones of two stacks without a blind spot "
        "(arXiv 1606.05328)",
        choices=("plain", "gated"),
    )
    filters: int = setting(
        32, "features h of a convolution; between blocks of the plain one 2h", minimum=1
    )
    blocks: int = setting(7, "blocks after the first convolution", minimum=1)


# A preset is chosen by the data set's name, or with --preset; "general" serves all other data.
PRESETS = {
    "digits": PixelCNNSettings(
        levels=2, filters=8, blocks=3, learning_rate=2e-3, batch_size=64, steps=2000
    ),
    # The paper has 7 layers for MNIST.
    "mnist": PixelCNNSettings(
        levels=2,
        filters=16,
        learning_rate=2e-3,
        batch_size=64,
        steps=10_500,
        picture_every_steps=1000,
    ),
    # The paper has 15 layers of 128 features for CIFAR-10; these are for a day on a few cores.
    "general": PixelCNNSettings(batch_size=16, steps=50_000),
}
