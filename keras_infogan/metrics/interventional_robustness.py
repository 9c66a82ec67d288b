"""Interventional robustness score, IRS (Suter et al. 2019, arXiv 1811.00007): how little a code
moves while its own factor is fixed and all others change.
"""

import numpy as np

from keras_infogan.metrics.points import FACTORS, prepared, split

QUANTILE = 0.99
PROTOCOL = (
    f"training images only; per code and factor, 1 - ({QUANTILE} quantile of the code's distance "
    "from its mean among images that share the factor's value, mean over values) / (its greatest "
    "distance from its mean overall); best factor per code, averaged by the greatest distances; "
    f"constant codes are left out; {FACTORS}"
)


def interventional_robustness(codes, factors):
    """Returns the score, in [0, 1]; 0 if every code is constant.

    Codes float (count, codes), factors float (count, factors).
    """
    codes, classes, *_ = split(*prepared(codes, factors))
    codes = codes[:, np.ptp(codes, axis=0) > 0]
    if not codes.shape[1]:
        return 0.0
    farthest = np.abs(codes - codes.mean(axis=0)).max(axis=0)
    moved = np.stack([_distance_within(codes, factor) for factor in classes.T], axis=1)
    robust = 1 - moved / farthest[:, None]
    return float(np.clip(np.average(robust.max(axis=1), weights=farthest), 0, 1))


def _distance_within(codes, factor):
    """Returns, per code, the distance from the mean of its class, a high quantile of it, averaged
    over the classes of one factor.
    """
    groups = [codes[factor == value] for value in np.unique(factor)]
    return np.mean(
        [np.quantile(np.abs(group - group.mean(axis=0)), QUANTILE, axis=0) for group in groups],
        axis=0,
    )
