import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_infogan import augment
from keras_infogan.config import UserError

# A learner whose draws are those of one step.
LEARNER = types.SimpleNamespace(
    draw=lambda function, like, use: function(tf.shape(like)[0], tf.constant([3, use]))
)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (200, 12, 10, 3)).astype(np.float32)


def _changed(text, images=IMAGES):
    changes = augment.parse_changes("changes", text)
    return augment.changed(LEARNER, tf.constant(images), changes, use=1).numpy()


@pytest.mark.parametrize(
    "text",
    [
        "rotate",
        "rotate 181",
        "shift -0.1",
        "turn 3",
        "flip 2",
        "shift 0.1 0.2",
        "scale x",
        "scale nan",
        "rotate 10 shear 1",
        "flip",
    ],
)
def test_what_cannot_be_read_is_named(text):
    with pytest.raises(UserError, match="--changes: cannot read"):
        augment.parse_changes("changes", f"flip, {text}")


@pytest.mark.parametrize(
    "text", ["", "rotate 0, shear 0, scale 0, shift 0", "brightness 0, contrast 0, saturation 0"]
)
def test_no_change(text):
    assert _changed(text) == pytest.approx(IMAGES, abs=1e-5)


def test_flip_mirrors_about_half_of_the_images():
    flipped = _changed("flip")
    same, mirrored = (
        np.abs(flipped - other).max(axis=(1, 2, 3)) < 1e-4 for other in (IMAGES, IMAGES[:, :, ::-1])
    )
    assert (same ^ mirrored).all()
    assert 60 < mirrored.sum() < 140


def _center_and_axis(images):
    """Returns center (batch, 2), in pixels, and direction (batch,), in degrees modulo 180, of the
    bright part of images (batch, height, width).
    """
    weights = (images + 1) / 2
    rows, columns = np.mgrid[: images.shape[1], : images.shape[2]]
    total = weights.sum(axis=(1, 2))
    center = np.stack(
        [(weights * places).sum(axis=(1, 2)) / total for places in (rows, columns)], axis=1
    )
    y, x = rows[None] - center[:, :1, None], columns[None] - center[:, 1:, None]
    moments = [(weights * product).sum(axis=(1, 2)) for product in (x * x, y * y, x * y)]
    return center, np.degrees(0.5 * np.arctan2(2 * moments[2], moments[0] - moments[1])) % 180


BAR = np.full((100, 33, 33, 1), -1.0, np.float32)
BAR[:, 10:23, 15:18] = 1.0  # upright, in the middle


def test_rotation_turns_up_to_its_limit_in_both_directions_about_the_middle():
    center, axis = _center_and_axis(_changed("rotate 20", BAR)[..., 0])
    assert center == pytest.approx(np.full((100, 2), 16), abs=0.1)
    assert -20.5 < (axis - 90).min() < -18
    assert 18 < (axis - 90).max() < 20.5


def test_shift_moves_by_shares_of_the_side():
    center, _ = _center_and_axis(_changed("shift 0.1", BAR)[..., 0])
    moved = center - 16
    assert np.abs(moved).max() <= 3.3 + 0.05
    assert (moved.min(axis=0) < -2.9).all()
    assert (moved.max(axis=0) > 2.9).all()


def test_scale_and_shear_keep_the_middle():
    center, axis = _center_and_axis(_changed("scale 0.2, shear 0.3", BAR)[..., 0])
    assert center == pytest.approx(np.full((100, 2), 16), abs=0.15)
    assert np.ptp(axis) > 20  # a sheared bar leans


def test_aspect_makes_wider_and_as_much_lower():
    square = np.full((64, 40, 40, 1), -1, np.float32)
    square[:, 12:28, 12:28] = 1
    ink = (_changed("aspect 0.3", square) + 1) / 2
    width, height = ink.sum(axis=(2, 3)).max(axis=1), ink.sum(axis=(1, 3)).max(axis=1)
    assert width.max() > 20
    assert width.min() < 13
    assert np.corrcoef(width, height)[0, 1] < -0.9
    assert ink.sum(axis=(1, 2, 3)) == pytest.approx(16 * 16, rel=0.1)


def test_cutout_grays_one_square():
    ones = np.ones((300, 20, 20, 1), np.float32)
    cut = _changed("cutout 0.25", ones)
    assert set(np.unique(cut)) == {0.0, 1.0}
    sizes = (cut == 0).sum(axis=(1, 2, 3))
    assert sizes.max() == 25  # a quarter of the side, squared
    assert sizes.min() < 25  # at the edge less of it is within the image


def test_brightness_and_contrast():
    shift = _changed("brightness 0.5") - IMAGES
    assert np.ptp(shift, axis=(1, 2, 3)).max() < 1e-5
    assert 0.45 < np.abs(shift[:, 0, 0, 0]).max() <= 0.5
    contrast = _changed("contrast 0.5")
    assert contrast.mean(axis=(1, 2, 3)) == pytest.approx(IMAGES.mean(axis=(1, 2, 3)), abs=1e-5)
    factors = contrast.std(axis=(1, 2, 3)) / IMAGES.std(axis=(1, 2, 3))
    assert 0.5 <= factors.min() < 0.55
    assert 1.45 < factors.max() <= 1.5


