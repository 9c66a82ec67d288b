"""How much of what a generator's images differ in comes from one of its inputs."""

import numpy as np

PROTOCOL = (
    "total-effect index (Jansen 1999; Saltelli et al. 2010, equation (f)): half the mean squared "
    "change of the image when only this input is redrawn from its prior, divided by the variance "
    "of the images, summed over pixels; with interactions the indices of all inputs may add "
    "up to more than 1"
)


def effect(moved_images, start_images):
    """Returns the share of the images' variance that an input takes part in, 0 if it does nothing.

    Args:
      moved_images: float (count, height, width, channels), each start with one input redrawn.
      start_images: float (count, height, width, channels), from the prior.

    Raises:
      ValueError: if all start images are the same.
    """
    variance = np.var(start_images, axis=0, dtype=np.float64).sum()
    if variance < 1e-12:
        raise ValueError(
            "all generated images are the same, so no input can be said to change them"
        )
    changes = np.square(moved_images - start_images, dtype=np.float64)
    return float(changes.mean(axis=0).sum() / (2 * variance))
