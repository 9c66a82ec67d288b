"""Convolutions that see only the pixels before: above, and to the left in the same row (van den
Oord et al. 2016, arXiv 1601.06759, Section 3.4), and networks that read an image in strips of rows.

Pixels come row by row, each row from the left, the channels of a pixel in their order. A network
takes a strip of any number of rows and, for each layer that looks upward, what that layer must know
of the rows above it; the whole image is a strip with nothing above it. So one network scores whole
images at once, and makes them row by row.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops


def channel_groups(count, channels, parts=1):
    """Returns the channel of the image that each of `count` features belongs to, int (count,), in
    order within each of `parts` equal parts, such as the gates of an LSTM.
    """
    each = count // parts
    return np.tile(np.arange(each) * channels // each, parts)


def mask(kind, height, width, inputs, outputs):
    """Returns which inputs a kernel may use, float32 (height, width, inputs, outputs); the pixel
    itself stands in the middle of the kernel's last row.

    Args:
      kind: "A": the pixels before, and of the pixel itself the channels before; "B": its own
        channel too; "above": the rows above alone; "all".
      height, width: of the kernel, the width odd.
      inputs, outputs: the channels that the features belong to, int, see `channel_groups`.

    Raises:
      ValueError: for another kind.
    """
    if kind not in ("A", "B", "above", "all"):
        raise ValueError(f"the kinds of masks are A, B, above and all; received {kind!r}.")
    seen = np.ones((height, width, len(inputs), len(outputs)), np.float32)
    if kind == "above":
        seen[-1] = 0
    elif kind != "all":
        seen[-1, width // 2 + 1 :] = 0
        before = np.less if kind == "A" else np.less_equal
        seen[-1, width // 2] = before(inputs[:, None], outputs[None])
    return seen


@keras.saving.register_keras_serializable("keras_infogan")
class MaskedConv2D(keras.layers.Conv2D):
    """A convolution whose kernel has the pixel itself in the middle of its last row: of a usual one
    of 7x7 the four rows that a mask leaves.

    From a strip with the rows above that the kernel covers, (batch, rows + kernel rows - 1, width,
    features), to (batch, rows, width, filters).
    """

    def __init__(self, filters, kernel_size, kind, channels, parts=1, **settings):
        """
        Args:
          filters: features that it gives.
          kernel_size: (height, width).
          kind: of the mask, see `mask`.
          channels: of the image, in whose order features may depend on each other.
          parts: of the features that it gives, see `channel_groups`.
        """
        super().__init__(filters, kernel_size, **settings)
        self.kind, self.channels, self.parts = kind, channels, parts

    def build(self, input_shape):
        super().build(input_shape)
        height, width = self.kernel_size
        self.mask = mask(
            self.kind,
            height,
            width,
            channel_groups(input_shape[-1], self.channels),
            channel_groups(self.filters, self.channels, self.parts),
        )

    def call(self, inputs):
        side = self.kernel_size[1] // 2
        padded = ops.pad(inputs, ((0, 0), (0, 0), (side, side), (0, 0))) if side else inputs
        # In the body of a loop, where images are drawn, ONNX would not know the shape else.
        masked = self.kernel * ops.cast(self.mask, self.kernel.dtype)
        kernel = tf.ensure_shape(masked, self.kernel.shape)
        features = self.convolution_op(padded, kernel)
        return tf.nn.bias_add(features, ops.cast(self.bias, features.dtype))

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        rows = None if height is None else height - self.kernel_size[0] + 1
        return (batch, rows, width, self.filters)


class Strips:
    """A network in the making that reads an image in strips of rows.

    Attributes:
      strip: its first input, float32 (batch, rows, width, channels).
      channels: of the image.
      label: its second input where there are labels, one-hot, float32 (batch, classes), in a list;
        else an empty one.
    """

    def __init__(self, image_shape, num_classes=0):
        _, width, self.channels = image_shape
        self.strip = keras.Input((None, width, self.channels), name="strip")
        self.label = [keras.Input((num_classes,), name="label")] if num_classes else []
        self._above, self._below = [], []

    def convolved(self, features, filters, height, width, kind="B", parts=1, dtype=None):
        """Returns features after a `MaskedConv2D` with a kernel of height x width, computed in a
        `dtype` of its own if one is given.
        """
        if height > 1:
            above = self.above((height - 1, *features.shape[2:]))
            features = ops.concatenate([above, features], axis=1)
            self.hand_down(features[:, 1 - height :])
        return MaskedConv2D(filters, (height, width), kind, self.channels, parts, dtype=dtype)(
            features
        )

    def conditioned(self, features):
        """Returns features plus a bias for the label, the same at every pixel (van den Oord et al.
        2016, arXiv 1606.05328, Section 2.3), where there are labels.
        """
        for label in self.label:
            bias = keras.layers.Dense(features.shape[-1], use_bias=False)(label)
            features += bias[:, None, None]
        return features

    def above(self, shape):
        """Returns what a layer is to know of the rows above, an input (batch, *shape): zeros at the
        top of the image, and for the next strip what `hand_down` was given.
        """
        self._above.append(keras.Input(shape, name=f"above_{len(self._above)}"))
        return self._above[-1]

    def hand_down(self, *below):
        """Takes what stands in place of the last `above`s for the strip below this one."""
        self._below += below

    def network(self, name, outputs):
        """Returns the keras.Model: [strip, *label, *above] -> [outputs, *what is above the strip
        below].
        """
        inputs = [self.strip, *self.label, *self._above]
        return keras.Model(inputs, [outputs, *self._below], name=name)
