"""Accuracy of the nearest neighbor in what an encoder gives, beside raw pixels."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from keras_infogan.metrics.points import MOST_POINTS

PROTOCOL = (
    f"share of real images (at most {MOST_POINTS:,}, drawn at random) of which the nearest "
    "training image (Euclidean distance, at most 60,000 training images) has the same class "
    "(Donahue et al. 2017, Section 4.2): in what the encoder says (means of continuous codes, "
    "probabilities of discrete ones, side by side), in its last hidden layer, in both with the "
    "weights that it began with, and in raw pixels; labels serve this comparison and nothing else"
)


def nearest_neighbor_accuracy(labels, training_labels, representations):
    """Returns a dict from each representation to its accuracy, in [0, 1].

    Args:
      labels: int (count,), the classes of the real images.
      training_labels: int (training count,), those of the training images.
      representations: iterable of (name, vectors of the training images, float (training count,
        size), those of the real images, (count, size)).
    """
    return {
        name: float(
            np.mean(
                KNeighborsClassifier(1, algorithm="brute")
                .fit(known, training_labels)
                .predict(asked)
                == labels
            )
        )
        for name, known, asked in representations
    }
