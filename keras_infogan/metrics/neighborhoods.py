"""Balls around points that reach to their k-th neighbor: the support of a set of features as
precision, recall, density and coverage see it.
"""

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors


def radii(features, neighbors):
    """Returns the distance of each point, float (count, size), to its k-th nearest other
    point, float (count,).

    Raises:
      ValueError: if there are not more points than neighbors.
    """
    if len(features) <= neighbors:
        raise ValueError(f"it needs more than {neighbors} images, and there are {len(features)}")
    return NearestNeighbors(n_neighbors=neighbors).fit(features).kneighbors()[0][:, -1]


def hits(points, centers, reach):
    """Counts in how many balls each point lies, and says which balls hold a point.

    Args:
      points: float (count, size).
      centers: float (balls, size).
      reach: float (balls,), the balls' radii.

    Returns:
      (int (count,), bool (balls,)).
    """
    counts, held = [], np.zeros(len(centers), bool)
    for distances in pairwise_distances_chunked(points, centers, working_memory=64):
        inside = distances <= reach
        counts.append(inside.sum(axis=1))
        held |= inside.any(axis=0)
    return np.concatenate(counts), held
