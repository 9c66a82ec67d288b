"""Parts of images that can be told without a trained network: what the units of a generator are
held against (GAN Dissection, Bau et al. 2018, arXiv 1811.10597, which takes a segmentation network
for it).

`KINDS` maps a kind of images to a function from images to their segments. Images are float32
(count, height, width, channels) in [-1, 1]; segments are a dict from a name to a mask, bool (count,
height, width), or None where a kind finds no part in such images.
"""

import pathlib

import numpy as np
from PIL import Image
from scipy import ndimage
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier

from keras_infogan.config import UserError

# A skeleton's pixel has itself and this many neighbors at an end, and more at a junction.
_END, _JUNCTION = 2, 4
_EIGHT = np.ones((3, 3), bool)
_NUM_COLORS, _PIXELS, _MOST_LABELS = 4, 20_000, 12
# Boxes (top, bottom, left, right) in shares of the image, for faces aligned as CelebA's are and cut
# to the middle 148 pixels.
_FACE_BOXES = {
    "forehead": (0.12, 0.32, 0.25, 0.75),
    "eyes": (0.36, 0.52, 0.2, 0.8),
    "nose": (0.48, 0.66, 0.4, 0.6),
    "mouth": (0.66, 0.8, 0.32, 0.68),
}


def kind_of(dataset, channels):
    """Returns the kind of a data set's images."""
    if dataset in ("digits", "mnist"):
        return "digits"
    if "sprites" in dataset:
        return "sprites"
    if dataset == "celeb_a":
        return "faces"
    return "colors" if channels == 3 else "light"


def check(kind, channels):
    """Raises UserError unless images of so many channels have segments of a kind."""
    if kind in ("faces", "colors") and channels != 3:
        raise UserError(
            f"--segments={kind} goes by colors, and the images are gray; give another, such as "
            "--segments=light."
        )


def segmenter(kind, examples):
    """Returns the function from images to segments of one of KINDS, which takes from examples,
    images, what it has to know, such as their colors.
    """
    return KINDS[kind](examples)


def label_images(folder, names, size):
    """Reads a user's label images, PNG files of one number per pixel: 0 for nothing, others for a
    part.

    Args:
      folder: pathlib.Path of a folder in which each is called as the image it belongs to.
      names: of the images, files in a folder of their own.
      size: (height, width) of a run's images; label images are to have it.

    Returns:
      (indices of the images that have one, labels uint8 (count, height, width)).

    Raises:
      UserError: if there are none, or one is not such an image.
    """
    found = {}
    for index, name in enumerate(names):
        path = folder / pathlib.PurePath(name).with_suffix(".png")
        if not path.is_file():
            continue
        try:
            with Image.open(path) as picture:
                received = picture.height, picture.width
                # Before its pixels are read: they may be many.
                if picture.mode not in ("L", "P", "1") or received != tuple(size):
                    raise UserError(
                        f"{path}: expected a label image of 8 bits and {size[0]}x{size[1]} pixels, "
                        f"as the run's images, received {received[0]}x{received[1]} in mode "
                        f"{picture.mode}; convert it."
                    )
                found[index] = np.asarray(picture).astype(np.uint8)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise UserError(f"{path} cannot be read ({error}); mend or remove it.") from None
    if not found:
        raise UserError(
            f"--masks={folder} has no label image called as one of the {len(names)} images that "
            "the run was trained on; name them alike, with the ending .png."
        )
    labels = np.stack(list(found.values()))
    if not 1 <= len(np.unique(labels[labels > 0])) <= _MOST_LABELS:
        raise UserError(
            f"--masks={folder}: expected 1 to {_MOST_LABELS} numbers beside 0, received "
            f"{len(np.unique(labels[labels > 0]))}."
        )
    return list(found), labels


def learned(images, labels):
    """Returns a function from images to segments that tells pixels by their surroundings, as label
    images tell them of real ones: generated images have none.

    Args:
      images: float32 (count, height, width, channels) in [-1, 1].
      labels: what `label_images` gives of them.
    """
    from skimage.feature import multiscale_basic_features

    def surroundings(image):
        most = max(2, min(image.shape[:2]) / 8)
        return multiscale_basic_features(image, sigma_max=most, channel_axis=-1)

    pixels = np.concatenate([surroundings(image).reshape(labels[0].size, -1) for image in images])
    chosen = np.random.default_rng(0).permutation(len(pixels))[:_PIXELS]
    forest = RandomForestClassifier(20, max_depth=12, random_state=0)
    forest.fit(pixels[chosen], labels.reshape(-1)[chosen])

    def segments(images):
        guessed = np.stack(
            [forest.predict(surroundings(image).reshape(labels[0].size, -1)) for image in images]
        ).reshape(images.shape[:3])
        return {f"label {value}": guessed == value for value in forest.classes_ if value}

    return segments


