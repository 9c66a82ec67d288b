"""Improved precision and recall (Kynkaanniemi et al. 2019, arXiv 1904.06991): do generated images
look real, and do they cover what is real?
"""

import numpy as np

from keras_infogan.metrics.neighborhoods import hits, radii

NEIGHBORS = 3
PROTOCOL = (
    "precision: share of generated images that lie, in the feature space, no farther from some "
    f"real image than its neighbor number {NEIGHBORS}; recall: the same with real and generated "
    "exchanged; equally many of both"
)


def precision_recall(real_features, generated_features):
    """Returns a dict of "precision" and "recall", in [0, 1], of two float (count, size)."""
    precise, _ = hits(generated_features, real_features, radii(real_features, NEIGHBORS))
    recalled, _ = hits(real_features, generated_features, radii(generated_features, NEIGHBORS))
    return {"precision": float(np.mean(precise > 0)), "recall": float(np.mean(recalled > 0))}