def _slope(images):
    """Returns by how much images get lighter from the middle to the right edge, (batch,)."""
    places = np.linspace(-1, 1, images.shape[2])
    return images.mean(axis=(1, 3)) @ places / (places @ places)


def test_warmth_and_side_light():
    warmer = _changed("warmth 0.3") - IMAGES
    assert warmer[..., 1] == pytest.approx(np.zeros(warmer.shape[:3]), abs=1e-6)
    assert warmer[..., 0] == pytest.approx(-warmer[..., 2], abs=1e-6)
    assert 0.27 < np.abs(warmer[..., 0]).max() <= 0.3 + 1e-6
    lit = _changed("side_light 0.3") - IMAGES
    assert lit[:, :, 0] == pytest.approx(-lit[:, :, -1], abs=1e-5)
    assert 0.27 < np.abs(_slope(lit)).max() <= 0.3 + 1e-6
    gray = IMAGES[..., :1]
    assert _changed("warmth 0.3", gray) == pytest.approx(gray)


@pytest.mark.parametrize(
    ("change", "strength", "images", "measured"),
    [
        ("brightness", 0.4, IMAGES, lambda images: images.mean(axis=(1, 2, 3))),
        ("warmth", 0.4, IMAGES, lambda images: (images[..., 0] - images[..., 2]).mean((1, 2)) / 2),
        ("side_light", 0.4, IMAGES, _slope),
        ("flip", 1, IMAGES, _slope),
        ("rotate", 15, BAR, lambda images: 90 - _center_and_axis(images[..., 0])[1]),
    ],
)
def test_a_guided_code_is_to_answer_as_what_is_changed_answers(change, strength, images, measured):
    text = "flip" if change == "flip" else f"flip, {change} {strength}"
    if change == "rotate":
        images = _changed("rotate 20", images)
    changes = augment.parse_changes("changes", text)
    strengths = augment.strengths(LEARNER, tf.constant(images), changes, use=1)
    copies = augment.applied(tf.constant(images), changes, strengths).numpy()
    unit = strength / 2
    expected = augment.guided(change, unit, measured(images) / unit, strengths)
    # Bars are measured to a degree, in units of 7.5.
    assert measured(copies) / unit == pytest.approx(np.asarray(expected), abs=0.1)
    assert np.ptp(measured(copies) - measured(images)) > unit / 10


def test_images_are_sampled_as_kerass_affine_transform_does():
    """On images that are not square, a map that turns, shears, scales, shifts and mirrors."""
    maps = np.array(
        [[0.9, 0.3, -2.0, -0.2, 1.1, 3.0, 0, 0], [-1, 0, 9, 0, 1, 4.5, 0, 0]], np.float32
    )
    rows, columns = np.mgrid[:12, :10].astype(np.float32)
    x, y = (
        np.stack([row[0] * columns + row[1] * rows + row[2] for row in part])
        for part in (maps[:, :3], maps[:, 3:6])
    )
    ours = augment._sampled(tf.constant(IMAGES[:2]), tf.constant(y), tf.constant(x))
    theirs = keras.ops.image.affine_transform(
        IMAGES[:2], maps, interpolation="bilinear", fill_mode="reflect", data_format="channels_last"
    )
    assert ours.numpy() == pytest.approx(np.asarray(theirs), abs=1e-5)


def test_gradients_are_those_of_the_change():
    """A change is linear in the image: the gradient of its product with a weight is the adjoint."""
    changes = augment.parse_changes("augmentation", "rotate 20, scale 0.3, shift 0.2, shear 0.2")
    images, other = tf.constant(IMAGES[:50]), tf.constant(IMAGES[50:100])
    with tf.GradientTape() as tape:
        tape.watch(images)
        changed = augment.changed(LEARNER, images, changes, use=1)
        total = tf.reduce_sum(changed * other)
    gradient = np.asarray(tape.gradient(total, images))
    assert (gradient * IMAGES[:50]).sum() == pytest.approx(float(total), rel=1e-3)
    moved = augment.changed(LEARNER, other, changes, use=1)
    along = np.asarray(tf.reduce_sum(moved * other))
    assert (gradient * IMAGES[50:100]).sum() == pytest.approx(float(along), rel=1e-3)


def test_gradients_reach_the_images():
    changes = augment.parse_changes(
        "augmentation",
        "rotate 10, shift 0.1, cutout 0.2, brightness 0.2, contrast 0.2, saturation 0.5, "
        "warmth 0.1, side_light 0.1",
    )
    images = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(augment.changed(LEARNER, images, changes, use=1))
    assert float(tf.norm(tape.gradient(total, images))) > 1
