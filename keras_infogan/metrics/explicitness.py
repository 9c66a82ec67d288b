"""Explicitness (Ridgeway and Mozer 2018, arXiv 1802.05312, Section 3): can each value of each
factor be read from all codes by a simple classifier?
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from keras_infogan.metrics.points import FACTORS, prepared, split

PROTOCOL = (
    "per factor, a logistic regression on the standardized codes; area under the ROC curve of "
    "each value against the others on the test images, mean over values, then over factors; not "
    f"rescaled, so that chance is 0.5; {FACTORS}"
)


def explicitness(codes, factors):
    """Returns the area, in [0, 1], 0.5 by chance.

    Codes float (count, codes), factors float (count, factors), points in random order.

    Raises:
      ValueError: if no factor has two values in both the training and the test images.
    """
    codes, classes = prepared(codes, factors)
    train_codes, train_classes, test_codes, test_classes = split(codes, classes)
    mean, deviation = train_codes.mean(axis=0), train_codes.std(axis=0)
    deviation[deviation == 0] = 1
    train_codes, test_codes = (train_codes - mean) / deviation, (test_codes - mean) / deviation
    areas = [
        _area(train_codes, train, test_codes, test)
        for train, test in zip(train_classes.T, test_classes.T, strict=True)
    ]
    areas = [area for area in areas if area is not None]
    if not areas:
        raise ValueError("no factor has two values in both the training and the test images")
    return float(np.mean(areas))


def _area(codes, classes, test_codes, test_classes):
    """Returns the mean area over the values of one factor that the test images tell apart, or None
    if there are none.
    """
    model = LogisticRegression(max_iter=10_000).fit(codes, classes)
    probabilities = model.predict_proba(test_codes)
    present = [
        index
        for index, value in enumerate(model.classes_)
        if 0 < np.sum(test_classes == value) < len(test_classes)
    ]
    if not present:
        return None
    return np.mean(
        [
            roc_auc_score(test_classes == model.classes_[index], probabilities[:, index])
            for index in present
        ]
    )
