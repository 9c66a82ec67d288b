"""PixelRNN: Pixel Recurrent Neural Networks (van den Oord, Kalchbrenner and Kavukcuoglu 2016, arXiv
1601.06759, Sections 3.1 to 3.3).

Two-dimensional LSTMs run over the image, the Row LSTM from the top row downward, the Diagonal
BiLSTM from both upper corners along the diagonals, and say of each pixel, given those before it,
how likely its values are. What that means for likelihood and drawing stands in `pixels`. Settings
and presets stand in `settings.pixelrnn`.
"""

import keras
import tensorflow as tf
from keras import ops

from keras_infogan.masked import Strips
from keras_infogan.pixels import PixelByPixel


class PixelRNN(PixelByPixel):
    """A stack of two-dimensional LSTMs."""

    def make_networks(self):
        settings = self.settings
        strips = Strips(self.image_shape, settings.num_classes)
        recurrent = {"row": _row_lstm, "diagonal": _diagonal_bilstm}[settings.architecture]
        # Table 1: a 7x7 convolution with mask A, then residual blocks (Figure 5, right): h features
        # of an LSTM, and a 1x1 convolution back to 2h.
        features = strips.convolved(strips.strip, 2 * settings.filters, 4, 7, "A")
        for _ in range(settings.blocks):
            hidden = recurrent(strips, features, settings.filters)
            features += strips.convolved(hidden, 2 * settings.filters, 1, 1)
        # ReLU followed by a 1x1 convolution, twice, and the softmax.
        features = strips.convolved(ops.relu(features), 2 * settings.filters, 1, 1)
        outputs = self.image_shape[-1] * settings.levels
        logits = strips.convolved(ops.relu(features), outputs, 1, 1, dtype="float32")
        self.network = strips.network("network", logits)


def _row_lstm(strips, features, filters):
    """Section 3.1: input-to-state 3x1 with mask B, state-to-state 3x1."""
    gates = strips.conditioned(strips.convolved(features, 4 * filters, 1, 3, parts=4))
    above = [strips.above((features.shape[2], filters)) for _ in range(2)]
    hidden, *below = RowLSTM(filters)(gates, *above)
    strips.hand_down(*below)
    return hidden


def _diagonal_bilstm(strips, features, filters):
    """Section 3.2: input-to-state 1x1 with mask B, state-to-state 2x1 on the skewed map, from the
    left and from the right.
    """
    width = features.shape[2]
    gates = strips.conditioned(strips.convolved(features, 4 * filters, 1, 1, parts=4))
    above = strips.above((width, filters))
    left, below = DiagonalLSTM(filters)(gates, above)
    strips.hand_down(below)
    gates = strips.conditioned(strips.convolved(features, 4 * filters, 1, 1, parts=4))
    above = strips.above((width, filters))
    right, below = DiagonalLSTM(filters, from_the_right=True)(gates, above)
    strips.hand_down(below)
    # From the right it has seen pixels that come later in its row: it is moved down by one.
    return left + ops.concatenate([above[:, None], right[:, :-1]], axis=1)


def _lstm(gates, cell):
    """Returns hidden and cell state (equation 3), of the gates o, f, i and g side by side."""
    filters = cell.shape[-1]
    output, forget, enter = tf.split(tf.sigmoid(gates[..., : 3 * filters]), 3, axis=-1)
    cell = forget * cell + enter * tf.tanh(gates[..., 3 * filters :])
    return output * tf.tanh(cell), cell


class _Recurrent(keras.layers.Layer):
    """State-to-state: a kernel (size, filters, 4 filters) over hidden states."""

    size: int

    def __init__(self, filters, **settings):
        super().__init__(**settings)
        self.filters = filters

    def build(self, *shapes):
        self.kernel = self.add_weight(
            name="kernel", shape=(self.size, self.filters, 4 * self.filters)
        )


