"""Accuracy of an unsupervised category when several categories may stand for one class."""

from sklearn.metrics.cluster import contingency_matrix

PROTOCOL = (
    "share of real images that belong to the commonest class of their category (purity); never "
    "below the one-to-one accuracy, and higher with more categories"
)


def many_to_one_accuracy(labels, categories):
    """Returns the share, in [0, 1], of points in the commonest class of their category, from true
    classes and categories, int (count,).
    """
    counts = contingency_matrix(labels, categories)
    return float(counts.max(axis=0).sum() / counts.sum())
