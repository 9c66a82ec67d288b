"""Disentanglement, completeness and informativeness, DCI (Eastwood and Williams 2018)."""

import concurrent.futures
import os
import threading

import numpy as np
from scipy.stats import entropy
from sklearn.ensemble import GradientBoostingClassifier
from tqdm import tqdm

from keras_infogan.metrics.points import FACTORS, prepared, split

_NUM_STAGES = 100
PROTOCOL = (
    f"per factor, gradient-boosted trees (scikit-learn's defaults: {_NUM_STAGES} of depth 3 per "
    "class) predict its value from all codes; a code's importance is the trees'; "
    "disentanglement: 1 - entropy of a code's importance over factors, weighted by importance; "
    f"completeness: the same over codes; informativeness: mean test accuracy; {FACTORS}"
)


def dci(codes, factors):
    """Returns a dict of "disentanglement", "completeness" and "informativeness", each in [0, 1].

    Codes float (count, codes), factors float (count, factors), points in random order. Shows its
    progress: there are 100 trees per class of each factor.

    Raises:
      ValueError: if fewer than two factors change: every code would be disentangled.
    """
    codes, classes = prepared(codes, factors, fewest_factors=2)
    train_codes, train_classes, test_codes, test_classes = split(codes, classes)
    # The factor with the most classes takes longest: begun first, it leaves no core
    # idle at the end.
    longest_first = np.argsort(-train_classes.max(axis=0), kind="stable")
    num_trees = _NUM_STAGES * sum(_trees_per_stage(factor) for factor in train_classes.T)
    # Threads: trees grow outside Python's lock.
    stopped = threading.Event()
    with (
        tqdm(total=num_trees, desc="DCI", unit="tree", leave=False) as bar,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):

        def grown(trees):
            bar.update(trees)
            return stopped.is_set()

        try:
            results = pool.map(
                lambda factor: _fit(
                    train_codes,
                    train_classes[:, factor],
                    test_codes,
                    test_classes[:, factor],
                    grown,
                ),
                longest_first,
            )
            importances, accuracies = zip(*results, strict=True)
        except BaseException:
            stopped.set()  # Ctrl-C would wait for all the trees otherwise
            raise
    importance = np.stack(importances, axis=1)
    return {
        "disentanglement": _concentration(importance.T),
        "completeness": _concentration(importance),
        "informativeness": float(np.mean(accuracies)),
    }


def _trees_per_stage(classes):
    """Returns how many trees a stage of boosting grows: one per class, and only one
    where there are two.
    """
    count = len(np.unique(classes))
    return count if count > 2 else count - 1


def _fit(codes, classes, test_codes, test_classes, grown):
    """Returns the importance of each code for one factor, float (codes,), which adds up to 1 or is
    all 0, and the test accuracy.

    `grown` is told after each stage how many trees it grew, and says whether to stop.
    """
    trees = _trees_per_stage(classes)
    model = GradientBoostingClassifier(n_estimators=_NUM_STAGES, random_state=0)
    model.fit(codes, classes, monitor=lambda *_: grown(trees))
    return model.feature_importances_, model.score(test_codes, test_classes)


def _concentration(importance):
    """Returns 1 - normalized entropy of each column of float (rows, columns), averaged by the
    columns' sums; 0 if there is no importance at all.
    """
    weights = importance.sum(axis=0)
    if weights.sum() == 0:
        return 0.0
    if len(importance) == 1:
        return 1.0  # all of it lies in the one row there is
    concentrated = 1 - entropy(importance + 1e-11, base=len(importance), axis=0)
    return float(np.average(concentrated, weights=weights))
