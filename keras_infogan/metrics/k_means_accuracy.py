"""Accuracy of k-means on what an encoder gives, as if it were a category."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics.cluster import contingency_matrix

from keras_infogan.metrics.clustering_accuracy import clustering_accuracy
from keras_infogan.metrics.points import MOST_POINTS

_STARTS = 10
PROTOCOL = (
    f"what the encoder says of real images, at most {MOST_POINTS:,}, drawn at random (means of "
    "continuous codes, probabilities of discrete ones, side by side and not scaled) in as many "
    f"clusters as there are classes, by k-means, the best of {_STARTS} starts by its own "
    "objective; then as clustering_accuracy"
)


def k_means_accuracy(labels, read_vectors):
    """Returns the accuracy, in [0, 1], of clusters matched to classes one to one.

    Args:
      labels: int (count,), the true classes.
      read_vectors: float (count, size), what is clustered.

    Raises:
      ValueError: if there are fewer points than classes.
    """
    count = len(np.unique(labels))
    clusters = KMeans(count, n_init=_STARTS, random_state=0).fit_predict(read_vectors)
    return clustering_accuracy(contingency_matrix(labels, clusters))
