"""Kernel distance: maximum mean discrepancy of features under a cubic kernel (Binkowski et al.
2018, arXiv 1801.01401, Section 4).
"""

import numpy as np
from sklearn.metrics.pairwise import linear_kernel

NUM_SUBSETS, SUBSET_SIZE = 100, 1000
PROTOCOL = (
    "unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3, mean over "
    f"{NUM_SUBSETS} random subsets of {SUBSET_SIZE:,} images each (or all, where there are "
    "fewer); 0 is expected of equal distributions, so that it can come out slightly negative"
)


def kernel_distance(real_features, generated_features, seed=0):
    """Returns the discrepancy of two float (count, size).

    Raises:
      ValueError: if there are fewer than two images.
    """
    size = min(SUBSET_SIZE, len(real_features), len(generated_features))
    if size < 2:
        raise ValueError("it needs at least two images")
    generator = np.random.default_rng(seed)
    all_are_taken = size == max(len(real_features), len(generated_features))
    return float(
        np.mean(
            [
                _discrepancy(
                    *(
                        _subset(features, size, generator)
                        for features in (real_features, generated_features)
                    )
                )
                for _ in range(1 if all_are_taken else NUM_SUBSETS)
            ]
        )
    )


def _subset(features, size, generator):
    return features[generator.choice(len(features), size, replace=False)].astype(np.float64)


def _discrepancy(first, second):
    size = len(first)
    within = sum(
        (kernel.sum() - np.trace(kernel)) / (size * (size - 1))
        for kernel in (_kernel(first, first), _kernel(second, second))
    )
    return within - 2 * _kernel(first, second).mean()


def _kernel(first, second):
    kernel = linear_kernel(first, second) / first.shape[1] + 1
    return kernel * kernel * kernel  # a power takes ten times as long
