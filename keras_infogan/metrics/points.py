"""What the scores on ground-truth factors share: codes and factors made ready, points for training
and test, points that agree in a factor.

Codes are float (count, codes), one column per code; factors float (count, factors), in the same
order of points, which is random. The first two thirds of the points train whatever a score trains
(10,000 of 15,000), the last third tests it. Where there are more images, MOST_POINTS are drawn.
"""

import numpy as np
from sklearn.metrics import mutual_info_score

MOST_POINTS = 15_000
NUM_BINS = 20
_FEWEST_POINTS = 100

MOST_CLASSES = 50
CODES = "a code is its mean, its bit, or its category's index"
FACTORS = (
    f"{CODES}; factors with more than {MOST_CLASSES} values are cut into {NUM_BINS} "
    "equally filled classes"
)


def prepared(codes, factors, fewest_factors=1):
    """Returns codes as they are, and factors as classes, int (count, factors), without those that
    do not change among the training points.

    Raises:
      ValueError: if there are too few points, or fewer factors that change than `fewest_factors`.
    """
    codes, factors = np.asarray(codes, np.float64), np.asarray(factors, np.float64)
    if len(codes) < _FEWEST_POINTS:
        raise ValueError(
            f"it needs at least {_FEWEST_POINTS} images with known factors, "
            f"and there are {len(codes)}"
        )
    factors = changing(factors)
    if not factors.shape[1]:
        raise ValueError("no factor changes within these images")
    if factors.shape[1] < fewest_factors:
        raise ValueError(
            "only one factor changes within these images, and the score compares factors"
        )
    return codes, np.stack([as_classes(column) for column in factors.T], axis=1)


def changing(factors):
    """Returns the columns of factors that are not one single class among the training points."""
    return factors[:, [len(np.unique(split(as_classes(column))[0])) > 1 for column in factors.T]]


def is_discrete(factor):
    """Whether a factor, float (count,), has few enough values to be one class each."""
    return len(np.unique(factor)) <= MOST_CLASSES


def as_classes(factor):
    """Returns a factor, float (count,), as classes from 0 on, int (count,)."""
    if not is_discrete(factor):
        edges = np.quantile(factor, np.arange(1, NUM_BINS) / NUM_BINS)
        # Where nearly all points share the least value, all edges lie on it, and only counting them
        # as below tells it from the rest.
        side = "right" if edges[-1] > factor.min() else "left"
        factor = np.searchsorted(edges, factor, side)
    return np.unique(factor, return_inverse=True)[1]


def in_bins(codes):
    """Returns each column of codes in equally wide bins between its least and greatest value, int
    (count, codes); a constant column is all one bin.
    """
    return np.stack(
        [np.digitize(column, np.histogram_bin_edges(column, NUM_BINS)[:-1]) for column in codes.T],
        axis=1,
    )


def information(codes, classes):
    """Returns the mutual information in nats of each binned code and each factor, float
    (codes, factors).
    """
    bins = in_bins(codes)
    return np.array([[mutual_info_score(factor, code) for factor in classes.T] for code in bins.T])


def split(*arrays):
    """Returns the training part of each array, then the test part of each."""
    cut = -(-2 * len(arrays[0]) // 3)
    return *(array[:cut] for array in arrays), *(array[cut:] for array in arrays)


def agreeing(classes, anchors, size, generator):
    """Draws for each anchor `size` points, with replacement, that share its class.

    Args:
      classes: int (count,), one factor.
      anchors: int (batches,), indices of points.
      size: points to draw per anchor.
      generator: numpy random generator.

    Returns:
      int (batches, size), indices of points.
    """
    order, sizes = np.argsort(classes, kind="stable"), np.bincount(classes)
    starts = np.cumsum(sizes) - sizes
    chosen = classes[anchors][:, None]
    return order[
        starts[chosen] + (generator.random((len(anchors), size)) * sizes[chosen]).astype(int)
    ]
