"""Accuracy of a classifier that learned from labels."""

import numpy as np

PROTOCOL = (
    "share of real images whose likeliest class is their label; of a model that learned for a "
    "second data set, source: on images of the first, target: of the second"
)


def classification_accuracy(class_counts):
    """Returns the share, in [0, 1], of images whose predicted class is the true one, from how many
    images of a class are taken for another, int (true classes, predicted classes).
    """
    return float(np.trace(class_counts) / class_counts.sum())
