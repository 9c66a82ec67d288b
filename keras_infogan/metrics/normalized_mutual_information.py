"""Mutual information of categories and classes over the mean of their entropies
(scikit-learn's).
"""

from sklearn.metrics import normalized_mutual_info_score

PROTOCOL = (
    "I(class; category) / mean(H(class), H(category)), arithmetic mean; 0 for a constant category"
)


def normalized_mutual_information(labels, categories):
    """Returns NMI in [0, 1] of true classes and categories, int (count,)."""
    return float(normalized_mutual_info_score(labels, categories))