@keras.saving.register_keras_serializable("keras_infogan")
class RowLSTM(_Recurrent):
    """From the gates' input-to-state part (batch, rows, width, 4 filters), and hidden and cell
    state of the row above, (batch, width, filters), to hidden states (batch, rows, width, filters)
    and the two of the last row.
    """

    size = 3

    def call(self, gates, hidden, cell):
        kernel = tf.cast(self.kernel, gates.dtype)

        def next_row(state, entering):
            hidden, cell = state
            return _lstm(entering + tf.nn.conv1d(hidden, kernel, 1, "SAME"), cell)

        hidden, cell = tf.scan(next_row, tf.transpose(gates, (1, 0, 2, 3)), (hidden, cell))
        return tf.transpose(hidden, (1, 0, 2, 3)), hidden[-1], cell[-1]


@keras.saving.register_keras_serializable("keras_infogan")
class DiagonalLSTM(_Recurrent):
    """From the gates' input-to-state part (batch, rows, width, 4 filters), and hidden states of the
    row above, (batch, width, filters), to hidden states (batch, rows, width, filters) and those of
    the last row. A pixel's state follows from that of the pixel before it in its row and the hidden
    state above it.
    """

    size = 2

    def __init__(self, filters, from_the_right=False, **settings):
        super().__init__(filters, **settings)
        self.from_the_right = from_the_right

    def call(self, gates, above):
        if self.from_the_right:
            gates, above = tf.reverse(gates, (2,)), tf.reverse(above, (1,))
        kernel = tf.reshape(tf.cast(self.kernel, gates.dtype), (-1, 4 * self.filters))
        rows, width = tf.shape(gates)[1], gates.shape[2]
        diagonals = tf.range(width + rows - 1)
        columns = diagonals[:, None] - tf.range(rows)
        inside = tf.cast((columns >= 0) & (columns < width), gates.dtype)[:, None, :, None]
        above = ops.pad(above, ((0, 0), (0, rows - 1), (0, 0)))

        def next_diagonal(state, entering):
            gates, above, inside = entering
            hidden, cell = state
            upper = tf.concat([above[:, None], hidden[:, :-1]], axis=1)
            before = tf.concat([upper, hidden], axis=-1)
            hidden, cell = _lstm(gates + tf.tensordot(before, kernel, 1), cell)
            return hidden * inside, cell * inside  # before its first pixel a row has no state

        nothing = tf.zeros_like(gates[:, :, 0, : self.filters])
        hidden, _ = tf.scan(
            next_diagonal,
            (_skewed(gates), tf.transpose(above, (1, 0, 2)), inside),
            (nothing, nothing),
        )
        hidden = _straight(hidden, width)
        if self.from_the_right:
            hidden = tf.reverse(hidden, (2,))
        return hidden, hidden[:, -1]


def _skewed(maps):
    """Returns maps (batch, rows, width, features) by diagonals, (width + rows - 1, batch, rows,
    features): row r is moved by r to the right (Figure 3), with zeros beside it.
    """
    rows, width, features = tf.shape(maps)[1], maps.shape[2], maps.shape[3]
    flat = tf.reshape(
        ops.pad(maps, ((0, 0), (0, 0), (0, rows), (0, 0))), (-1, rows * (width + rows), features)
    )
    moved = tf.reshape(flat[:, :-rows], (-1, rows, width + rows - 1, features))
    return tf.transpose(moved, (2, 0, 1, 3))


def _straight(diagonals, width):
    """The inverse of `_skewed`."""
    rows, features = tf.shape(diagonals)[2], diagonals.shape[3]
    flat = tf.reshape(
        tf.transpose(diagonals, (1, 2, 0, 3)), (-1, rows * (width + rows - 1), features)
    )
    padded = ops.pad(flat, ((0, 0), (0, rows), (0, 0)))
    return tf.reshape(padded, (-1, rows, width + rows, features))[:, :, :width]
