"""How far what is generated from an image's codes is from the image."""

import numpy as np

PROTOCOL = (
    "of real images and what the model generates from the likeliest value of each of their codes; mean_squared: of pixels in [0, 1]; unexplained_variance: the "
    "same divided by the pixels' variance, 1 for answering every image with the mean one"
)


def reconstruction_error(real_images, reconstructions):
    """Returns a dict of "mean_squared" and "unexplained_variance", of two float (count, height, width, channels) in [-1, 1].

    Raises:
      ValueError: if all images are the same.
    """
    error = np.square(real_images - reconstructions, dtype=np.float64).mean()
    variance = np.var(real_images, axis=0, dtype=np.float64).mean()
    if variance < 1e-12:
        raise ValueError("all real images are the same")
    return {"mean_squared": float(error / 4), "unexplained_variance": float(error / variance)}
