"""Accuracy of an unsupervised category after matching categories to classes."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix


def clustering_accuracy(labels, categories):
    """Returns the share of points whose category is matched to their class, under the one-to-one matching that makes it largest (Hungarian method).

    The measure behind the paper's "matching each category in c_1 to a digit type" (Section 7.2). With more categories than classes, or fewer, some stay
    unmatched and their points count as wrong.

    Args:
      labels: int (count,), the true classes.
      categories: int (count,), the predicted categories, in any order.

    Returns:
      (accuracy in [0, 1], dict from category to class).
    """
    counts = contingency_matrix(labels, categories)
    classes, groups = np.unique(labels), np.unique(categories)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    matches = {int(groups[column]): int(classes[row]) for row, column in zip(rows, columns, strict=True)}
    return float(counts[rows, columns].sum() / counts.sum()), matches
