"""What can be read from vectors by a fresh linear probe, on what it was not fitted on: for the
scores of words and speakers.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_PARTS = 5
PROBE = (
    "a multinomial logistic regression on the standardized numbers, L2 penalty 1, fitted anew; "
    f"{_PARTS} parts, each judged by a probe fitted on the others; accuracy over all recordings"
)


def held_out_accuracy(vectors, classes, groups, what):
    """Returns the accuracy of a linear probe, in [0, 1], judged on groups that it was not
    fitted on.

    Args:
      vectors: float (count, size).
      classes, groups: int (count,).
      what: of a class and of a group, for the sentence: ("word", "speaker").

    Raises:
      ValueError: if fewer than two classes are in two groups, so that nothing can be held out.
    """
    pairs = np.unique(np.stack([classes, groups]), axis=1)
    known, shared = np.unique(pairs[0], return_counts=True)
    kept = np.isin(classes, known[shared > 1])
    if len(np.unique(classes[kept])) < 2:
        raise ValueError(f"it takes two {what[0]}s of two {what[1]}s each")
    vectors, classes, groups = (values[kept] for values in (vectors, classes, groups))
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    parts = GroupKFold(min(_PARTS, len(np.unique(groups))))
    found = cross_val_predict(probe, vectors, classes, groups=groups, cv=parts)
    return float(np.mean(found == classes))
