"""The 1,797 handwritten digits that come with scikit-learn (UCI optical recognition of handwritten
digits), 8x8 pixels enlarged to 14x14 in a frame of 16x16.

Enlarged because nobody can read letters with strokes one pixel wide, framed because they reach its
edge; the information stays that of 8x8 pixels.
"""

import numpy as np
from PIL import Image

from keras_infogan.datasets.image_set import ImageSet, check_split

SPLITS = ("train", "test")


def read(name, split, data_dir, shape, frame):
    """Returns digits with labels.

    The data has no official split: every fifth image is test, the others are train.
    """
    from sklearn.datasets import load_digits

    check_split(name, split, SPLITS)
    data = load_digits()
    small = np.round(data.images * (255 / 16)).astype(np.uint8)
    large = np.stack(
        [
            np.asarray(Image.fromarray(image).resize((14, 14), Image.Resampling.BICUBIC))
            for image in small
        ]
    )
    images = np.pad(large, ((0, 0), (1, 1), (1, 1)))[..., None].repeat(shape[-1], axis=-1)
    test = np.arange(len(images)) % 5 == 4
    chosen = test if split == "test" else ~test
    return ImageSet(
        images[chosen],
        labels=data.target[chosen],
        label_names=tuple(str(digit) for digit in range(10)),
    )
