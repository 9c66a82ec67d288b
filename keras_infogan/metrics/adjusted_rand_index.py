"""Agreement of categories and classes over pairs of points, corrected for chance
(scikit-learn's).
"""

from sklearn.metrics import adjusted_rand_score

PROTOCOL = "Rand index over pairs of images, adjusted so that chance gives 0"


def adjusted_rand_index(labels, categories):
    """Returns ARI, at most 1, of true classes and categories, int (count,)."""
    return float(adjusted_rand_score(labels, categories))
