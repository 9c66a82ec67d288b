"""Per-example losses of a GAN, and the one reduction to a mean over the global batch."""

import tensorflow as tf
from keras import ops


def binary_cross_entropy(logits, target):
    """Returns -target log D - (1 - target) log(1 - D) per example with D = sigmoid(logits), from
    logits (batch, 1); float32 (batch,).
    """
    logits = ops.cast(logits, "float32")[:, 0]
    return ops.softplus(logits) - target * logits


def cross_entropy(logits, labels):
    """Returns -log p(label) per example, float32 (batch,), of logits (batch, classes) and labels,
    int (batch,).
    """
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"))
    return -ops.take_along_axis(log_probabilities, ops.cast(labels, "int32")[:, None], axis=-1)[
        :, 0
    ]


def discriminator_loss(real_logits, fake_logits, label_smoothing=0.0):
    """Returns the discriminator's loss per example, -log D(x) - log(1 - D(G(z))) (Goodfellow et al.
    2014, arXiv 1406.2661, equation 1).

    Args:
      real_logits: (batch, 1), on real images.
      fake_logits: (batch, 1), on generated images.
      label_smoothing: taken off the target of real images only (one-sided; Salimans et al. 2016,
        arXiv 1606.03498, Section 3.4).
    """
    return binary_cross_entropy(real_logits, 1.0 - label_smoothing) + binary_cross_entropy(
        fake_logits, 0.0
    )


def generator_loss(fake_logits):
    """Returns the non-saturating generator's loss per example, -log D(G(z)) (arXiv
    1406.2661, Section 3).
    """
    return binary_cross_entropy(fake_logits, 1.0)


def bernoulli_log_prob(images, logits):
    """Returns log p(x), (batch,), in nats, summed over pixels, where each is white with the
    probability sigmoid(logit): of gray images in [-1, 1] its expectation, minus the cross-entropy.
    """
    return ops.sum(0.5 * (images + 1) * logits - ops.softplus(logits), axis=(1, 2, 3))


def self_augmented_information(log_probabilities, log_probabilities_of_changed, prior):
    """Returns the three terms by which a recognizer learns a discrete code from images without
    labels (Krause et al. 2010, "Discriminative clustering by regularized information maximization";
    Hu et al. 2017, IMSAT, arXiv 1702.08720, equations 4 and 7).

    Args:
      log_probabilities: log Q(c|x) of every value of the code, float32
        (batch, values), on real images.
      log_probabilities_of_changed: the same on a changed copy of each image.
      prior: P(c), the values' probabilities.

    Returns:
      All to be minimized, in nats, (batch,):
        disagreement: KL(Q(c|x) || Q(c|Tx)), whose gradient is that of the copy alone. uncertainty:
        H(c|x), the mean over image and copy. imbalance: KL(Q(c) || P(c)) with Q(c) the mean over
        the global batch and its copies, the same number for each example.
    """
    probabilities, of_changed = ops.exp(log_probabilities), ops.exp(log_probabilities_of_changed)
    taught = ops.stop_gradient(probabilities)
    disagreement = ops.sum(
        taught * (ops.stop_gradient(log_probabilities) - log_probabilities_of_changed), axis=-1
    )
    uncertainty = -0.5 * (
        ops.sum(probabilities * log_probabilities, axis=-1)
        + ops.sum(of_changed * log_probabilities_of_changed, axis=-1)
    )
    replicas = tf.distribute.get_replica_context()
    marginal = replicas.all_reduce(
        "sum", ops.mean(probabilities + of_changed, axis=0) / (2 * replicas.num_replicas_in_sync)
    )
    imbalance = ops.sum(
        marginal * (ops.log(marginal + 1e-8) - ops.log(ops.convert_to_tensor(prior, "float32")))
    )
    return disagreement, uncertainty, imbalance + 0 * disagreement


def imbalance(probabilities):
    """Returns how far the mean answer over the global batch is from equal shares, its cross-entropy
    in nats, the same number for each example, (batch,).

    Args:
      probabilities: of the classes, float32 (batch, classes).
    """
    replicas = tf.distribute.get_replica_context()
    marginal = replicas.all_reduce(
        "sum", ops.mean(probabilities, axis=0) / replicas.num_replicas_in_sync
    )
    return -ops.mean(ops.log(marginal + 1e-8)) + 0 * probabilities[:, 0]


def guidance(answers, answers_to_changed, expected):
    """Returns by how much a continuous code fails to go along with a change of the image, squared:
    transformations as the teacher (Zhang et al. 2019, AET, arXiv 1901.04596), in one number.

    Args:
      answers: the mean of Q(c|x), float32 (batch,), on real images.
      answers_to_changed: the same on a changed copy of each image.
      expected: what the answer to each copy is to be, (batch,): of `augment.guided`.

    Returns:
      To be minimized, (batch,): (c' - expected)^2, and the square of the mean of c over the
      global batch, which sets the zero that differences leave open.
    """
    replicas = tf.distribute.get_replica_context()
    center = replicas.all_reduce("sum", ops.mean(answers) / replicas.num_replicas_in_sync)
    return (answers_to_changed - expected) ** 2 + center**2


def global_batch_mean(values):
    """Returns this replica's part of the mean over the global batch of per-example values (batch,).

    Optimizers sum gradients over the replicas of a tf.distribute strategy, so each replica must
    divide by the global batch. Every replica holds equally many examples: pipelines drop the
    remainder.
    """
    return ops.mean(values) / tf.distribute.get_strategy().num_replicas_in_sync


def mean_to_log(values):
    """Returns the mean of this replica's per-example values (batch,), in the shape from which
    Keras's fit makes the mean over all replicas.

    Where workers train together, fit reduces along an axis that a scalar does not have.
    """
    mean = ops.mean(values)
    return (
        ops.reshape(mean, (1,))
        if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)
        else mean
    )
