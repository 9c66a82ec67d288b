"""Disentanglement, completeness and informativeness, DCI (Eastwood and Williams 2018)."""

import joblib
import numpy as np
from scipy.stats import entropy
from sklearn.ensemble import GradientBoostingClassifier
from tqdm import tqdm

from keras_infogan.metrics.points import FACTORS, prepared, split

PROTOCOL = (
    "per factor, gradient-boosted trees (scikit-learn's defaults: 100 of depth 3 per class) predict its value from all codes; a code's importance is the "
    "trees'; disentanglement: 1 - entropy of a code's importance over factors, weighted by importance; completeness: the same over codes; informativeness: "
    f"mean test accuracy; {FACTORS}"
)


def dci(codes, factors):
    """Returns a dict of "disentanglement", "completeness" and "informativeness", each in [0, 1].

    Codes float (count, codes), factors float (count, factors), points in random order. Shows its progress: there are 100 trees per class of each factor.
    """
    codes, classes = prepared(codes, factors)
    train_codes, train_classes, test_codes, test_classes = split(codes, classes)
    # The factor with the most classes takes longest: begun first, it leaves no core idle at the end.
    longest_first = np.argsort(-train_classes.max(axis=0), kind="stable")
    jobs = (joblib.delayed(_fit)(train_codes, train_classes[:, factor], test_codes, test_classes[:, factor]) for factor in longest_first)
    results = joblib.Parallel(n_jobs=-1, return_as="generator")(jobs)
    num_trees = 100 * sum(int(factor.max()) + 1 for factor in train_classes.T)
    importances, accuracies = zip(*tqdm(results, total=classes.shape[1], desc=f"DCI: {num_trees:,} trees", unit="factor"), strict=True)
    importance = np.stack(importances, axis=1)
    return {
        "disentanglement": _concentration(importance.T),
        "completeness": _concentration(importance),
        "informativeness": float(np.mean(accuracies)),
    }


def _fit(codes, classes, test_codes, test_classes):
    """Returns the importance of each code for one factor, float (codes,), which adds up to 1 or is all 0, and the test accuracy."""
    if len(np.unique(classes)) < 2:
        return np.zeros(codes.shape[1]), float(np.mean(test_classes == classes[0]))
    model = GradientBoostingClassifier(random_state=0).fit(codes, classes)
    return model.feature_importances_, model.score(test_codes, test_classes)


def _concentration(importance):
    """Returns 1 - normalized entropy of each column of float (rows, columns), averaged by the columns' sums; 0 if there is no importance at all."""
    weights = importance.sum(axis=0)
    if weights.sum() == 0:
        return 0.0
    if len(importance) == 1:
        return 1.0  # all of it lies in the one row there is
    concentrated = 1 - entropy(importance + 1e-11, base=len(importance), axis=0)
    return float(np.average(concentrated, weights=weights))
