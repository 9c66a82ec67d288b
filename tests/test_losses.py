import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit
from scipy.stats import entropy

from keras_infogan import losses

REAL, FAKE = (np.random.default_rng(seed).normal(size=(8, 1)).astype(np.float32) for seed in (0, 1))


def test_discriminator_loss_in_closed_form():
    expected = -np.log(expit(REAL)) - np.log(1 - expit(FAKE))
    assert losses.discriminator_loss(REAL, FAKE).numpy() == pytest.approx(expected[:, 0], abs=1e-5)


def test_label_smoothing_is_one_sided():
    expected = -0.9 * np.log(expit(REAL)) - 0.1 * np.log(1 - expit(REAL)) - np.log(1 - expit(FAKE))
    assert losses.discriminator_loss(REAL, FAKE, 0.1).numpy() == pytest.approx(
        expected[:, 0], abs=1e-5
    )


def test_generator_loss_in_closed_form():
    assert losses.generator_loss(FAKE).numpy() == pytest.approx(
        -np.log(expit(FAKE))[:, 0], abs=1e-5
    )


def test_extreme_logits_stay_finite():
    assert np.isfinite(
        losses.discriminator_loss(
            np.array([[-500.0]], np.float32), np.array([[500.0]], np.float32)
        ).numpy()
    ).all()


@pytest.mark.parametrize("count", [1, 2])
def test_replicas_sum_to_the_mean_of_the_global_batch(count, strategies):
    values = np.arange(8, dtype=np.float32)
    strategy = strategies[count]
    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(values, count)[context.replica_id_in_sync_group])
    )
    total = strategy.reduce("sum", strategy.run(losses.global_batch_mean, (parts,)), axis=None)
    assert float(total) == pytest.approx(values.mean())


def test_self_augmented_information_by_hand():
    first, second = (
        np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32),
        np.array([[0.6, 0.2, 0.2], [0.3, 0.1, 0.6]], np.float32),
    )
    prior = (0.5, 0.25, 0.25)
    disagreement, uncertainty, imbalance = losses.self_augmented_information(
        tf.math.log(first), tf.math.log(second), prior
    )
    assert disagreement.numpy() == pytest.approx(
        (first * np.log(first / second)).sum(axis=1), abs=1e-5
    )
    assert uncertainty.numpy() == pytest.approx(
        entropy(np.stack([first, second]), axis=2).mean(axis=0), abs=1e-5
    )
    assert imbalance.numpy() == pytest.approx(
        [entropy(np.concatenate([first, second]).mean(axis=0), prior)] * 2, abs=1e-5
    )


def test_guidance_by_hand():
    answers = tf.constant([0.5, -0.1])
    changed = tf.constant([0.8, 0.3])
    errors = losses.guidance(answers, changed, tf.constant([0.8, 0.4]))
    center = ((0.5 - 0.1) / 2) ** 2
    assert errors.numpy() == pytest.approx([center, 0.1**2 + center], abs=1e-6)


def test_an_image_teaches_its_copy_and_not_the_other_way_round():
    logits, changed = tf.constant([[1.0, 2.0, 0.0]]), tf.constant([[0.0, 1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch([logits, changed])
        disagreement, _, _ = losses.self_augmented_information(
            tf.nn.log_softmax(logits), tf.nn.log_softmax(changed), (1 / 3,) * 3
        )
    of_image, of_copy = tape.gradient(disagreement, [logits, changed])
    assert of_image is None
    assert np.asarray(of_copy) == pytest.approx(
        (tf.nn.softmax(changed) - tf.nn.softmax(logits)).numpy(), abs=1e-6
    )


@pytest.mark.parametrize("count", [1, 2])
def test_the_balance_is_that_of_the_global_batch(count, strategies):
    """A batch whose halves are unlike: the balance of either alone would be another."""
    logits, strategy = (
        np.array([[3.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 1.0]], np.float32),
        strategies[count],
    )

    def run(part):
        with tf.GradientTape() as tape:
            tape.watch(part)
            log_probabilities = tf.nn.log_softmax(part)
            imbalance = losses.self_augmented_information(
                log_probabilities, log_probabilities, (0.5, 0.5)
            )[2]
            total = losses.global_batch_mean(imbalance)
        return imbalance, tape.gradient(total, part)

    parts = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(logits, count)[context.replica_id_in_sync_group])
    )
    imbalance, gradient = (
        np.concatenate(strategy.experimental_local_results(values))
        for values in strategy.run(run, (parts,))
    )
    probabilities = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        marginal = tf.reduce_mean(tf.nn.softmax(probabilities), axis=0)
        expected = tf.reduce_sum(marginal * tf.math.log(marginal / 0.5))
    assert imbalance == pytest.approx([float(expected)] * 4, abs=1e-5)
    assert gradient == pytest.approx(np.asarray(tape.gradient(expected, probabilities)), abs=1e-5)
