"""Modularity (Ridgeway and Mozer 2018, arXiv 1802.05312, Section 3): does each code tell of
one factor only?
"""

import numpy as np

from keras_infogan.metrics.points import FACTORS, NUM_BINS, information, prepared, split

PROTOCOL = (
    f"codes in {NUM_BINS} equally wide bins, training images only; per code, 1 - (sum of squared "
    "informations on all factors but its best) / (its best squared times the number of the "
    f"others); 0 for a code that tells nothing; mean over codes; {FACTORS}"
)


def modularity(codes, factors):
    """Returns the score, in [0, 1]. Codes float (count, codes), factors float (count, factors).

    Raises:
      ValueError: if fewer than two factors change: every code would then be modular.
    """
    codes, classes, *_ = split(*prepared(codes, factors, fewest_factors=2))
    squares = np.square(information(codes, classes))
    best = squares.max(axis=1)
    rest = squares.sum(axis=1) - best
    informative = best > 1e-12
    scores = np.zeros(len(squares))
    scores[informative] = 1 - rest[informative] / (best[informative] * (classes.shape[1] - 1))
    return float(scores.mean())
