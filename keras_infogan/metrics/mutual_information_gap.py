"""Mutual information gap, MIG (Chen et al. 2018, arXiv 1802.04942, equation 6): how far the best
code for a factor is ahead of the next.
"""

import numpy as np
from scipy.stats import entropy

from keras_infogan.metrics.points import FACTORS, NUM_BINS, information, prepared, split

PROTOCOL = (
    f"codes in {NUM_BINS} equally wide bins, training images only; per factor, the difference of "
    "the two largest mutual informations with a code over the factor's entropy; mean over "
    f"factors; {FACTORS}"
)


def mutual_information_gap(codes, factors):
    """Returns the gap, in [0, 1].

    Codes float (count, codes), factors float (count, factors); a single code has no rival.
    """
    codes, classes, *_ = split(*prepared(codes, factors))
    ordered = np.sort(np.pad(information(codes, classes), ((1, 0), (0, 0))), axis=0)
    entropies = np.array([entropy(np.bincount(factor)) for factor in classes.T])
    return float(np.mean((ordered[-1] - ordered[-2]) / entropies))
