"""Accuracy of an unsupervised category when several categories may stand for one class."""

PROTOCOL = (
    "share of real images that belong to the commonest class of their category (purity); never "
    "below the one-to-one accuracy, and higher with more categories"
)


def many_to_one_accuracy(category_counts):
    """Returns the share, in [0, 1], of images in the commonest class of their category, from how
    many images of a class have a category, int (classes, categories).
    """
    return float(category_counts.max(axis=0).sum() / category_counts.sum())
