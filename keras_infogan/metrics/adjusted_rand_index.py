"""Agreement of categories and classes over pairs of images, corrected for chance (Hubert and Arabie
1985, "Comparing partitions").
"""

PROTOCOL = "Rand index over pairs of images, adjusted so that chance gives 0"


def adjusted_rand_index(category_counts):
    """Returns ARI, at most 1, from how many images of a class have a category, int (classes,
    categories).
    """
    both = _pairs(category_counts)
    classes, categories = (_pairs(category_counts.sum(axis=axis)) for axis in (1, 0))
    if both == classes == categories:
        return 1.0
    expected = classes * categories / _pairs(category_counts.sum())
    return float((both - expected) / ((classes + categories) / 2 - expected))


def _pairs(counts):
    """Returns how many pairs there are within groups of so many images."""
    counts = counts.astype(float)  # whose squares exceed integers
    return (counts * (counts - 1)).sum() / 2
