"""PixelCNN: Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner and Kavukcuoglu 2016, arXiv
1601.06759, Section 3.4), and with `--architecture=gated` Conditional Image Generation with PixelCNN
Decoders (van den Oord et al. 2016, arXiv 1606.05328, Section 2).

Masked convolutions over the whole image say of each pixel, given those before it, how likely its
values are; all are trained at once, and images are drawn one pixel after another. What that means
for likelihood and drawing stands in `pixels`. Settings and presets stand in `settings.pixelcnn`.
"""

from keras import layers, ops

from keras_infogan.masked import Strips
from keras_infogan.pixels import PixelByPixel


class PixelCNN(PixelByPixel):
    """A stack of masked convolutions."""

    def make_networks(self):
        settings = self.settings
        strips = Strips(self.image_shape, settings.num_classes)
        stack = {"plain": _residual_stack, "gated": _gated_stack}[settings.architecture]
        features = stack(strips, settings.filters, settings.blocks)
        # Table 1: ReLU followed by a 1x1 convolution, twice, and the softmax.
        features = strips.convolved(ops.relu(features), 2 * settings.filters, 1, 1)
        outputs = self.image_shape[-1] * settings.levels
        logits = strips.convolved(ops.relu(features), outputs, 1, 1, dtype="float32")
        self.network = strips.network("network", logits)


def _residual_stack(strips, filters, blocks):
    """Table 1: a 7x7 convolution with mask A, then the residual blocks of Figure 5 (left) with
    mask B.
    """
    features = strips.convolved(strips.strip, 2 * filters, 4, 7, "A")
    for _ in range(blocks):
        inner = strips.convolved(ops.relu(features), filters, 1, 1)
        inner = strips.conditioned(strips.convolved(ops.relu(inner), filters, 2, 3))
        # Less, not plus, which is the same to a block that learns: the optimizer of TensorFlow's
        # graphs fuses a convolution with a sum that others read too, fails, and says so on stderr.
        features -= strips.convolved(ops.relu(inner), 2 * filters, 1, 1)
    return features


def _gated_stack(strips, filters, blocks):
    """Figure 2 of arXiv 1606.05328: a vertical stack sees all rows above, a horizontal one the row
    so far, and what the vertical one gives; so there is no blind spot.
    """
    vertical = horizontal = strips.strip
    for block in range(1 + blocks):
        first = not block
        height, width = (4, 7) if first else (2, 3)
        vertical = strips.convolved(
            vertical, 2 * filters, height, width, "above" if first else "all", parts=2
        )
        across = strips.convolved(horizontal, 2 * filters, 1, width, "A" if first else "B", parts=2)
        vertical = strips.conditioned(vertical)
        across = strips.conditioned(across + layers.Conv2D(2 * filters, 1)(vertical))
        added = strips.convolved(_gated(across), filters, 1, 1)
        horizontal = added if first else horizontal + added
        vertical = _gated(vertical)
    return horizontal


def _gated(features):
    """Equation 2 there: tanh of one half times the sigmoid of the other."""
    content, gate = ops.split(features, 2, axis=-1)
    return ops.tanh(content) * ops.sigmoid(gate)
