"""Whether a category stays the same when an image is moved a little.

It needs no labels, so it can choose between runs.
"""

import numpy as np
from scipy import ndimage
from sklearn.metrics import accuracy_score

from keras_infogan.metrics.points import MOST_POINTS

ROTATION, SHEAR, SCALE, SHIFT = 20.0, 0.2, 0.15, 0.075
PROTOCOL = (
    f"share of real images (at most {MOST_POINTS:,}, drawn at random) whose likeliest "
    "category under Q(c|x) is that of a changed copy too; the changes, drawn uniformly, the same "
    f"whatever the model was trained with: rotated by up to {ROTATION:.0f} degrees, sheared by up "
    f"to {SHEAR}, each axis scaled by up to {SCALE:.0%}, shifted by up to {SHIFT:.1%} of the side"
)


def consistency(categories, categories_of_copies):
    """Returns the share, in [0, 1], of equal entries of two int (count,)."""
    return float(accuracy_score(categories, categories_of_copies))


def changed_copies(images, generator):
    """Returns a changed copy of each image, as the protocol says; bilinear, outside they go
    on as in a mirror.

    Args:
      images: float32 (count, height, width, channels).
      generator: numpy.random.Generator of the draws.
    """
    height, width = images.shape[1:3]
    center, size = np.array([(height - 1) / 2, (width - 1) / 2]), np.array([height, width])
    copies = np.empty_like(images)
    for copy, image in zip(copies, images, strict=True):
        angle = np.radians(ROTATION) * generator.uniform(-1, 1)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        lean = np.array([[1, 0], [SHEAR * generator.uniform(-1, 1), 1]])
        matrix = turn @ lean @ np.diag(1 + SCALE * generator.uniform(-1, 1, 2))
        offset = center + SHIFT * size * generator.uniform(-1, 1, 2) - matrix @ center
        for channel in range(image.shape[-1]):
            copy[..., channel] = ndimage.affine_transform(
                image[..., channel], matrix, offset, order=1, mode="reflect"
            )
    return copies
