"""MNIST-M (Ganin and Lempitsky 2015, arXiv 1409.7495, Section 4.1): MNIST's digits blended with
patches of color photographs, |patch - digit| per channel, made here.

The paper takes its patches from BSDS500, which is a download; here they are cut from photographs
that come with scikit-image and scikit-learn, so figures on it are not the paper's. No photograph
serves both splits.
"""

import importlib.resources
import zlib

import numpy as np
from PIL import Image

from keras_infogan import framing
from keras_infogan.config import UserError
from keras_infogan.datasets import prepared
from keras_infogan.datasets.image_set import cached, check_split

_SIZE = 28
_SCIKIT_IMAGE, _SCIKIT_LEARN = ("skimage", "data"), ("sklearn", "datasets", "images")
# By split: (package and folder, file). Of all, in the order of how much a patch varies, the second,
# fifth and eighth are test: either split has plain and textured ones.
_PHOTOGRAPHS = {
    "train": (
        (_SCIKIT_IMAGE, "retina.jpg"),
        (_SCIKIT_LEARN, "flower.jpg"),
        (_SCIKIT_IMAGE, "hubble_deep_field.jpg"),
        (_SCIKIT_IMAGE, "coffee.png"),
        (_SCIKIT_IMAGE, "ihc.png"),
        (_SCIKIT_IMAGE, "motorcycle_left.png"),
        (_SCIKIT_IMAGE, "astronaut.png"),
    ),
    "test": (
        (_SCIKIT_IMAGE, "rocket.jpg"),
        (_SCIKIT_IMAGE, "chelsea.png"),
        (_SCIKIT_LEARN, "china.jpg"),
    ),
}
SPLITS = tuple(_PHOTOGRAPHS)
_VERSION = 2  # of how they are made, so that the cache does not bring back others


def read(name, split, data_dir, shape, frame):
    """Returns MNIST-M with MNIST's labels; each digit always with the same patch.

    Raises:
      UserError: if MNIST, or scikit-image's photographs, are not there.
    """
    check_split(name, split, SPLITS)
    photographs = [_photograph(*place) for place in _PHOTOGRAPHS[split]]
    digits = prepared.read("mnist", split, data_dir, (_SIZE, _SIZE, 1), framing.CROPPED)

    def decode(images):
        generator = np.random.default_rng(SPLITS.index(split))
        for index, digit in enumerate(digits.images):
            blended = blend(digit, _patch(photographs, generator))
            images[index] = (
                blended
                if blended.shape == images.shape[1:]
                else framing.prepare(Image.fromarray(blended), images.shape[1:], frame)
            )
        return {"labels": digits.labels, "label_names": digits.label_names}

    # Of which digits: another --data_dir may hold others.
    of_labels = zlib.crc32(np.asarray(digits.labels).tobytes())
    checksum = zlib.crc32(np.asarray(digits.images).tobytes(), of_labels)
    key = f"{name} {_VERSION} {split} {'x'.join(map(str, shape))} {frame} {checksum:08x}"
    return cached(key, len(digits.images), shape, decode)


def blend(digit, patch):
    """Returns |patch - digit| per channel, uint8 (28, 28, 3), of a digit made black and white,
    uint8 (28, 28, 1), and a patch: the patch, and its negative where the digit is.
    """
    return np.where(digit > 0, 255 - patch, patch)


def _patch(photographs, generator):
    photograph = photographs[generator.integers(len(photographs))]
    top, left = (generator.integers(length - _SIZE + 1) for length in photograph.shape[:2])
    return photograph[top : top + _SIZE, left : left + _SIZE]


def _photograph(place, file):
    """Returns a photograph that comes with a package, uint8 (height, width, 3)."""
    package, *folders = place
    path = importlib.resources.files(package).joinpath(*folders, file)
    if not path.is_file():
        raise UserError(
            f"mnist_m is made with {path}, which is not there; install scikit-image anew, in a "
            "version from 0.22 on."
        )
    with path.open("rb") as content, Image.open(content) as image:
        return np.asarray(image.convert("RGB"))
