"""Accuracy of an unsupervised category after matching categories to classes."""

import numpy as np
from scipy.optimize import linear_sum_assignment

PROTOCOL = (
    "share of real images whose category is matched to their class, under the one-to-one matching "
    "of categories to classes that makes it largest (Hungarian method), found on the same images; "
    "labels serve this matching and nothing else"
)


def clustering_accuracy(category_counts):
    """Returns the accuracy, in [0, 1], under `match_categories`: the measure behind the paper's
    "matching each category in c_1 to a digit type" (Section 7.2).

    Args:
      category_counts: int (classes, categories), how many images of a class have a category.
    """
    matches = match_categories(category_counts)
    matched = sum(category_counts[label, category] for category, label in matches.items())
    return float(matched / category_counts.sum())


def match_categories(category_counts):
    """Returns the one-to-one matching with the most images in agreement, a dict from category to
    class, of those that have images.

    With more categories than classes, or fewer, some stay unmatched.
    """
    classes, categories = (np.flatnonzero(category_counts.any(axis=axis)) for axis in (1, 0))
    rows, columns = linear_sum_assignment(
        category_counts[np.ix_(classes, categories)], maximize=True
    )
    return dict(zip(categories[columns].tolist(), classes[rows].tolist(), strict=True))
