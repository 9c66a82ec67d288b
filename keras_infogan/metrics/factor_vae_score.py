"""FactorVAE score (Kim and Mnih 2018, arXiv 1802.05983, Section 4): does the code that varies least
tell which factor was held fixed?
"""

import numpy as np

from keras_infogan.metrics.points import FACTORS, agreeing, prepared, split

BATCH_SIZE = 64
NUM_TRAIN, NUM_TEST = 10_000, 5_000
PRUNED_BELOW = 0.05
PROTOCOL = (
    f"{NUM_TRAIN:,} training and {NUM_TEST:,} test votes, each from {BATCH_SIZE} images that "
    "share one factor's value, drawn with replacement from the training and the test images; "
    f"codes with a standard deviation below {PRUNED_BELOW} are pruned; accuracy of the majority "
    f"vote on the test votes; {FACTORS}"
)


def factor_vae_score(codes, factors, seed=0):
    """Returns the accuracy, in [0, 1]; 0 if every code is pruned.

    Codes float (count, codes), factors float (count, factors), points in random order.

    Raises:
      ValueError: if fewer than two factors change: any vote would be right.
    """
    codes, classes = prepared(codes, factors, fewest_factors=2)
    train_codes, train_classes, test_codes, test_classes = split(codes, classes)
    variances = train_codes.var(axis=0, ddof=1)
    active = np.sqrt(variances) >= PRUNED_BELOW
    if not active.any():
        return 0.0
    generator = np.random.default_rng(seed)
    train = _votes(train_codes[:, active], train_classes, NUM_TRAIN, variances[active], generator)
    test = _votes(test_codes[:, active], test_classes, NUM_TEST, variances[active], generator)
    elected = train.argmax(axis=0)
    return float(test[elected, np.arange(test.shape[1])].sum() / test.sum())


def _votes(codes, classes, count, variances, generator):
    """Returns how often each code varied least while each factor was fixed, int
    (factors, codes).
    """
    votes = np.zeros((classes.shape[1], codes.shape[1]), int)
    for factor, times in enumerate(
        np.bincount(generator.integers(classes.shape[1], size=count), minlength=classes.shape[1])
    ):
        batches = agreeing(
            classes[:, factor], generator.integers(len(codes), size=times), BATCH_SIZE, generator
        )
        least = (codes[batches].var(axis=1, ddof=1) / variances).argmin(axis=1)
        votes[factor] = np.bincount(least, minlength=codes.shape[1])
    return votes
