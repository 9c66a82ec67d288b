"""Data sets by name, the batches made of them, the embedded ones, and the cache."""

import dataclasses

import numpy as np
import pytest

from keras_infogan import datasets
from keras_infogan.config import UserError
from keras_infogan.datasets import ImageSet, image_set, sprites


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _numbered(count):
    """Images whose every pixel is the image's number."""
    return ImageSet(
        np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
    )


def _numbers(batches, steps):
    return [
        np.round((batch["image"].numpy()[:, 0, 0, 0] + 1) * 127.5).astype(int)
        for batch in batches.take(steps)
    ]


def test_every_pass_is_a_permutation_of_its_own():
    numbers = _numbers(datasets.batches(_numbered(24), 8, seed=0), 6)
    first, second = (np.concatenate(numbers[start : start + 3]) for start in (0, 3))
    assert sorted(first) == sorted(second) == list(range(24))
    assert not np.array_equal(first, second)


def test_the_remainder_is_dropped():
    numbers = np.concatenate(_numbers(datasets.batches(_numbered(26), 8, seed=0), 3))
    assert len(set(numbers)) == 24


def test_order_depends_on_the_seed():
    orders = [
        np.concatenate(_numbers(datasets.batches(_numbered(24), 8, seed=seed), 3))
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])


@pytest.mark.parametrize("start", [1, 3, 4, 7])
def test_resuming_continues_the_same_batches(start):
    whole = _numbers(datasets.batches(_numbered(26), 8, seed=3), 9)
    resumed = _numbers(datasets.batches(_numbered(26), 8, seed=3, start_step=start), 9 - start)
    assert np.array_equal(whole[start:], resumed)


def test_batches_are_float_in_range():
    image = next(
        iter(
            datasets.batches(
                ImageSet(np.array([0, 255] * 4, np.uint8).reshape(8, 1, 1, 1)), 8, seed=0
            )
        )
    )["image"].numpy()
    assert image.dtype == np.float32
    assert (image.min(), image.max()) == (-1, 1)


@pytest.mark.parametrize("mapped", [False, True])
def test_batches_of_an_array_are_read_without_python(mapped, tmp_path):
    import tensorflow as tf

    data = _numbered(24)
    if mapped:
        np.save(tmp_path / "images.npy", data.images)
        data = ImageSet(np.load(tmp_path / "images.npy", mmap_mode="c"))
    batches = datasets.batches(data, 8, seed=0)
    assert sorted(np.concatenate(_numbers(batches, 3))) == list(range(24))
    graph = tf.raw_ops.DatasetToGraphV2(input_dataset=tf.data.experimental.to_variant(batches))
    assert b"GatherV2" in graph.numpy()
    assert b"PyFunc" not in graph.numpy()


def test_pixels_are_drawn_with_the_gray_level_as_probability_in_parts_as_in_one():
    images = np.linspace(-1, 1, 6, dtype=np.float32).reshape(1, 1, 6, 1).repeat(2000, axis=0)
    drawn, generator = datasets.binarized(images, seed=3), np.random.default_rng(3)
    parts = [datasets.binarized(part, generator) for part in np.split(images, [700])]
    assert np.array_equal(np.concatenate(parts), drawn)
    assert set(np.unique(drawn)) == {-1, 1}
    assert drawn.mean(axis=0) == pytest.approx(images[0], abs=0.1)
    assert np.array_equal(drawn[..., [0, -1], :], images[..., [0, -1], :])


def test_a_fixed_binarization_is_one_of_every_image_whatever_the_order():
    gray = np.random.default_rng(0).integers(0, 256, (1500, 4, 4, 1), dtype=np.uint8)
    data = dataclasses.replace(_numbered(2), images=gray, labels=np.arange(1500), split="train")
    fixed = datasets.fixed_binarization(data)
    assert fixed.split == "train"
    assert np.array_equal(datasets.fixed_binarization(data).images, fixed.images)
    assert fixed.images.mean() == pytest.approx(gray.mean(), abs=3)
    seen = datasets.batches(fixed, 500, seed=2, start_step=1, reads=("image", "label"))
    for batch in seen.take(3):
        expected = datasets.to_float(fixed.images[batch["label"].numpy()])
        assert set(np.unique(expected)) == {-1, 1}
        assert np.array_equal(batch["image"].numpy(), expected)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(
        UserError, match=r"50 images, fewer than one batch of 128; give --batch_size=32"
    ):
        datasets.batches(_numbered(50), 128, seed=0)


