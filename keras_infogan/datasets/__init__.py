"""Data sets by name, and the pipeline that feeds training.

A data set is a row of `DATASETS`: facts (image size, channels) and where its images come from.
`load` returns an `ImageSet` of uint8 images, decoded once and kept in a cache on disk where
decoding takes time; `batches` turns it into an endless tf.data.Dataset whose order is a function of
(seed, step) alone, so that a run resumes at any step with the very batches it would have seen.
"""

import contextlib
import dataclasses
import functools
import operator
import pathlib
from collections.abc import Callable

import numpy as np

from keras_infogan import audio
from keras_infogan.config import UserError, did_you_mean
from keras_infogan.datasets import (
    digits,
    folder,
    mnist_m,
    prepared,
    speakers,
    spoken_words,
    sprites,
    words_folder,
)
from keras_infogan.datasets.image_set import ImageSet
from keras_infogan.framing import of_dataset


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a data set before its first image is read.

    Attributes:
      read: function (name, split, data_dir, image_shape, Framing) -> ImageSet.
      image_size: height and width in pixels that images are brought to.
      channels: 1 (grey), 3 (colour), or None where the images themselves tell.
      source: "embedded", "prepared" (tensorflow-datasets), "made" (of a prepared one), "folder", or
        "recordings" (a folder of them).
      about: one line for --help.
      license: terms of the images, which a model trained on them may inherit.
      splits: names of its splits; of prepared data, tensorflow-datasets knows them.
      own: name of the data set as which a user's own data of the kind is read.
    """

    read: Callable
    image_size: int
    channels: int | None
    source: str
    about: str
    license: str
    splits: tuple = ("train",)
    own: str = "folder"


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
    "spoken_words": Facts(
        spoken_words.read,
        audio.NUM_FRAMES,
        1,
        "embedded",
        "words in many voices, synthetic speech by espeak-ng, which must be installed",
        "none needed: drawn sounds",
        spoken_words.SPLITS,
        own="words_folder",
    ),
    "spoken_words_small": Facts(
        spoken_words.read,
        audio.NUM_FRAMES,
        1,
        "embedded",
        "a small part of them, which comes with keras-infogan",
        "none needed: drawn sounds",
        spoken_words.SPLITS,
        own="words_folder",
    ),
    "mnist": Facts(
        prepared.read, 28, 1, "prepared", "handwritten digits (tensorflow-datasets)", "CC BY-SA 3.0"
    ),
    "mnist_m": Facts(
        mnist_m.read,
        28,
        3,
        "made",
        "MNIST's digits on color photographs, made here",
        "CC BY-SA 3.0, and those of scikit-image's and scikit-learn's photographs",
        mnist_m.SPLITS,
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
    "words_folder": Facts(
        words_folder.read,
        audio.NUM_FRAMES,
        1,
        "recordings",
        "your own recordings, --data_dir=FOLDER with a folder per speaker: speaker/word.wav",
        "not known: the recordings were given",
        own="words_folder",
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
    fixed = known.source in ("embedded", "recordings")
    if fixed and size != known.image_size:
        raise UserError(
            f"{name} has images of {known.image_size}x{known.image_size} pixels only; leave out "
            f"--image_size={size}."
        )
    if fixed and (pad or white is not None):
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
    read = {"folder": folder.listing, "recordings": words_folder.listing}
    source = facts(name, data_dir).source
    return read[source](data_dir) if source in read else None


def fingerprint(listed):
    """Returns a short text that tells a user's own images from others, of what `listing` returns;
    None for None.
    """
    return None if listed is None else folder.fingerprint(listed)


def load_own(name, shape, path, framing):
    """Reads a user's own data of the kind that a data set has: images, or recordings of words.

    Args:
      name: data set.
      shape: (height, width, channels) to bring images to.
      path: folder or zip of images, or folder of recordings.
      framing: Framing that brings them there.

    Returns:
      An ImageSet.

    Raises:
      UserError: if they cannot be read.
    """
    return load(DATASETS.get(name, OTHER_PREPARED).own, "train", shape, path, framing)


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
    return name in DATASETS and DATASETS[name].source in ("embedded", "folder", "recordings")


def load(name, split, shape, data_dir=None, framing=None):
    """Reads one split of a data set, from the cache if it was read before.

    Args:
      name: data set.
      split: "train", "test", or another that the data set has.
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
    if image_set.images.shape[1:] != tuple(shape):
        raise UserError(
            f"{name} has images of {'x'.join(map(str, image_set.images.shape[1:]))}, expected "
            f"{'x'.join(map(str, shape))}; give another data set."
        )
    return dataclasses.replace(image_set, split=split)


