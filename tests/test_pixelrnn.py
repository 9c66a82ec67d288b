"""What is PixelRNN's own: LSTMs over rows and diagonals. What it may see, and that drawing agrees
with scoring, test_pixelcnn holds for both.
"""

import numpy as np
import pytest
import tensorflow as tf
from conftest import TINY
from scipy.special import expit

from keras_infogan import models
from keras_infogan.models import pixelrnn

GENERATOR = np.random.default_rng(0)
FILTERS = 3


def _numbers(*shape):
    return GENERATOR.normal(size=shape).astype(np.float32)


def _lstm(gates, cell):
    """Equation 3, in numpy."""
    output, forget, enter, content = np.split(gates, 4, axis=-1)
    cell = expit(forget) * cell + expit(enter) * np.tanh(content)
    return expit(output) * np.tanh(cell), cell


def test_skewed_rows_move_by_one_each_and_back():
    maps = tf.constant(np.arange(1, 13).reshape(1, 3, 4, 1), tf.float32)
    diagonals = pixelrnn._skewed(maps)
    assert diagonals[:, 0, :, 0].numpy().T.tolist() == [
        [1, 2, 3, 4, 0, 0],
        [0, 5, 6, 7, 8, 0],
        [0, 0, 9, 10, 11, 12],
    ]
    assert np.array_equal(pixelrnn._straight(diagonals, 4), maps)


def test_a_row_lstm_goes_down_and_looks_three_wide():
    gates, above = _numbers(2, 3, 5, 4 * FILTERS), [_numbers(2, 5, FILTERS) for _ in range(2)]
    layer = pixelrnn.RowLSTM(FILTERS)
    result, *last = layer(gates, *above)
    kernel = layer.kernel.numpy()
    hidden, cell = above
    for row in range(3):
        padded = np.pad(hidden, ((0, 0), (1, 1), (0, 0)))
        entering = sum(padded[:, place : place + 5] @ kernel[place] for place in range(3))
        hidden, cell = _lstm(gates[:, row] + entering, cell)
        assert result[:, row].numpy() == pytest.approx(hidden, abs=1e-5)
    assert last[0].numpy() == pytest.approx(hidden, abs=1e-5)
    assert last[1].numpy() == pytest.approx(cell, abs=1e-5)


@pytest.mark.parametrize("from_the_right", [False, True])
def test_a_diagonal_lstm_takes_its_neighbors_beside_and_above(from_the_right):
    gates, above = _numbers(2, 3, 4, 4 * FILTERS), _numbers(2, 4, FILTERS)
    layer = pixelrnn.DiagonalLSTM(FILTERS, from_the_right=from_the_right)
    result, last = (tensor.numpy() for tensor in layer(gates, above))
    upper_kernel, own_kernel = layer.kernel.numpy()
    upper = above
    for row in range(3):
        hidden, cell, found = np.zeros((2, FILTERS)), np.zeros((2, FILTERS)), {}
        for column in reversed(range(4)) if from_the_right else range(4):
            entering = upper[:, column] @ upper_kernel + hidden @ own_kernel
            hidden, cell = _lstm(gates[:, row, column] + entering, cell)
            found[column] = hidden
        upper = np.stack([found[column] for column in range(4)], axis=1)
        assert result[:, row] == pytest.approx(upper, abs=1e-5)
    assert last == pytest.approx(upper, abs=1e-5)


def test_strip_by_strip_it_says_what_it_says_of_the_whole():
    model = models.build("pixelrnn", TINY["pixelrnn"], (8, 8, 1))
    values = tf.constant(GENERATOR.integers(0, 4, (2, 8, 8, 1)), tf.float32)
    whole, _ = model._predicted(values, model._nothing_above(values))
    above = model._nothing_above(values)
    for start, end in ((0, 1), (1, 5), (5, 8)):
        part, above = model._predicted(values[:, start:end], above)
        assert part.numpy() == pytest.approx(whole[:, start:end].numpy(), abs=1e-5)