def test_digits_are_split_without_overlap():
    train, test = (datasets.load("digits", split, (16, 16, 1)) for split in ("train", "test"))
    assert (len(train.images), len(test.images)) == (1438, 359)
    assert train.images.shape[1:] == (16, 16, 1)
    assert train.images.dtype == np.uint8
    assert not {image.tobytes() for image in train.images} & {
        image.tobytes() for image in test.images
    }
    assert set(train.labels) == set(test.labels) == set(range(10))
    with pytest.raises(UserError, match="no split 'validation'"):
        datasets.load("digits", "validation", (16, 16, 1))


@pytest.mark.parametrize("name", ["sprites", "sprites_32x32"])
def test_sprites_move_with_their_factors(name):
    shape = datasets.image_shape(name)
    data = datasets.load(name, "train", shape)
    assert len(data.images) == len(data.factors) == 737_280
    index = np.ravel_multi_index((1, 3, 0, 16, 16), sprites.FACTOR_SIZES)
    assert data.factors[index] == pytest.approx([1, 0.8, 0, 16 / 31, 16 / 31])

    def center(which):
        image = data.images[[which]][0, ..., 0].astype(float)
        y, x = np.indices(image.shape)
        return np.array([(image * x).sum(), (image * y).sum()]) / image.sum(), image.sum()

    (middle, area), (right, _) = (
        center(index),
        center(np.ravel_multi_index((1, 3, 0, 26, 16), sprites.FACTOR_SIZES)),
    )
    assert right - middle == pytest.approx([10 / 31 * shape[0] * 10 / 16, 0], abs=0.3)
    assert center(np.ravel_multi_index((1, 5, 0, 16, 16), sprites.FACTOR_SIZES))[
        1
    ] / area == pytest.approx((1.0 / 0.8) ** 2, rel=0.1)
    upright = data.images[[np.ravel_multi_index((1, 3, 10, 16, 16), sprites.FACTOR_SIZES)]][
        0, ..., 0
    ].astype(float)
    assert upright.any(axis=1).sum() > upright.any(axis=0).sum(), (
        "a quarter turn stands the ellipse up"
    )


def test_all_sprites_stay_inside_the_image():
    corners = [
        np.ravel_multi_index((shape, 5, turn, x, y), sprites.FACTOR_SIZES)
        for shape in range(3)
        for turn in range(0, 40, 3)
        for x in (0, 31)
        for y in (0, 31)
    ]
    areas = sprites.Sprites(64)[corners].astype(float).sum(axis=(1, 2, 3)).reshape(3, -1)
    assert (areas.std(axis=1) / areas.mean(axis=1)).max() < 0.05, (
        "a shape cut off at an edge would be smaller"
    )


@pytest.mark.parametrize(
    ("name", "size", "part"),
    [
        ("mnits", None, "did you mean 'mnist'"),
        ("digits", 32, "leave out --image_size=32"),
        ("folder", 4, "between 8 and 1024"),
        ("folder", 64, "give --data_dir"),
    ],
)
def test_what_cannot_be_is_told_before_loading(name, size, part):
    with pytest.raises(UserError, match=part):
        datasets.image_shape(name, None, size)


def test_the_cache_decodes_once():
    calls = []

    def decode(images):
        calls.append(1)
        images[:] = 7
        return {"labels": np.array([0, 1, 2]), "label_names": ["a", "b", "c"]}

    for _ in range(2):
        cached = image_set.cached("things", 3, (2, 2, 1), decode)
        assert isinstance(cached.images, np.memmap)
        assert (np.asarray(cached.images) == 7).all()
        assert cached.labels is not None
        assert list(cached.labels) == [0, 1, 2]
        assert cached.label_names == ("a", "b", "c")
    assert len(calls) == 1


