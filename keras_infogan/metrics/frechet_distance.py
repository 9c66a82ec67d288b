"""Frechet distance of two Gaussians fitted to features (Heusel et al. 2017, arXiv
1706.08500, equation 6).
"""

import numpy as np

PROTOCOL = (
    "||m1 - m2||^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the features' means and covariances, "
    "equally many real and generated images; comparable only in the same feature space with the "
    "same number of images"
)


def frechet_distance(real_features, generated_features):
    """Returns the squared distance, at least 0, of two float (count, size).

    Raises:
      ValueError: if there are not more points than features: the covariances would be singular.
    """
    count, size = min(len(real_features), len(generated_features)), real_features.shape[1]
    if count <= size:
        raise ValueError(
            f"it needs more images than the {size} features have dimensions, and there are {count}"
        )
    means = [
        features.mean(axis=0, dtype=np.float64) for features in (real_features, generated_features)
    ]
    real, generated = (
        np.cov(features, rowvar=False, dtype=np.float64)
        for features in (real_features, generated_features)
    )
    # Tr (S1 S2)^(1/2) from the symmetric S1^(1/2) S2 S1^(1/2), which has the same eigenvalues and
    # keeps them real.
    values, vectors = np.linalg.eigh(np.atleast_2d(real))
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    product = np.linalg.eigvalsh(root @ np.atleast_2d(generated) @ root)
    covariance = (
        np.trace(np.atleast_2d(real))
        + np.trace(np.atleast_2d(generated))
        - 2 * np.sqrt(np.clip(product, 0, None)).sum()
    )
    return float(max(np.square(means[0] - means[1]).sum() + covariance, 0.0))
