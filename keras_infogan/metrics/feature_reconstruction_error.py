"""How far reconstructions are from their images in a feature space, where a shift by a pixel is
little and a blur is much.
"""

import numpy as np

PROTOCOL = (
    "squared distance, in the feature space, of real images and what the model generates from the "
    "likeliest value of each of their codes, divided by the features' variance: 1 for answering "
    "every image with the mean feature"
)


def feature_reconstruction_error(real_features, reconstructed_features):
    """Returns the share of the variance that is left, of two float (count, features).

    Raises:
      ValueError: if all features are the same.
    """
    real = real_features.astype(np.float64)
    variance = np.square(real - real.mean(axis=0)).sum()
    if variance < 1e-12:
        raise ValueError("all real images have the same features")
    return float(np.square(real - reconstructed_features).sum() / variance)
