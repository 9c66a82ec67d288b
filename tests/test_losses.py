import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from keras_infogan import losses

REAL, FAKE = (np.random.default_rng(seed).normal(size=(8, 1)).astype(np.float32) for seed in (0, 1))


def test_discriminator_loss_in_closed_form():
    expected = -np.log(expit(REAL)) - np.log(1 - expit(FAKE))
    assert losses.discriminator_loss(REAL, FAKE).numpy() == pytest.approx(expected[:, 0], abs=1e-5)


def test_label_smoothing_is_one_sided():
    expected = -0.9 * np.log(expit(REAL)) - 0.1 * np.log(1 - expit(REAL)) - np.log(1 - expit(FAKE))
    assert losses.discriminator_loss(REAL, FAKE, 0.1).numpy() == pytest.approx(expected[:, 0], abs=1e-5)


def test_generator_loss_in_closed_form():
    assert losses.generator_loss(FAKE).numpy() == pytest.approx(-np.log(expit(FAKE))[:, 0], abs=1e-5)


def test_extreme_logits_stay_finite():
    assert np.isfinite(losses.discriminator_loss(np.array([[-500.0]], np.float32), np.array([[500.0]], np.float32)).numpy()).all()


@pytest.mark.parametrize("count", [1, 2])
def test_replicas_sum_to_the_mean_of_the_global_batch(count, strategies):
    values = np.arange(8, dtype=np.float32)
    strategy = strategies[count]
    parts = strategy.experimental_distribute_values_from_function(lambda context: tf.constant(np.split(values, count)[context.replica_id_in_sync_group]))
    total = strategy.reduce("sum", strategy.run(losses.global_batch_mean, (parts,)), axis=None)
    assert float(total) == pytest.approx(values.mean())
