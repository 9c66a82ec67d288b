"""How likely a model says real images are, in nats."""

import numpy as np
from scipy import special

NUM_IMPORTANCE_SAMPLES, NUM_IMPORTANCE_IMAGES = 200, 1000
PROTOCOL = (
    "mean over real images, in nats, all pixels of an image together; binary pixels are drawn "
    "once from the gray levels, alike for all models, while those of the training images are drawn "
    "anew at each step (dynamic binarization) or once and for all (fixed, which gives lower "
    "figures); bound: the variational bound by one draw per image; importance_sampled: "
    f"{NUM_IMPORTANCE_SAMPLES} importance samples (Burda et al. 2015, equation 8) on "
    f"{NUM_IMPORTANCE_IMAGES} images, still a bound; exact: of a model that gives it; "
    "independent_pixels: a distribution of each pixel by itself, fitted to these images"
)


def log_likelihood(likelihoods, likelihood_images, pixel_levels):
    """Returns a dict of means in nats: what the model says, and "independent_pixels" beside it.

    Args:
      likelihoods: dict from "bound", "importance_sampled" or "exact" to nats per
        image, float (count,).
      likelihood_images: the images, float (count, height, width, channels) in [-1, 1].
      pixel_levels: how many values, from -1 to 1, a pixel's channel is taken to have; 0: the
        likelihood is a density.
    """
    return {name: float(np.mean(nats)) for name, nats in likelihoods.items()} | {
        "independent_pixels": _independent_pixels(likelihood_images, pixel_levels)
    }


def _independent_pixels(images, levels):
    if levels:
        values = np.round((images + 1) / 2 * (levels - 1))
        shares = np.stack([np.mean(values == value, axis=0) for value in range(levels)])
        return float(np.sum(special.xlogy(shares, shares)))
    variance = np.maximum(images.var(axis=0, dtype=np.float64), 1e-6)
    return float(np.sum(-0.5 * np.log(2 * np.pi * variance) - 0.5))