def test_an_interrupted_decoding_leaves_nothing_behind(cache):
    def decode(images):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        image_set.cached("things", 3, (2, 2, 1), decode)
    assert list((cache / "keras_infogan").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_one_sentence(cache):
    cache.write_text("a file where the directory should be")
    with pytest.raises(UserError, match="set XDG_CACHE_HOME"):
        image_set.cached("things", 3, (2, 2, 1), lambda images: {})


def _labeled(count, num_classes=3):
    """Images whose every pixel is the image's number, of classes that go round."""
    return dataclasses.replace(
        _numbered(count),
        labels=np.arange(count) % num_classes,
        label_names=tuple("abcdefghij"[:num_classes]),
    )


def _streams(data, start_step=0, steps=6, **more):
    """Returns the numbers and labels of some batches of 8, dicts of arrays."""
    batches = datasets.batches(data, 8, seed=3, start_step=start_step, **more)
    return [
        {
            name: values.numpy()
            if name == "label"
            else np.round((values.numpy()[:, 0, 0, 0] + 1) * 127.5).astype(int)
            for name, values in batch.items()
        }
        for batch in batches.take(steps)
    ]


def test_labels_come_with_their_images_and_only_where_they_are_read():
    data = _labeled(26)
    for batch in _streams(data, reads=("image", "label")):
        assert np.array_equal(batch["label"], batch["image"] % 3)
        assert batch["label"].dtype == np.int32
    assert _streams(data)[0].keys() == {"image"}
    with_labels, without = (
        [batch["image"] for batch in _streams(data, reads=reads)]
        for reads in (("image", "label"), ("image",))
    )
    assert np.array_equal(with_labels, without)


def test_few_labeled_images_come_beside_all_images_and_go_round():
    data, reads = _labeled(26), ("image", "labeled_image", "label")
    places = datasets.labeled_places(data, 6, seed=0)
    batches = _streams(data, reads=reads, labeled=places)
    labeled = np.concatenate([batch["labeled_image"] for batch in batches])
    assert set(labeled) == set(places)
    assert np.bincount(labeled, minlength=26).max() == 8  # 48 rows of 6 images: each alike
    assert all(np.array_equal(batch["label"], batch["labeled_image"] % 3) for batch in batches)
    alone = _streams(data)
    assert all(
        np.array_equal(one["image"], two["image"]) for one, two in zip(batches, alone, strict=True)
    )
    resumed = _streams(data, start_step=4, steps=2, reads=reads, labeled=places)
    for one, two in zip(batches[4:], resumed, strict=True):
        assert all(np.array_equal(one[name], two[name]) for name in reads)


def test_a_second_data_set_comes_beside_the_first():
    target = _numbered(40)
    batches = _streams(_numbered(26), reads=("image", "target_image"), target=target)
    seen = np.concatenate([batch["target_image"] for batch in batches[:5]])
    assert sorted(seen) == list(range(40))
    assert not np.array_equal(batches[0]["image"], batches[0]["target_image"])


@pytest.mark.parametrize("reads", [("image", "label"), ("image", "labeled_image", "label")])
def test_each_worker_reads_its_rows_of_every_stream(reads):
    data = _labeled(26)
    more = {"reads": reads, "labeled": datasets.labeled_places(data, 6, seed=0)}
    whole = _streams(data, steps=4, **more)
    parts = [_streams(data, steps=2, num_workers=2, worker=worker, **more) for worker in range(2)]
    for name in reads:
        rows = [np.concatenate([batch[name] for batch in part]).reshape(4, 4) for part in parts]
        assert np.array_equal(
            np.concatenate(rows, axis=1), np.stack([batch[name] for batch in whole])
        )


def test_the_choice_of_labels_is_balanced_seeded_and_nested():
    data = _labeled(60)
    few, more = (datasets.labeled_places(data, count, seed=1) for count in (6, 30))
    assert np.array_equal(np.bincount(more % 3), [10, 10, 10])
    assert set(few) < set(more)
    assert np.array_equal(few, datasets.labeled_places(data, 6, seed=1))
    assert not np.array_equal(few, datasets.labeled_places(data, 6, seed=2))


@pytest.mark.parametrize(
    ("data", "num_labels", "part"),
    [
        (_numbered(9), 3, "these images have none; give a data set that has"),
        (_labeled(9), 12, "takes 4 images of each class, and a has 3; give at most 9"),
        (_labeled(9), 2, "gives 3 classes not as many labels each; give a multiple of 3"),
        (_labeled(9), 4, "give a multiple of 3"),
        (_labeled(2), 3, "takes 1 images of each class, and c has 0"),
    ],
)
def test_labels_that_cannot_be_chosen_are_one_sentence(data, num_labels, part):
    with pytest.raises(UserError, match=part):
        datasets.labeled_places(data, num_labels, seed=0)
