"""Per-example losses of a GAN, and the one reduction to a mean over the global batch."""

import tensorflow as tf
from keras import ops


def binary_cross_entropy(logits, target):
    """Returns -target log D - (1 - target) log(1 - D) per example with D = sigmoid(logits), from logits (batch, 1); float32 (batch,)."""
    logits = ops.cast(logits, "float32")[:, 0]
    return ops.softplus(logits) - target * logits


def discriminator_loss(real_logits, fake_logits, label_smoothing=0.0):
    """Returns the discriminator's loss per example, -log D(x) - log(1 - D(G(z))) (Goodfellow et al. 2014, arXiv 1406.2661, equation 1).

    Args:
      real_logits: (batch, 1), on real images.
      fake_logits: (batch, 1), on generated images.
      label_smoothing: taken off the target of real images only (one-sided; Salimans et al. 2016, arXiv 1606.03498, Section 3.4).
    """
    return binary_cross_entropy(real_logits, 1.0 - label_smoothing) + binary_cross_entropy(fake_logits, 0.0)


def generator_loss(fake_logits):
    """Returns the non-saturating generator's loss per example, -log D(G(z)) (arXiv 1406.2661, Section 3)."""
    return binary_cross_entropy(fake_logits, 1.0)


def global_batch_mean(values):
    """Returns this replica's part of the mean over the global batch of per-example values (batch,).

    Optimizers sum gradients over the replicas of a tf.distribute strategy, so each replica must divide by the global batch. Every replica holds equally many
    examples: pipelines drop the remainder.
    """
    return ops.mean(values) / tf.distribute.get_strategy().num_replicas_in_sync


def mean_to_log(values):
    """Returns the mean of this replica's per-example values (batch,), in the shape from which Keras's fit makes the mean over all replicas.

    Where workers train together, fit reduces along an axis that a scalar does not have.
    """
    mean = ops.mean(values)
    return ops.reshape(mean, (1,)) if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy) else mean
