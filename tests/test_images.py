import numpy as np
import pytest

from keras_infogan import images
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_codes

SPEC = LatentSpec(Noise(2), parse_codes("kind=categorical(4), slant=uniform"))


def _generate(latents):
    """Draws each latent vector as a plain image: its brightness is the slant."""
    return np.clip(SPEC.unpack(latents)["slant"], -1, 1)[:, :, None, None] * np.ones((1, 8, 8, 1))


def test_range_is_mapped_to_bytes():
    assert images.to_uint8(np.array([-1.0, 0.0, 1.0, 3.0]).reshape(4, 1, 1, 1))[
        :, 0, 0, 0
    ].tolist() == [0, 128, 255, 255]


def test_small_images_are_enlarged_by_a_whole_factor():
    picture = np.asarray(
        images.grid(np.linspace(-1, 1, 6).reshape(6, 1, 1, 1) * np.ones((6, 8, 8, 1)), 3)
    )
    assert picture.shape == (2 * 50 - 2, 3 * 50 - 2, 3)
    assert picture[0, 0, 0] == 0
    assert picture[-1, -1, 0] == 255
    assert (picture[:, 48:50] == 255).all()


def test_an_incomplete_row_is_left_white():
    picture = np.asarray(images.grid(-np.ones((4, 48, 48, 3)), 3))
    assert picture[60, 20, 0] == 0
    assert picture[60, 120, 0] == 255


def test_traversals_have_a_column_per_value():
    pictures = dict(images.traversal_pictures(_generate, SPEC, 3, seed=0, num_columns=9))
    assert set(pictures) == {"kind", "slant"}
    assert pictures["kind"].size == (4 * 50 - 2, 3 * 50 - 2 + 44)
    assert pictures["slant"].size == (9 * 50 - 2, 3 * 50 - 2 + 44)
    pixels = np.asarray(pictures["slant"])
    middles = pixels[44 + 24, 24::50, 0]
    assert middles.tolist() == [0, 0, 0, 64, 128, 191, 255, 255, 255]
    marked = (pixels[40] == (31, 119, 180)).all(axis=-1)
    assert marked[2 * 50 + 24 : 6 * 50 + 24].all(), "-1 to 1 is marked as trained"
    assert not marked[: 2 * 50].any()
    assert not marked[7 * 50 :].any()


def test_the_animation_returns_to_its_start():
    frames = images.traversal_animation(_generate, SPEC, 2, seed=0, num_frames=9)
    assert len(frames) == 9 + 7
    brightness = [np.asarray(frame)[22 + 24, 50 + 24, 0] for frame in frames]
    assert brightness == brightness[:1] + brightness[:0:-1]
    assert len(set(brightness)) > 3


def test_pairs_stand_beside_each_other():
    real, made = -np.ones((3, 8, 8, 1)), np.ones((3, 8, 8, 1))
    picture = np.asarray(images.pairs(real, made, num_columns=2))
    assert picture.shape == (2 * 50 - 2, 4 * 50 - 2, 3)
    assert picture[24, 24::50, 0].tolist() == [0, 255, 0, 255]
    # The rest of the last row is left white.
    assert picture[74, 24::50, 0].tolist() == [0, 255, 255, 255]
    assert images.pairs(real[:1], made[:1]).size == (2 * 50 - 2, 48)


def test_an_interpolation_goes_from_one_draw_to_another():
    picture = np.asarray(images.interpolation(_generate, SPEC, 3, seed=0, num_columns=5))
    assert picture.shape == (3 * 50 - 2, 5 * 50 - 2, 3)
    first, last = np.split(SPEC.unpack(SPEC.sample(6, 0))["slant"][:, 0], 2)
    for row in range(3):
        shown = picture[row * 50 + 24, 24::50, 0]
        assert shown == pytest.approx((np.linspace(first[row], last[row], 5) + 1) * 127.5, abs=1)
