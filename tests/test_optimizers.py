import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_infogan.optimizers import Adam, LateStart, LinearDecay

GRADIENTS = np.random.default_rng(0).normal(size=(5, 3, 2)).astype(np.float32)


def _after_updates(kind, strategy):
    """Returns weights and state of an optimizer after some updates, each replica with its part
    of the gradient.
    """
    with strategy.scope():
        variable = keras.Variable(np.arange(6.0, dtype=np.float32).reshape(3, 2))
        optimizer = kind(0.1, 0.5, use_ema=True, ema_momentum=0.9)
        optimizer.build([variable])
    step = tf.function(
        lambda part: strategy.run(
            lambda gradient: optimizer.apply([tf.identity(gradient)], [variable]), (part,)
        )
    )
    for gradient in GRADIENTS:
        step(tf.constant(gradient / strategy.num_replicas_in_sync))
    return [variable.numpy(), *(state.numpy() for state in optimizer.variables)]


@pytest.mark.parametrize("count", [1, 2])
def test_adam_is_keras_s(count, strategies):
    for theirs, ours in zip(
        *(_after_updates(kind, strategies[count]) for kind in (keras.optimizers.Adam, Adam)),
        strict=True,
    ):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6)


def test_a_rate_stays_and_then_falls_to_zero():
    rate = LinearDecay(0.5, start=100, end=200)
    rates = [float(rate(step)) for step in (0, 100, 150, 199, 200, 300)]
    assert rates == pytest.approx([0.5, 0.5, 0.25, 0.005, 0, 0])
    again = LinearDecay.from_config(rate.get_config())
    assert float(again(150)) == pytest.approx(0.25)


@pytest.mark.parametrize("rate", [0.1, LinearDecay(0.1, 0, 1_000_000)])
def test_a_late_start_is_that_of_a_new_adam(rate):
    """Though Adam has counted a thousand updates by nothing."""

    def moved(optimizer, idle):
        variable = keras.Variable(np.zeros((3, 2), np.float32))
        optimizer.build([variable])
        optimizer.iterations.assign(idle)
        found = []
        for gradient in GRADIENTS:
            optimizer.apply([tf.constant(gradient)], [variable])
            found.append(variable.numpy())
        return found

    new, late = moved(Adam(0.1, 0.5), 0), moved(Adam(LateStart(rate, 1000, 0.5), 0.5), 1000)
    for one, other in zip(new, late, strict=True):
        assert other == pytest.approx(one, rel=2e-3)
    assert [float(LateStart(rate, 10, 0.5)(step)) for step in (0, 9)] == [0, 0]
