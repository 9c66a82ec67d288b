"""Separated attribute predictability, SAP (Kumar et al. 2018, arXiv 1711.00848, Section 3): the
lead of a factor's best code over the next.
"""

import numpy as np
from sklearn.svm import LinearSVC

from keras_infogan.metrics.points import CODES, MOST_CLASSES, changing, is_discrete, prepared, split

PROTOCOL = (
    f"each code alone predicts each factor: a factor of at most {MOST_CLASSES} values by a linear "
    "support vector machine (C 0.01, balanced classes; test accuracy), any other by least "
    "squares (squared correlation on the training images); difference of the two best codes, "
    f"mean over factors; {CODES}"
)


def separated_attribute_predictability(codes, factors):
    """Returns the score, in [0, 1].

    Codes float (count, codes), factors float (count, factors), points in random order; a single
    code has no rival.
    """
    codes, classes = prepared(codes, factors)
    factors = changing(np.asarray(factors, np.float64))
    train_codes, train_classes, train_factors, test_codes, test_classes, _ = split(
        codes, classes, factors
    )
    gaps = []
    for index, factor in enumerate(factors.T):
        if is_discrete(factor):
            train, test = train_classes[:, index], test_classes[:, index]
            scores = [
                _accuracy(train_codes[:, [code]], train, test_codes[:, [code]], test)
                for code in range(codes.shape[1])
            ]
        else:
            scores = [_squared_correlation(code, train_factors[:, index]) for code in train_codes.T]
        second, first = sorted([0.0, *scores])[-2:]
        gaps.append(first - second)
    return float(np.mean(gaps))


def _accuracy(codes, classes, test_codes, test_classes):
    return (
        LinearSVC(C=0.01, class_weight="balanced", random_state=0)
        .fit(codes, classes)
        .score(test_codes, test_classes)
    )


def _squared_correlation(code, factor):
    if np.ptp(code) == 0:
        return 0.0
    return np.corrcoef(code, factor)[0, 1] ** 2