def halves(masks):
    """Returns the halves of each mask, bool (count, height, width): a dict of masks, cut at the
    middle of its own rows and columns.
    """
    rows, columns = (np.arange(size) for size in masks.shape[1:])
    middle_row = _middle(masks.any(axis=2), rows)[:, None, None]
    middle_column = _middle(masks.any(axis=1), columns)[:, None, None]
    return {
        "upper half": masks & (rows[None, :, None] < middle_row),
        "lower half": masks & (rows[None, :, None] >= middle_row),
        "left half": masks & (columns[None, None, :] < middle_column),
        "right half": masks & (columns[None, None, :] >= middle_column),
    }


def _middle(occupied, places):
    """Returns the middle between the first and the last occupied place of each row, (count,)."""
    first = np.where(occupied, places, len(places)).min(axis=1)
    last = np.where(occupied, places, -1).max(axis=1)
    return (first + last + 1) / 2


def _light(images):
    return images.mean(axis=-1) > 0


def _digits(examples):
    """Strokes, what they enclose, where they end and meet."""
    from skimage.morphology import skeletonize

    radius = max(1, round(examples.shape[1] / 14))
    disk = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius

    def segments(images):
        strokes = _light(images)
        found = {name: np.zeros_like(strokes) for name in ("hole", "end", "junction")}
        for index, stroke in enumerate(strokes):
            found["hole"][index] = ndimage.binary_fill_holes(stroke) & ~stroke
            skeleton = skeletonize(stroke)
            neighbors = ndimage.convolve(skeleton.astype(int), _EIGHT.astype(int), mode="constant")
            for name, places in (
                ("end", skeleton & (neighbors == _END)),
                ("junction", skeleton & (neighbors >= _JUNCTION)),
            ):
                # The stroke around it: a single pixel is smaller than a unit can point to.
                found[name][index] = ndimage.binary_dilation(places, disk) & stroke
        return {"stroke": strokes, **found, **halves(strokes)}

    return segments


def _sprites(examples):
    """The drawn shape, its parts, and where it is."""

    def segments(images):
        shapes = _light(images)
        inside = ndimage.binary_erosion(shapes, np.ones((1, 3, 3), bool), iterations=2)
        height, width = shapes.shape[1:]
        rows, columns = np.mgrid[:height, :width]
        upper, left = rows < height / 2, columns < width / 2
        quadrants = {
            f"in the {vertical} {horizontal}": shapes & high & near
            for vertical, high in (("upper", upper), ("lower", ~upper))
            for horizontal, near in (("left", left), ("right", ~left))
        }
        edge = {"edge": shapes & ~inside, "inside": inside}
        return {"shape": shapes, **edge, **halves(shapes), **quadrants}

    return segments


def _colors(examples):
    """Clusters of colors, from dark to light, as the examples have them."""
    from skimage.color import rgb2lab

    def lab(images):
        return rgb2lab((np.clip(images, -1, 1) + 1) / 2).astype(np.float32)

    pixels = lab(examples).reshape(-1, 3)
    chosen = np.random.default_rng(0).permutation(len(pixels))[:_PIXELS]
    clusters = KMeans(_NUM_COLORS, n_init=3, random_state=0).fit(pixels[chosen])
    order = np.argsort(clusters.cluster_centers_[:, 0])
    # The mean color of each as a page shows it.
    members = clusters.labels_[:, None] == order
    shown = (examples.reshape(-1, 3)[chosen] + 1) / 2
    names = [
        "color #" + "".join(f"{round(255 * value):02x}" for value in shown[member].mean(axis=0))
        for member in members.T
    ]

    def segments(images):
        nearest = clusters.predict(lab(images).reshape(-1, 3)).reshape(images.shape[:-1])
        return {name: nearest == order[index] for index, name in enumerate(names)}

    return segments


def _faces(examples):
    """Boxes where aligned faces have their parts, and clusters of colors.

    A box is the same in every image, so that a unit agrees with it in shuffled pairs as well: it
    tells where a unit looks, not what it knows.
    """
    colors = _colors(examples)

    def segments(images):
        count, height, width = images.shape[:3]
        found = {}
        for name, (top, bottom, left, right) in _FACE_BOXES.items():
            found[name] = np.zeros((count, height, width), bool)
            rows = slice(round(top * height), round(bottom * height))
            found[name][:, rows, round(left * width) : round(right * width)] = True
        return {**found, **colors(images)}

    return segments


def _brightness(examples):
    """What is light, and its halves: of gray images of unknown content."""

    def segments(images):
        light = _light(images)
        return {"light": light, **halves(light)}

    return segments


KINDS = {
    "digits": _digits,
    "sprites": _sprites,
    "faces": _faces,
    "colors": _colors,
    "light": _brightness,
}
