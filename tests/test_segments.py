"""What is told of images without a network."""

import numpy as np
import pytest
from PIL import Image

from keras_infogan import segments
from keras_infogan.config import UserError
from keras_infogan.datasets.sprites import Sprites

EXAMPLE = np.zeros((1, 28, 28, 1), np.float32)


def _drawn(*places):
    """Returns an image of strokes, each ((top, bottom), (left, right)), float32 (1, 28, 28, 1)."""
    image = np.full((1, 28, 28, 1), -1, np.float32)
    for (top, bottom), (left, right) in places:
        image[:, top:bottom, left:right] = 1
    return image


def _of_digit(*places):
    found = segments.segmenter("digits", EXAMPLE)(_drawn(*places))
    return {name: mask[0] for name, mask in found.items()}


def test_a_line_has_two_ends_and_a_zero_a_hole():
    line = _of_digit(((4, 24), (12, 15)))
    rows = np.flatnonzero(line["end"].any(axis=1))
    assert {row < 9 or row >= 19 for row in rows} == {True}
    assert {rows.min() < 9, rows.max() >= 19} == {True}
    assert not line["hole"].any()
    assert not line["junction"].any()
    zero = _of_digit(
        ((4, 7), (8, 20)), ((21, 24), (8, 20)), ((4, 24), (8, 11)), ((4, 24), (17, 20))
    )
    assert zero["hole"].sum() == 14 * 6
    assert not zero["end"].any()


def test_strokes_meet_at_a_junction():
    tee = _of_digit(((4, 7), (4, 24)), ((4, 24), (13, 16)))
    rows, columns = np.nonzero(tee["junction"])
    assert rows.mean() == pytest.approx(6, abs=2)
    assert columns.mean() == pytest.approx(14, abs=2)


@pytest.mark.parametrize("kind", ["digits", "sprites", "light"])
def test_halves_are_those_of_what_is_drawn(kind):
    found = segments.segmenter(kind, EXAMPLE)(_drawn(((2, 8), (20, 26))))
    whole, *_ = found.values()
    assert np.array_equal(found["upper half"] | found["lower half"], whole)
    assert not (found["left half"] & found["right half"]).any()
    assert np.flatnonzero(found["upper half"][0].any(axis=1)).tolist() == [2, 3, 4]
    assert np.flatnonzero(found["right half"][0].any(axis=0)).tolist() == [23, 24, 25]
    empty = segments.segmenter(kind, EXAMPLE)(_drawn())
    assert not any(mask.any() for mask in empty.values())


def test_a_sprite_has_an_edge_and_a_place():
    image = Sprites(64)[[0]].astype(np.float32) / 127.5 - 1
    found = segments.segmenter("sprites", image)(image)
    assert found["shape"].sum() == found["edge"].sum() + found["inside"].sum()
    assert found["inside"].any()
    # The first sprite lies in the corner.
    assert found["in the upper left"].sum() == found["shape"].sum()


def test_colors_are_clusters_from_dark_to_light():
    values = np.array([[-1, -1, -1], [0.6, -0.6, -0.6], [-0.2, 0.6, 1], [1, 1, 1]], np.float32)
    image = values[np.arange(64).reshape(1, 8, 8) % 4]
    found = segments.segmenter("colors", image)(image)
    assert list(found) == ["color #000000", "color #cc3333", "color #66ccff", "color #ffffff"]
    for index, mask in enumerate(found.values()):
        assert np.array_equal(mask[0], np.arange(64).reshape(8, 8) % 4 == index)
    faces = segments.segmenter("faces", image)(image)
    assert set(found) < set(faces)
    assert faces["mouth"].any()


def test_the_kind_goes_by_the_data():
    assert segments.kind_of("mnist", 1) == "digits"
    assert segments.kind_of("sprites_32x32", 1) == "sprites"
    assert segments.kind_of("celeb_a", 3) == "faces"
    assert segments.kind_of("folder", 3) == "colors"
    assert segments.kind_of("folder", 1) == "light"
    with pytest.raises(UserError, match="--segments=faces goes by colors, and the images are gray"):
        segments.check("faces", 1)


def test_label_images_teach_what_they_tell_of_real_images(tmp_path):
    """A part that is lighter than the rest, in images that have no label image."""
    images = np.random.default_rng(0).normal(-0.8, 0.05, (6, 16, 16, 1)).astype(np.float32)
    for index, image in enumerate(images):
        image[4:10, index : index + 6] += 1
        labels = np.where(image[..., 0] > -0.3, 7, 0).astype(np.uint8)
        Image.fromarray(labels).save(tmp_path / f"image_{index}.png")
    names = [f"image_{index}.jpg" for index in range(4)] + ["other.jpg"]
    indices, labels = segments.label_images(tmp_path, names, (16, 16))
    assert indices == [0, 1, 2, 3]
    found = segments.learned(images[:4], labels)(images[4:])
    assert list(found) == ["label 7"]
    truth = images[4:, ..., 0] > -0.3
    assert (found["label 7"] == truth).mean() > 0.97


@pytest.mark.parametrize(
    ("picture", "part"),
    [
        (np.ones((16, 15), np.uint8), "expected a label image of 8 bits and 16x16 pixels, as the"),
        (np.ones((16, 16, 3), np.uint8), "received 16x16 in mode RGB"),
        (np.zeros((16, 16), np.uint8), "expected 1 to 12 numbers beside 0, received 0"),
        (None, "has no label image called as one of the 1 images"),
    ],
)
def test_label_images_that_cannot_be_are_one_sentence(picture, part, tmp_path):
    if picture is not None:
        Image.fromarray(picture).save(tmp_path / "image.png")
    with pytest.raises(UserError) as error:
        segments.label_images(tmp_path, ["image.jpg"], (16, 16))
    assert part in str(error.value)
