"""How far what is generated from an image's codes is from the image."""

import numpy as np

_PART = 1000
PROTOCOL = (
    "of real images and what the model generates from the likeliest value of each of their codes; "
    "mean_squared: of pixels in [0, 1]; unexplained_variance: the same divided by the pixels' "
    "variance, 1 for answering every image with the mean one; distance_ratio: the mean distance of "
    "an image from its reconstruction, divided by that from another image's reconstruction"
)


def reconstruction_error(real_images, reconstructions):
    """Returns a dict of "mean_squared", "unexplained_variance" and "distance_ratio", of two float
    (count, height, width, channels) in [-1, 1].

    Raises:
      ValueError: if all images are the same.
    """
    # In parts: copies of all images in double precision would be larger than the images.
    parts = [slice(start, start + _PART) for start in range(0, len(real_images), _PART)]
    mean = real_images.mean(axis=0, dtype=np.float64)
    squares = _squared_distances(real_images, reconstructions, parts)
    others = _squared_distances(real_images, np.roll(reconstructions, 1, axis=0), parts)
    error = squares.sum() / real_images.size
    variance = sum(np.square(real_images[part] - mean).sum() for part in parts) / real_images.size
    if variance < 1e-12:
        raise ValueError("all real images are the same")
    return {
        "mean_squared": float(error / 4),
        "unexplained_variance": float(error / variance),
        "distance_ratio": float(np.sqrt(squares).sum() / max(np.sqrt(others).sum(), 1e-12)),
    }


def _squared_distances(images, others, parts):
    """Returns the squared distance of each image from the other in its place, float (count,)."""
    return np.concatenate(
        [
            np.square(images[part] - others[part], dtype=np.float64).sum(axis=(1, 2, 3))
            for part in parts
        ]
    )
