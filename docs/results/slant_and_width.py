"""Measures what continuous codes do to drawn digits:

    python docs/results/slant_and_width.py RUN_DIR ...

From 5,000 generated images: Spearman's rank correlation of each continuous code with the image's
own slant (how far a row moves sideways per row), width (deviation of the ink along x, slant taken
out) and ink (mean gray level), the mean over the categories of the first categorical code.
"""

import sys

import numpy as np
from scipy.stats import spearmanr

from keras_infogan import loaded

NUM_IMAGES = 5_000


def properties(images):
    """Returns slant, width and ink, a dict of (count,), of images (count, height, width, 1)."""
    ink = (images[..., 0].astype(np.float64) + 1) / 2
    total = ink.sum(axis=(1, 2))
    rows, columns = np.mgrid[: ink.shape[1], : ink.shape[2]]

    def mean(values):
        return (ink * values).sum(axis=(1, 2)) / total

    y, x = (places - mean(places)[:, None, None] for places in (rows, columns))
    slant = -mean(x * y) / mean(y * y)
    width = np.sqrt(mean(x * x) - mean(x * y) ** 2 / mean(y * y))
    return {"slant": slant, "width": width, "ink": total / ink[0].size}


def correlations(model):
    """Returns the correlation of each continuous code with each property, dicts within a dict."""
    spec = model.latent_spec
    latents = spec.sample(NUM_IMAGES, seed=0)
    values, found = spec.values(latents), properties(model.generate(latents))
    category = next(values[code.name] for code in spec.codes if code.has_categories)
    groups = [np.flatnonzero(category == index) for index in np.unique(category)]
    return {
        code.name: {
            name: float(
                np.mean([spearmanr(values[code.name][g], numbers[g]).statistic for g in groups])
            )
            for name, numbers in found.items()
        }
        for code in spec.codes
        if code.continuous
    }


if __name__ == "__main__":
    for directory in sys.argv[1:]:
        _, model = loaded.load_run(directory)
        for code, about in correlations(model).items():
            said = ", ".join(f"{name} {value:+.2f}" for name, value in about.items())
            print(f"{directory} {code}: {said}")
