"""Accuracy of a classifier that learned from labels."""

import numpy as np

PROTOCOL = (
    "share of real images whose likeliest class is their label; of a model that learned for a "
    "second data set, source: on images of the first, target: of the second"
)


def classification_accuracy(predicted_classes, true_classes):
    """Returns the share, in [0, 1], of images whose predicted class is the true one.

    Args:
      predicted_classes: int (count,).
      true_classes: int (count,), the labels.
    """
    return float(np.mean(predicted_classes == true_classes))
