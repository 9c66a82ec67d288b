"""Data sets by name, and the pipeline that feeds training.

A data set is a row of `DATASETS`: facts (image size, channels) and where its images come from.
`load` returns an `ImageSet` of uint8 images, decoded once and kept in a cache on disk where
decoding takes time; `batches` turns it into an endless tf.data.Dataset whose order is a function of
(seed, step) alone, so that a run resumes at any step with the very batches it would have seen.
"""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from keras_infogan.config import UserError, did_you_mean
from keras_infogan.datasets import digits, folder, prepared, sprites
from keras_infogan.datasets.image_set import ImageSet
from keras_infogan.framing import of_dataset


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a data set before its first image is read.

    Attributes:
      read: function (name, split, data_dir, image_shape, Framing) -> ImageSet.
      image_size: height and width in pixels that images are brought to.
      channels: 1 (grey), 3 (colour), or None where the images themselves tell.
      source: "embedded", "prepared" (tensorflow-datasets) or "folder".
      about: one line for --help.
      license: terms of the images, which a model trained on them may inherit.
      splits: names of its splits; of prepared data, tensorflow-datasets knows them.
    """

    read: Callable
    image_size: int
    channels: int | None
    source: str
    about: str
    license: str
    splits: tuple = ("train",)


DATASETS = {
    "digits": Facts(
        digits.read,
        16,
        1,
        "embedded",
        "1,797 handwritten digits that come with scikit-learn",
        "CC BY 4.0",
        digits.SPLITS,
    ),
    "sprites": Facts(
        sprites.read,
        64,
        1,
        "embedded",
        "drawn shapes with the 737,280 factor combinations of dSprites",
        "none needed: drawn images",
    ),
    "sprites_32x32": Facts(
        sprites.read, 32, 1, "embedded", "the same, half the size", "none needed: drawn images"
    ),
    "mnist": Facts(
        prepared.read, 28, 1, "prepared", "handwritten digits (tensorflow-datasets)", "CC BY-SA 3.0"
    ),
    "fashion_mnist": Facts(
        prepared.read, 28, 1, "prepared", "clothes (tensorflow-datasets)", "MIT"
    ),
    "svhn_cropped": Facts(
        prepared.read,
        32,
        3,
        "prepared",
        "house numbers (tensorflow-datasets)",
        "non-commercial use only",
    ),
    "celeb_a": Facts(
        prepared.read,
        32,
        3,
        "prepared",
        "faces, cropped to the middle 148x148 (tensorflow-datasets)",
        "non-commercial research only",
    ),
    "cifar10": Facts(
        prepared.read, 32, 3, "prepared", "small photographs (tensorflow-datasets)", "not stated"
    ),
    "dsprites": Facts(
        prepared.read,
        64,
        1,
        "prepared",
        "shapes with true factors (tensorflow-datasets)",
        "Apache 2.0",
    ),
    "shapes3d": Facts(
        prepared.read,
        64,
        3,
        "prepared",
        "rendered rooms with true factors (tensorflow-datasets)",
        "Apache 2.0",
    ),
    "faces_3d": Facts(
        folder.read,
        32,
        1,
        "folder",
        "your folder of rendered faces, --data_dir=FOLDER",
        "not known: the images were given",
    ),
    "chairs_3d": Facts(
        folder.read,
        64,
        1,
        "folder",
        "your folder of rendered chairs, --data_dir=FOLDER",
        "not known: the images were given",
    ),
    "folder": Facts(
        folder.read,
        64,
        None,
        "folder",
        "your own images, --data_dir=FOLDER or a .zip",
        "not known: the images were given",
    ),
}

# Any further data set of tensorflow-datasets.
OTHER_PREPARED = Facts(
    prepared.read,
    32,
    None,
    "prepared",
    "a data set of tensorflow-datasets",
    "see the data set's own terms",
)


def facts(name, data_dir=None):
    """Returns the Facts of a data set; for a name not in DATASETS, those of a data set of
    tensorflow-datasets, of one's own too if it lies in `data_dir`.

    Raises:
      UserError: if tensorflow-datasets does not know the name either.
    """
    if name in DATASETS:
        return DATASETS[name]
    if name.lower() in DATASETS or not prepared.is_known(name, data_dir):
        raise UserError(
            f"unknown data set {name!r}{did_you_mean(name, DATASETS)}; give one of "
            f"{', '.join(DATASETS)}, or the name of a data set of tensorflow-datasets, or of one "
            "of your own that is prepared in --data_dir."
        )
    return OTHER_PREPARED


def shape_and_framing(name, data_dir=None, image_size=None, pad=False, white=None):
    """Returns what a data set's images are brought to, from facts and file headers alone.

    Args:
      name: data set.
      data_dir: where prepared data lies, or the folder or zip of images.
      image_size: height and width in pixels; default: the data set's own.
      pad, white: see Framing.

    Returns:
      ((height, width, channels), Framing).

    Raises:
      UserError: for an unknown data set, an impossible size, or a folder that cannot be read.
    """
    known = facts(name, data_dir)
    size = known.image_size if image_size is None else image_size
    if not 8 <= size <= 1024:
        raise UserError(f"--image_size must be between 8 and 1024 pixels, not {size}.")
    if known.source == "embedded" and size != known.image_size:
        raise UserError(
            f"{name} has images of {known.image_size}x{known.image_size} pixels only; leave out "
            f"--image_size={size}."
        )
    if known.source == "embedded" and (pad or white is not None):
        raise UserError(f"{name} comes as it is; leave out --pad and --white.")
    channels = known.channels
    if known.source == "folder":
        found = folder.survey(data_dir, white)
        channels, white = channels or found.channels, found.white
    elif channels is None:
        channels = prepared.channels(name, data_dir)
    framing = dataclasses.replace(of_dataset(name), pad=pad, white=white)
    return (size, size, channels), framing


def image_shape(name, data_dir=None, image_size=None):
    """Returns the first of what `shape_and_framing` does."""
    return shape_and_framing(name, data_dir, image_size)[0]


def listing(name, data_dir=None):
    """Returns the size in bytes of each of a user's own images by its name, a dict; None for a data
    set whose name says what it is.
    """
    return folder.listing(data_dir) if facts(name, data_dir).source == "folder" else None


def fingerprint(listed):
    """Returns a short text that tells a user's own images from others, of what `listing` returns;
    None for None.
    """
    return None if listed is None else folder.fingerprint(listed)


def evaluation_split(name, data_dir=None):
    """Returns the name of the split that scores are computed on: "test", or "train" for a data
    set without one.

    Raises:
      UserError: if the data set cannot be opened.
    """
    known = facts(name, data_dir)
    splits = prepared.splits(name, data_dir) if known.source == "prepared" else known.splits
    return "test" if "test" in splits else "train"


def reads_without_tensorflow(name):
    """Whether a data set is embedded or a folder."""
    return name in DATASETS and DATASETS[name].source != "prepared"


def load(name, split, shape, data_dir=None, framing=None):
    """Reads one split of a data set, from the cache if it was read before.

    Args:
      name: data set.
      split: "train" or "test".
      shape: (height, width, channels) to bring the images to, as `image_shape` gives it.
      data_dir: where prepared data lies, or the folder or zip of images.
      framing: Framing that brings them there; default: the data set's own.

    Returns:
      An ImageSet.

    Raises:
      UserError: if there is no such split, or the images cannot be read.
    """
    known = facts(name, data_dir)
    image_set = known.read(
        name,
        split,
        pathlib.Path(data_dir) if data_dir else None,
        tuple(shape),
        framing or of_dataset(name),
    )
    return dataclasses.replace(image_set, split=split)


def to_float(images):
    """Returns uint8 images as float32 in [-1, 1]."""
    return images.astype(np.float32) / 127.5 - 1.0


def check_batch_size(image_set, batch_size):
    """Raises UserError unless the data fills one batch."""
    count = len(image_set.images)
    if count < batch_size:
        remedy = (
            f"give --batch_size={2 ** (count.bit_length() - 1)} or less"
            if count > 1
            else "add images"
        )
        raise UserError(
            f"the data has {count} images, fewer than one batch of {batch_size}; {remedy}."
        )


def batches(image_set, batch_size, seed, start_step=0, num_workers=1, worker=0):
    """Returns an endless tf.data.Dataset of {"image": float32 (batch_size, height, width, channels)
    in [-1, 1]}, beginning with the batch of `start_step`.

    Every pass over the data has its own order, a permutation computed from (seed, pass); the
    remainder that fills no batch is dropped from that pass.

    Of several workers each reads only its own part of every global batch, the rows that its
    replicas take: the batches it gets here are `num_workers` such parts, one step after another,
    which a tf.distribute strategy cuts into what its replicas take in turn.

    Args:
      image_set: the ImageSet.
      batch_size: global batch size, a multiple of the number of workers.
      seed: of the order.
      start_step: steps taken already.
      num_workers: how many share the batches.
      worker: which of them this is, from 0.

    Raises:
      UserError: if the data does not fill one batch.
    """
    import tensorflow as tf

    count = len(image_set.images)
    check_batch_size(image_set, batch_size)
    used = count // batch_size * batch_size

    def shuffled(position):
        key = tf.stack([tf.constant(seed, tf.int64), position // used])
        return tf.random.experimental.index_shuffle(position % used, key, count - 1)  # pyright: ignore[reportAttributeAccessIssue]  # the stub lacks it

    read = _reader(image_set.images)

    def prepared_for_training(indices):
        images = tf.ensure_shape(read(indices), (batch_size, *image_set.images.shape[1:]))
        return {"image": tf.cast(images, tf.float32) / 127.5 - 1.0}

    positions = tf.data.Dataset.range(start_step * batch_size, tf.int64.max)
    if num_workers > 1:
        positions = positions.batch(batch_size // num_workers).shard(num_workers, worker).unbatch()
    dataset = (
        positions.map(shuffled)
        .batch(batch_size, drop_remainder=True)
        .map(prepared_for_training)
        .prefetch(tf.data.AUTOTUNE)
    )
    options = tf.data.Options()
    # The parts are made above.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)


def _reader(images):
    """Returns a function of a tensor of indices that gives those images, uint8, for tf.data.

    Of arrays without Python: a thread of tf.data that is in Python while the interpreter goes down
    can hang it for ever.
    """
    import tensorflow as tf

    if isinstance(images, np.memmap):
        # The same memory as a tensor: TensorFlow takes it where it lies on multiples of 64 bytes,
        # as the content of an .npy file does.
        tensor = tf.experimental.dlpack.from_dlpack(np.asarray(images).__dlpack__())
    elif isinstance(images, np.ndarray):
        with tf.device("CPU"):
            tensor = tf.constant(images)
    else:
        return lambda indices: tf.numpy_function(lambda chosen: images[chosen], [indices], tf.uint8)
    return lambda indices: tf.gather(tensor, indices)


__all__ = [
    "DATASETS",
    "Facts",
    "ImageSet",
    "batches",
    "check_batch_size",
    "evaluation_split",
    "facts",
    "fingerprint",
    "image_shape",
    "listing",
    "load",
    "reads_without_tensorflow",
    "shape_and_framing",
    "to_float",
]
