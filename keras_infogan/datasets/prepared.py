"""Image data sets of tensorflow-datasets, found prepared on disk or downloaded after saying so."""

import os
import pathlib
import sys

import numpy as np
from PIL import Image
from tqdm import tqdm

from keras_infogan import config, framing
from keras_infogan.config import UserError
from keras_infogan.datasets.image_set import cached, check_split

# Stored as 0 and 1, not 0 and 255.
_BINARY = ("dsprites", "binarized_mnist")
_CELEB_A_FILES = (
    "img_align_celeba.zip, list_eval_partition.txt, list_attr_celeba.txt, "
    "list_landmarks_align_celeba.txt and identity_CelebA.txt"
)


def is_known(name, data_dir=None):
    """Whether tensorflow-datasets has a data set of this name, or one lies prepared in data_dir.

    Raises:
      UserError: if data_dir lies within such a data set.
    """
    import tensorflow_datasets as tfds

    try:
        tfds.builder_cls(name)
    except (tfds.core.registered.DatasetNotFoundError, ValueError):
        _check_depth(name, data_dir)
        return bool(data_dir) and any(pathlib.Path(data_dir, name).glob("**/dataset_info.json"))
    return True


def _builder(name, data_dir):
    import tensorflow_datasets as tfds

    _check_depth(name, data_dir)
    if not data_dir and "TFDS_DATA_DIR" not in os.environ:
        # Without a home directory tensorflow-datasets would make a folder called ~.
        config.path("~/tensorflow_datasets")
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (AssertionError, ValueError, OSError) as error:
        raise UserError(
            f"tensorflow-datasets cannot open {name}: {str(error).splitlines()[0]}"
        ) from None
    features = builder.info.features
    if not (
        isinstance(features, tfds.features.FeaturesDict)
        and "image" in features
        and isinstance(features["image"], tfds.features.Image)
    ):
        raise UserError(
            f"{name} of tensorflow-datasets has no images under the name 'image'; "
            "give another data set."
        )
    return builder


def _check_depth(name, data_dir):
    """Raises UserError if data_dir lies within the data set that it should hold."""
    if not data_dir:
        return
    inside = pathlib.Path(data_dir)
    for above in (inside, *inside.parents[:2]):
        if above.name == name.split("/")[0] and any(inside.glob("**/dataset_info.json")):
            raise UserError(
                f"--data_dir={inside} is the data set itself; give the folder that it lies in: "
                f"--data_dir={above.parent}."
            )


def _prepared_builder(name, data_dir):
    builder = _builder(name, data_dir)
    if not builder.is_prepared():
        _prepare(name, builder)
    return builder


def channels(name, data_dir):
    """Returns the number of channels that the images are read with: 1 for grey, else 3."""
    return 1 if _builder(name, data_dir).info.features["image"].shape[-1] == 1 else 3


def splits(name, data_dir):
    """Returns the names of the data set's splits, which are known once it is prepared."""
    return tuple(_prepared_builder(name, data_dir).info.splits)


def read(name, split, data_dir, shape, frame):
    """Returns a split with labels or factors where the data set has them."""
    builder = _prepared_builder(name, data_dir)
    check_split(name, split, tuple(builder.info.splits))
    count = builder.info.splits[split].num_examples
    identity = (
        f"{builder.data_dir} "
        f"{pathlib.Path(builder.data_dir, 'dataset_info.json').stat().st_mtime_ns}"
    )
    key = f"{name} {split} {'x'.join(map(str, shape))} {frame} {builder.info.version} {identity}"
    return cached(key, count, shape, lambda images: _decode(name, builder, split, images, frame))


def _prepare(name, builder):
    size = sum(info.size for info in builder.url_infos.values() if info.size)
    print(
        f"{name} is not prepared in {builder.data_dir}: downloading about {size / 2**20:,.0f} MiB "
        "with tensorflow-datasets.",
        file=sys.stderr,
    )
    try:
        builder.download_and_prepare()
    except Exception as error:
        # Whatever fails (network, quota, disk, checksum) is one sentence with the way around it.
        manual = pathlib.Path(builder.data_dir).parents[1] / "downloads" / "manual"
        remedy = (
            f"place {_CELEB_A_FILES} (from the authors' page) in {manual}"
            if name == "celeb_a"
            else f"place the files of its download page in {manual}"
        )
        reason = (
            str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        )
        raise UserError(
            f"{name} could not be downloaded ({type(error).__name__}: {reason}); check the "
            f"network, give --data_dir of prepared data, or {remedy}."
        ) from None


def _decode(name, builder, split, images, frame):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = builder.info.features
    factor_features = _factor_features(features)
    # One class for each image; a list of them, or a label of another kind, is none.
    label = dict(features.items()).get("label")
    label_names = getattr(label, "names", None) if getattr(label, "shape", None) == () else None
    # Arrays from the first: a Python number for each of a million would take its memory.
    labels = np.empty(len(images), np.int64)
    factors, count = np.empty((len(images), len(factor_features)), np.float32), 0
    try:
        # They are read once: small records would all be kept in memory for another time.
        once = tfds.ReadConfig(try_autocache=False)
        records = tfds.as_numpy(
            builder.as_dataset(split=split, shuffle_files=False, read_config=once)
        )
        for record in tqdm(
            records, total=len(images), desc=f"reading {name} {split}", unit="image"
        ):
            images[count] = _prepared(name, record["image"], images.shape[1:], frame)
            if label_names:
                labels[count] = record["label"]
            if factor_features:
                source = record.get("attributes", record)
                factors[count] = [float(source[key]) for key in factor_features]
            count += 1
    except tf.errors.OpError as error:
        raise UserError(
            f"the data of {name} in {builder.data_dir} is damaged "
            f"({error.message.splitlines()[0]}); remove it and prepare it again."
        ) from None
    if count < len(images):
        raise UserError(
            f"the data of {name} in {builder.data_dir} ends after {count} of {len(images)} "
            "images; remove it and prepare it again."
        )
    known = {}
    # In splits without labels tensorflow-datasets has -1 for them.
    if label_names and labels.min(initial=0) >= 0:
        known.update(labels=labels, label_names=label_names)
    if factor_features:
        known.update(
            factors=factors,
            factor_names=[key.removeprefix("value_") for key in factor_features],
        )
    return known


def _factor_features(features):
    """Returns the features that are ground truth: CelebA's attributes, or the values that generated
    an image (dsprites, shapes3d).
    """
    if "attributes" in features and hasattr(features["attributes"], "items"):
        return dict(features["attributes"].items())
    return {key: feature for key, feature in features.items() if key.startswith("value_")}


def _prepared(name, image, shape, frame):
    if name in _BINARY:
        image = image * 255
    if image.shape == tuple(shape) and image.dtype == np.uint8:
        return image
    if image.shape[-1] == 1:
        image = image[..., 0]
    elif image.dtype != np.uint8:
        raise UserError(f"the images of {name} have {image.dtype} colors, which are not read.")
    return framing.prepare(Image.fromarray(image), shape, frame)
