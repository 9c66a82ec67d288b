"""BetaVAE score (Higgins et al. 2017): can a linear classifier tell from the codes' differences
which factor two groups of images share?
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from keras_infogan.metrics.points import FACTORS, agreeing, prepared, split

BATCH_SIZE = 64
NUM_TRAIN, NUM_TEST = 10_000, 5_000
PROTOCOL = (
    f"{NUM_TRAIN:,} training and {NUM_TEST:,} test points, each the mean absolute difference of "
    f"the codes over {BATCH_SIZE} pairs of images, every pair alike in one factor, drawn with "
    "replacement from the training and the test images; "
    f"test accuracy of a logistic regression; {FACTORS}"
)


def beta_vae_score(codes, factors, seed=0):
    """Returns the accuracy, in [0, 1].

    Codes float (count, codes), factors float (count, factors), points in random order.

    Raises:
      ValueError: if fewer than two factors change: there is nothing to tell apart then.
    """
    codes, classes = prepared(codes, factors, fewest_factors=2)
    train_codes, train_classes, test_codes, test_classes = split(codes, classes)
    generator = np.random.default_rng(seed)
    train = _points(train_codes, train_classes, NUM_TRAIN, generator)
    test = _points(test_codes, test_classes, NUM_TEST, generator)
    return float(LogisticRegression(max_iter=10_000).fit(*train).score(*test))


def _points(codes, classes, count, generator):
    """Returns mean absolute differences, float (count, codes), and the factor that the pairs behind
    each share, int (count,).
    """
    shared = np.sort(generator.integers(classes.shape[1], size=count))
    differences = []
    for factor, times in enumerate(np.bincount(shared, minlength=classes.shape[1])):
        first = generator.integers(len(codes), size=times * BATCH_SIZE)
        second = agreeing(classes[:, factor], first, 1, generator)[:, 0]
        differences.append(
            np.abs(codes[first] - codes[second]).reshape(times, BATCH_SIZE, -1).mean(axis=1)
        )
    return np.concatenate(differences), shared
