"""Data sets of tensorflow-datasets, on a small one prepared for the test; nothing is downloaded."""

import functools
import os

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from conftest import succeed

from keras_infogan import datasets
from keras_infogan.config import UserError
from keras_infogan.datasets import prepared
from keras_infogan.framing import CELEB_A, CROPPED


class SmallShapes(tfds.core.GeneratorBasedBuilder):
    """Grey images with labels and values."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(24, 20, 1)),
            "label": tfds.features.ClassLabel(names=["low", "high"]),
            "value_level": np.float32,
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(40), "test": self._generate_examples(10)}

    def _generate_examples(self, count):
        for index in range(count):
            yield (
                index,
                {
                    "image": np.full((24, 20, 1), index, np.uint8),
                    "label": int(index >= count / 2),
                    "value_level": float(index),
                },
            )


class SmallSounds(tfds.core.GeneratorBasedBuilder):
    """A data set without images."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"sound": np.float32})
        )

    def _split_generators(self, dl_manager):
        return {"train": iter([(0, {"sound": 0.0})])}

    def _generate_examples(self):
        raise NotImplementedError


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tfds")
    SmallShapes(data_dir=directory).download_and_prepare()
    return directory


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_reads_prepared_data_with_labels_and_factors(data_dir):
    shape = datasets.image_shape("small_shapes", data_dir, 16)
    assert shape == (16, 16, 1)
    data = datasets.load("small_shapes", "train", shape, data_dir)
    assert data.images.shape == (40, 16, 16, 1)
    order = np.argsort(data.factors[:, 0])
    assert np.array_equal(data.images[order][:, 0, 0, 0], np.arange(40))
    assert data.factor_names == ("level",)
    assert data.label_names == ("low", "high")
    assert np.array_equal(data.labels, data.factors[:, 0] >= 20)
    assert len(datasets.load("small_shapes", "test", shape, data_dir).images) == 10


def test_devices_are_chosen_before_anything_is_read(data_dir, tmp_path):
    """What was not read before takes TensorFlow's devices as they are."""
    data = ("--dataset=small_shapes", f"--data_dir={data_dir}", "--image_size=16")
    short = ("--model=autoencoder", "--steps=1", "--batch_size=8", f"--run_dir={tmp_path / 'run'}")
    assert "on 2 devices, step 0 of 1" in succeed("train", *data, *short, "--devices=CPU:0,CPU:1")


def test_an_unknown_split_lists_the_known(data_dir):
    with pytest.raises(UserError, match="no split 'dev'; it has t"):
        datasets.load("small_shapes", "dev", (16, 16, 1), data_dir)


def test_a_data_set_without_images_is_refused(tmp_path):
    with pytest.raises(UserError, match="has no images"):
        datasets.image_shape("small_sounds", tmp_path)


def test_a_failed_download_is_one_sentence(tmp_path, monkeypatch, capsys):
    def fail(self, **kwargs):
        raise ConnectionError("no route to host\nmore lines")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(UserError, match="no route to host") as error:
        datasets.load("celeb_a", "train", (32, 32, 3), tmp_path)
    assert "img_align_celeba.zip" in str(error.value)
    assert "downloads/manual" in str(error.value)
    assert "\n" not in str(error.value)
    assert "downloading about" in capsys.readouterr().err


def test_a_data_set_of_ones_own_is_read_though_nobody_registered_it(tmp_path):
    pixels = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 16, 16, 1), np.uint8)
    tfds.dataset_builders.store_as_tfds_dataset(
        name="my_pictures",
        version="1.0.0",
        data_dir=tmp_path,
        features=tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(16, 16, 1))}),
        split_datasets={
            "train": tf.data.Dataset.from_tensor_slices(pixels).map(lambda image: {"image": image})
        },
    )
    shape, frame = datasets.shape_and_framing("my_pictures", tmp_path, 16)
    data = datasets.load("my_pictures", "train", shape, tmp_path, frame)
    assert sorted(data.images[:, 0, 0, 0]) == list(range(5))
    for inside in ("my_pictures", "my_pictures/1.0.0"):
        with pytest.raises(UserError, match=rf"give the folder .*--data_dir={tmp_path}\."):
            datasets.load("my_pictures", "train", shape, tmp_path / inside)


def test_a_split_without_labels_has_none(tmp_path):
    """There tensorflow-datasets has -1 for each."""
    labels = np.arange(6) % 2
    features = {
        "image": tfds.features.Image(shape=(16, 16, 1)),
        "label": tfds.features.ClassLabel(names=["low", "high"]),
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name="my_pictures",
        version="1.0.0",
        data_dir=tmp_path,
        features=tfds.features.FeaturesDict(features),
        split_datasets={
            split: tf.data.Dataset.from_tensor_slices(given).map(
                lambda label: {"image": tf.zeros((16, 16, 1), tf.uint8), "label": label}
            )
            for split, given in (("train", labels), ("test", labels * 0 - 1))
        },
    )
    read = functools.partial(datasets.load, "my_pictures", shape=(16, 16, 1), data_dir=tmp_path)
    assert sorted(read("train").labels) == [0, 0, 0, 1, 1, 1]
    assert read("test").labels is None


def test_without_a_home_directory_prepared_data_needs_a_place(monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(UserError, match="no known home directory"):
        datasets.load("mnist", "train", (28, 28, 1))


def test_known_names():
    assert prepared.is_known("cifar10")
    assert not prepared.is_known("mnits")


def test_binary_pixels_are_black_and_white():
    assert (
        prepared._prepared(
            "dsprites",
            np.ones((64, 64, 1), np.uint8),
            (64, 64, 1),
            CROPPED,
        ).max()
        == 255
    )


def test_damaged_records_are_one_sentence(tmp_path):
    SmallShapes(data_dir=tmp_path).download_and_prepare()
    record = next(tmp_path.rglob("*train.tfrecord*"))
    record.write_bytes(record.read_bytes()[:-50])
    with pytest.raises(UserError, match="is damaged"):
        datasets.load("small_shapes", "train", (16, 16, 1), tmp_path)


def test_celeb_a_is_cropped_to_the_face():
    image = np.zeros((218, 178, 3), np.uint8)
    image[35:183, 15:163] = 200
    face = prepared._prepared("celeb_a", image, (32, 32, 3), CELEB_A)
    # Lanczos' filter reaches one pixel of the result beyond the crop.
    assert face[1:-1, 1:-1].min() > 195
    assert face.min() > 150