def to_float(images):
    """Returns uint8 images as float32 in [-1, 1]."""
    return images.astype(np.float32) / 127.5 - 1.0


def binarized(images, seed: int | np.random.Generator = 0):
    """Returns images in [-1, 1] with each number drawn black or white, -1 or 1, its gray level the
    probability of white.

    Args:
      images: float (count, height, width, channels).
      seed: of the draws, or a numpy Generator, which goes on with those of the next images.
    """
    drawn = np.random.default_rng(seed).random(images.shape, np.float32)
    return np.where(drawn < (images + 1) / 2, 1, -1).astype(np.float32)


def fixed_binarization(image_set):
    """Returns an ImageSet with every image as `binarized` draws it, once and for all: the same in
    every run, whatever its seed.
    """
    # Not evaluation's, whose seed is 0 unless another is asked for.
    generator = np.random.default_rng(1)
    images = np.empty(image_set.images.shape, np.uint8)
    for start in range(0, len(images), 1000):
        part = to_float(np.asarray(image_set.images[start : start + 1000]))
        images[start : start + 1000] = 255 * (binarized(part, generator) > 0)
    return dataclasses.replace(image_set, images=images)


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


def batches(
    image_set,
    batch_size,
    seed,
    start_step=0,
    num_workers=1,
    worker=0,
    reads=("image",),
    labeled=None,
    target=None,
):
    """Returns an endless tf.data.Dataset of dicts with what `reads` names, each (batch_size, ...),
    beginning with the batch of `start_step`:

      image: float32 (batch_size, height, width, channels) in [-1, 1].
      labeled_image: the same, of the few images that have a label.
      label: int32 (batch_size,), of "labeled_image" where that is read, else of "image".
      target_image: as "image", of a second data set.
      same_speaker: of each of "image" another recording of its speaker.
      other_speaker: a recording of another speaker.

    Every pass over a set of images has its own order, a permutation computed from (seed, pass); the
    remainder that fills no batch is dropped from that pass. Of fewer images than a batch, one pass
    follows another without a break.

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
      reads: names of the above.
      labeled: places in the set of the images of "labeled_image", int (count,).
      target: ImageSet of "target_image".

    Raises:
      UserError: if the data does not fill one batch.
    """
    import tensorflow as tf

    check_batch_size(image_set, batch_size)
    positions = tf.data.Dataset.range(start_step * batch_size, tf.int64.max)
    if num_workers > 1:
        positions = positions.batch(batch_size // num_workers).shard(num_workers, worker).unbatch()
    with_labels = "labeled_image" if "labeled_image" in reads else "image"
    streams = [
        _stream(
            name,
            target if name == "target_image" else image_set,
            labeled if name == "labeled_image" else None,
            positions,
            batch_size,
            # Another set of as many images comes in another order.
            (seed, number * 2**40),
            "label" in reads and name == with_labels,
        )
        for number, name in enumerate(("image", "labeled_image", "target_image"))
        if name in reads
    ]
    streams += [
        _stream(
            name,
            image_set,
            None,
            positions,
            batch_size,
            (seed, 0),  # in the order of "image"
            partner=speakers.partner(name, image_set.speakers, seed),
        )
        for name in speakers.STREAMS
        if name in reads
    ]
    dataset = tf.data.Dataset.zip(*streams).map(
        lambda *parts: functools.reduce(operator.or_, parts)
    )
    options = tf.data.Options()
    # The parts are made above.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


def _stream(name, image_set, places, positions, batch_size, key, with_labels=False, partner=None):
    """Returns a tf.data.Dataset of dicts of a set's images, called `name`, and their "label" if
    wanted.

    Args:
      name: of the images in the dict.
      image_set: the ImageSet.
      places: of those images in it that are taken, int (count,); None: all.
      positions: tf.data.Dataset of what number of image each row is, from the first step on.
      batch_size: number of rows.
      key: (seed, number of the first pass), which tell the orders of one stream from others.
      with_labels: whether labels are wanted.
      partner: function (index, position) -> index of the image that is wanted in place of one.
    """
    import tensorflow as tf

    count = len(image_set.images if places is None else places)
    used = count // batch_size * batch_size or count
    seed, first_pass = key

    def shuffled(position):
        key = tf.stack([tf.constant(seed, tf.int64), first_pass + position // used])
        return tf.random.experimental.index_shuffle(position % used, key, count - 1)  # pyright: ignore[reportAttributeAccessIssue]  # the stub lacks it

    def chosen(position):
        index = shuffled(position)
        return partner(index, position) if partner else index

    read = _reader(image_set.images)
    labels = tf.constant(image_set.labels, tf.int32) if with_labels else None

    def prepared_for_training(indices):
        if places is not None:
            indices = tf.gather(places, indices)
        images = tf.ensure_shape(read(indices), (batch_size, *image_set.images.shape[1:]))
        batch = {name: tf.cast(images, tf.float32) / 127.5 - 1.0}
        return batch if labels is None else batch | {"label": tf.gather(labels, indices)}

    return positions.map(chosen).batch(batch_size, drop_remainder=True).map(prepared_for_training)


def labeled_places(image_set, num_labels, seed):
    """Returns the places in a set of the images whose labels a model may read, int (num_labels,):
    as many of each class, drawn with `seed`, those of more labels being those of fewer and others.

    Raises:
      UserError: if there are no labels, or not so many of each class.
    """
    check_labels(image_set)
    names = image_set.label_names
    each, rest = divmod(num_labels, len(names))
    if rest or not each:
        raise UserError(
            f"--num_labels={num_labels} gives {len(names)} classes not as many labels each; give a "
            f"multiple of {len(names)}."
        )
    order = np.random.default_rng(seed).permutation(len(image_set.labels))
    of_classes = [order[image_set.labels[order] == number][:each] for number in range(len(names))]
    for name, chosen in zip(names, of_classes, strict=True):
        if len(chosen) < each:
            raise UserError(
                f"--num_labels={num_labels} takes {each} images of each class, and {name} has "
                f"{len(chosen)}; give at most "
                f"{len(names) * min(map(len, of_classes))}, or add images of it."
            )
    return np.sort(np.concatenate(of_classes))


def check_labels(image_set):
    """Raises UserError unless images have labels."""
    if image_set.labels is None:
        raise UserError(
            "this model learns from labels, and these images have none; give a data set that has, "
            "or a folder with a folder of images per class."
        )


def check_speakers(image_set):
    """Raises UserError unless recordings can be paired by who speaks."""
    speakers.check(image_set.speakers)


def load_target(name, split, shape, data_dir=None):
    """Reads a split of a second data set, its images brought to the shape of the first's.

    Raises:
      UserError: as `load`.
    """
    with _about_target():
        _, frame = shape_and_framing(name, data_dir, shape[0])
        return load(name, split, shape, data_dir, frame)


def common_shape(shape, target, target_dir=None):
    """Returns the (height, width, channels) that images of a first data set and of a second one,
    `target`, are both brought to: the size of the first, and colors if either has them, those of
    gray images in three equal channels.

    Raises:
      UserError: if the second cannot be read, or comes in another size only.
    """
    if not target:
        raise UserError(
            "which second data set? Give --target_dataset=NAME, one of the same classes as the "
            "first, whose labels are not read."
        )
    height, width, channels = shape
    with _about_target():
        known = facts(target, target_dir)
        if known.source == "embedded" and known.image_size != height:
            raise UserError(
                f"--target_dataset={target} has images of {known.image_size}x{known.image_size} "
                f"pixels only, and the first data set's are {height}x{width}; give "
                f"--image_size={known.image_size}, or another target."
            )
        (*_, target_channels), _ = shape_and_framing(target, target_dir, height)
    return height, width, max(channels, target_channels)


@contextlib.contextmanager
def _about_target():
    """While it lasts sentences speak of the flags of the second data set."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace("--data_dir", "--target_data_dir")) from None


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
    "binarized",
    "check_batch_size",
    "check_labels",
    "check_speakers",
    "common_shape",
    "evaluation_split",
    "facts",
    "fingerprint",
    "fixed_binarization",
    "image_shape",
    "labeled_places",
    "listing",
    "load",
    "load_own",
    "load_target",
    "reads_without_tensorflow",
    "shape_and_framing",
    "to_float",
]
