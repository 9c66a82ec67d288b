"""Density and coverage (Naeem et al. 2020, arXiv 2002.09797): precision and recall that one
outlier cannot move.
"""

from keras_infogan.metrics.neighborhoods import hits, radii

NEIGHBORS = 5
PROTOCOL = (
    f"balls around real images reach to their neighbor number {NEIGHBORS}; density: balls that a "
    f"generated image lies in, over {NEIGHBORS}, mean (may exceed 1); coverage: share of balls "
    "that hold a generated image; equally many of both"
)


def density_coverage(real_features, generated_features):
    """Returns a dict of "density", at least 0, and "coverage", in [0, 1], of two
    float (count, size).
    """
    counts, held = hits(generated_features, real_features, radii(real_features, NEIGHBORS))
    return {"density": float(counts.mean() / NEIGHBORS), "coverage": float(held.mean())}
