"""Mutual information of categories and classes over the mean of their entropies."""

from scipy.stats import entropy
from sklearn.metrics import mutual_info_score

PROTOCOL = (
    "I(class; category) / mean(H(class), H(category)), arithmetic mean; 0 for a constant category"
)


def normalized_mutual_information(category_counts):
    """Returns NMI in [0, 1], from how many images of a class have a category, int (classes,
    categories); 1 if all are of one class and one category.
    """
    entropies = entropy(category_counts.sum(axis=0)) + entropy(category_counts.sum(axis=1))
    shared = mutual_info_score(None, None, contingency=category_counts)
    return float(2 * shared / entropies) if entropies else 1.0
