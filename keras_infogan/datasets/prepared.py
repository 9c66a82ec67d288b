"""Image data sets of tensorflow-datasets, found prepared on disk or downloaded after saying so."""

import pathlib
import sys

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from keras_infogan.config import UserError
from keras_infogan.datasets.image_set import cached, check_split

# Faces fill the middle of CelebA's aligned 218x178 images: the usual square crop.
_CELEB_A_CROP = 148
# Stored as 0 and 1, not 0 and 255.
_BINARY = ("dsprites", "binarized_mnist")
_CELEB_A_FILES = (
    "img_align_celeba.zip, list_eval_partition.txt, list_attr_celeba.txt, "
    "list_landmarks_align_celeba.txt and identity_CelebA.txt"
)


def is_known(name):
    """Whether tensorflow-datasets has a data set of this name."""
    import tensorflow_datasets as tfds

    try:
        tfds.builder_cls(name)
    except (tfds.core.registered.DatasetNotFoundError, ValueError):
        return False
    return True


def _builder(name, data_dir):
    import tensorflow_datasets as tfds

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


def read(name, split, data_dir, shape):
    """Returns a split with labels or factors where the data set has them; images are cropped to the
    middle square and resized.
    """
    builder = _prepared_builder(name, data_dir)
    check_split(name, split, tuple(builder.info.splits))
    count = builder.info.splits[split].num_examples
    identity = (
        f"{builder.data_dir} "
        f"{pathlib.Path(builder.data_dir, 'dataset_info.json').stat().st_mtime_ns}"
    )
    key = f"{name} {split} {'x'.join(map(str, shape))} {builder.info.version} {identity}"
    return cached(key, count, shape, lambda images: _decode(name, builder, split, images))


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


def _decode(name, builder, split, images):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    features = builder.info.features
    factor_features = _factor_features(features)
    labels, factors, count = [], [], 0
    try:
        records = tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False))
        for record in tqdm(
            records, total=len(images), desc=f"reading {name} {split}", unit="image"
        ):
            images[count] = _fit(name, record["image"], images.shape[1:])
            count += 1
            if "label" in features:
                labels.append(record["label"])
            if factor_features:
                source = record.get("attributes", record)
                factors.append([float(source[key]) for key in factor_features])
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
    if labels and np.ndim(labels[0]) == 0 and hasattr(features["label"], "names"):
        known.update(labels=np.array(labels, np.int64), label_names=features["label"].names)
    if factors:
        known.update(
            factors=np.array(factors, np.float32),
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


def _fit(name, image, shape):
    if name in _BINARY:
        image = image * 255
    if image.shape == tuple(shape):
        return image
    image = np.squeeze(image, axis=-1) if image.shape[-1] == 1 else image[..., :3]
    picture = Image.fromarray(image.astype(np.uint8))
    if name == "celeb_a":
        left, top = (picture.width - _CELEB_A_CROP) // 2, (picture.height - _CELEB_A_CROP) // 2
        picture = picture.crop((left, top, left + _CELEB_A_CROP, top + _CELEB_A_CROP))
    picture = picture.convert("L" if shape[-1] == 1 else "RGB")
    resized = ImageOps.fit(picture, (shape[1], shape[0]), Image.Resampling.LANCZOS)
    return np.asarray(resized).reshape(shape)
