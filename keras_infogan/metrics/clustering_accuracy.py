"""Accuracy of an unsupervised category after matching categories to classes."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

PROTOCOL = (
    "share of real images whose category is matched to their class, under the one-to-one matching "
    "of categories to classes that makes it largest (Hungarian method), found on the same images; "
    "labels serve this matching and nothing else"
)


def clustering_accuracy(labels, categories):
    """Returns the accuracy, in [0, 1], under `match_categories`: the measure behind the paper's
    "matching each category in c_1 to a digit type" (Section 7.2).

    Args:
      labels: int (count,), the true classes.
      categories: int (count,), the predicted categories, in any order.
    """
    matches = match_categories(labels, categories)
    matched = np.array([matches.get(int(category), -1) for category in categories])
    return float(np.mean(matched == np.asarray(labels)))


def match_categories(labels, categories):
    """Returns the one-to-one matching with the most points in agreement, a dict from
    category to class.

    With more categories than classes, or fewer, some stay unmatched.
    """
    counts = contingency_matrix(labels, categories)
    classes, groups = np.unique(labels), np.unique(categories)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return {
        int(groups[column]): int(classes[row]) for row, column in zip(rows, columns, strict=True)
    }
