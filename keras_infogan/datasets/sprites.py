"""Drawn shapes with the factors of dSprites (Matthey et al. 2017), rendered on demand: ground truth
that needs no download.

3 shapes (square, ellipse, heart) x 6 scales x 40 orientations x 32 x 32 positions = 737,280 images,
in dSprites' order: the last factor moves fastest. The drawing is our own and smoothed at the edges;
the images are not dSprites' pixel for pixel.
"""

import numpy as np
from PIL import Image, ImageDraw

from keras_infogan.datasets.image_set import ImageSet, check_split

FACTOR_NAMES = ("shape", "scale", "orientation", "position_x", "position_y")
FACTOR_SIZES = (3, 6, 40, 32, 32)
_SUPERSAMPLING = 4


def _outlines():
    """Returns the outline of each shape as points (n, 2), about 1 from the center
    at their farthest.
    """
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / np.sqrt(2)
    ellipse = np.stack([np.cos(angle), 0.5 * np.sin(angle)], axis=-1)
    heart = (
        np.stack(
            [
                16 * np.sin(angle) ** 3,
                -(
                    13 * np.cos(angle)
                    - 5 * np.cos(2 * angle)
                    - 2 * np.cos(3 * angle)
                    - np.cos(4 * angle)
                ),
            ],
            axis=-1,
        )
        / 17
    )
    return square, ellipse, heart


class Sprites:
    """All images as if they were one array: `sprites[indices]` renders uint8 (n, size, size, 1)."""

    def __init__(self, size):
        self.shape = (int(np.prod(FACTOR_SIZES)), size, size, 1)
        self._outlines = _outlines()

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, indices):
        if isinstance(indices, slice):
            indices = range(*indices.indices(len(self)))
        return np.stack(
            [self.render(values) for values in factor_values(np.atleast_1d(np.asarray(indices)))]
        )

    def render(self, values):
        """Returns one image, uint8 (size, size, 1), of the true values (shape, scale, orientation,
        position_x, position_y).
        """
        shape, scale, orientation, *position = values
        large = self.shape[1] * _SUPERSAMPLING
        cosine, sine = np.cos(orientation), np.sin(orientation)
        # The largest shape has a radius of 3/16 of the image, and its center keeps that
        # distance from the edge.
        points = (
            self._outlines[int(shape)]
            @ np.array([[cosine, sine], [-sine, cosine]])
            * scale
            * large
            * 3
            / 16
        )
        center = large * (3 / 16 + 10 / 16 * np.array(position))
        canvas = Image.new("L", (large, large))
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in points + center], fill=255)
        return np.asarray(canvas.reduce(_SUPERSAMPLING))[..., None]


def factor_values(indices):
    """Returns the true values (n, 5): shape 0 to 2, scale 0.5 to 1, orientation in [0, 2 pi),
    positions in [0, 1].
    """
    shape, scale, orientation, x, y = np.unravel_index(indices, FACTOR_SIZES)
    return np.stack(
        [shape, 0.5 + scale / 10, orientation * 2 * np.pi / 40, x / 31, y / 31], axis=-1
    ).astype(np.float32)


def read(name, split, data_dir, shape, frame):
    """Returns all sprites with their true factors; as in dSprites there is one split."""
    check_split(name, split, ("train",))
    sprites = Sprites(shape[0])
    return ImageSet(
        sprites, factors=factor_values(np.arange(len(sprites))), factor_names=FACTOR_NAMES
    )
