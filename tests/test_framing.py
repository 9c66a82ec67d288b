"""A picture becomes the same image of a run wherever it comes from."""

import dataclasses
import itertools
import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from keras_infogan import datasets
from keras_infogan.config import UserError
from keras_infogan.datasets import prepared
from keras_infogan.framing import CELEB_A, CROPPED, Framing, is_gray, prepare

SHAPE = (16, 16, 3)
WEB = pathlib.Path(__file__).parents[1] / "export" / "web"


def _ramp(width, height):
    """A color picture that differs in every pixel."""
    y, x = np.indices((height, width))
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("frame", [CROPPED, Framing(middle=148 / 178), Framing(pad=True)])
def test_a_file_and_a_record_become_the_same_image(tmp_path, frame):
    picture = _ramp(178, 218)
    Image.fromarray(picture).save(tmp_path / "a.png")
    from_file = datasets.load("folder", "train", SHAPE, tmp_path, frame).images[0]
    from_record = prepared._prepared("celeb_a", picture, SHAPE, frame)
    assert np.array_equal(from_file, from_record)


def test_the_middle_is_a_share_of_the_shorter_side():
    picture = np.zeros((218, 178, 3), np.uint8)
    picture[35:183, 15:163] = 200  # the middle 148 x 148
    image = prepare(Image.fromarray(picture), SHAPE, CELEB_A)
    assert image[1:-1, 1:-1].min() > 195
    twice = np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)
    larger = prepare(Image.fromarray(twice), SHAPE, CELEB_A)
    assert np.abs(larger.astype(int) - image).max() <= 3, "of a larger copy the same part is kept"


def test_padding_keeps_all_of_a_picture_between_white_bars():
    image = prepare(Image.new("L", (40, 20), 0), (16, 16, 1), Framing(pad=True))
    assert (image[:3] == 255).all()
    assert (image[-3:] == 255).all()
    assert (image[5:11] == 0).all()


def test_the_page_does_the_same(tmp_path):
    """Within 1 of 255: JavaScript's numbers are Pillow's but for the last rounding."""
    node = shutil.which("node")
    if not node:
        pytest.skip("needs Node.js")
    generator, cases, expected = np.random.default_rng(0), [], []
    for size, side, channels, frame in itertools.product(
        [(178, 218), (9, 7), (16, 16), (300, 5)],
        (16, 33),
        (1, 3),
        (CROPPED, CELEB_A, Framing(pad=True)),
    ):
        picture = Image.fromarray(generator.integers(0, 256, (*size[::-1], 3), np.uint8))
        expected.append(prepare(picture, (side, side, channels), frame).ravel())
        rgba = np.asarray(picture.convert("RGBA")).ravel().tolist()
        shape = {"height": side, "width": side, "channels": channels}
        image = {"width": size[0], "height": size[1], "data": rgba}
        cases.append([shape, dataclasses.asdict(frame), image])
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    code = (
        f"import {{ prepare }} from {json.dumps((WEB / 'framing.js').as_uri())};"
        "import { readFileSync } from 'node:fs';"
        f"const cases = JSON.parse(readFileSync({json.dumps(str(tmp_path / 'cases.json'))}));"
        "console.log(JSON.stringify(cases.map((one) => Array.from(prepare(...one)))));"
    )
    printed = subprocess.run(
        [node, "--input-type=module", "-e", code], capture_output=True, text=True, check=True
    ).stdout
    for found, values in zip(json.loads(printed), expected, strict=True):
        difference = np.abs(np.array(found) - values.astype(int))
        assert difference.max() <= 1
        assert difference.mean() < 0.01


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(tmp_path, orientation, ending):
    upright = Image.fromarray(_ramp(40, 32))
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    stored.save(path, exif=exif, quality=95)
    for frame in (CROPPED, Framing(pad=True)):
        with Image.open(path) as image:
            turned = prepare(image, SHAPE, frame)
        # Of a turned one columns are averaged before rows, and JPEG and WebP lose a little.
        difference = np.abs(turned.astype(int) - prepare(upright, SHAPE, frame))
        assert difference.max() <= (1 if ending in ("png", "tif") else 25)


@pytest.mark.parametrize(("size", "edge"), [((1600, 1200), False), ((1601, 1203), True)])
def test_a_large_photo_is_decoded_small_and_hardly_a_pixel_shows_it(tmp_path, size, edge):
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    photo = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    if edge:
        photo.paste((255, 255, 255), (size[0] // 2, 0, *size))
    photo.save(tmp_path / "a.jpg", quality=90)
    with Image.open(tmp_path / "a.jpg") as image:
        quick = prepare(image, SHAPE, CROPPED)
        assert image.width < 1600
    with Image.open(tmp_path / "a.jpg") as image:
        image.load()  # whole
        whole = prepare(image, SHAPE, CROPPED)
    assert np.abs(quick.astype(int) - whole).max() <= 4


@pytest.mark.parametrize(
    ("pixels", "white", "level"),
    [
        (np.full((20, 20), 2048, np.uint16), 4095, 128),
        (np.full((20, 20), 32768, np.uint16), None, 128),
        (np.full((20, 20), 100_000, np.int32), 200_000, 128),
        (np.full((20, 20), 0.25, np.float32), None, 64),
        (np.full((20, 20), 3.0, np.float32), 4, 191),
    ],
)
def test_deep_pixels_have_one_scale(pixels, white, level):
    image = prepare(Image.fromarray(pixels), SHAPE, Framing(white=white))
    assert image.dtype == np.uint8
    assert image.shape == SHAPE
    assert (image == level).all()


def test_a_line_stays_a_line():
    image = prepare(Image.new("L", (3000, 20), 0), (16, 16, 1), Framing(pad=True))
    assert (image == 0).any(axis=(1, 2)).tolist() == [row == 7 for row in range(16)]


@pytest.mark.parametrize(
    ("mode", "tags", "part"),
    [
        ("I;16", {262: 0}, "0 is white in it, with more than 8 bits"),
        ("L", {339: 2}, "signed numbers of 8 bits"),
    ],
)
def test_what_pillow_takes_for_something_else_is_refused(tmp_path, mode, tags, part):
    Image.new(mode, (20, 20), 7).save(tmp_path / "a.tif", tiffinfo=tags)
    with Image.open(tmp_path / "a.tif") as image, pytest.raises(UserError, match=part):
        prepare(image, SHAPE, CROPPED)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (np.nan, "go from nan to nan"),
        (np.inf, "to inf"),
        (-1, "go from -1"),
        (2, "up to 2, and 1 is shown as white (a new run takes another"),
    ],
)
def test_deep_pixels_that_cannot_be_shown_are_refused(value, part):
    with pytest.raises(UserError) as error:
        prepare(Image.fromarray(np.full((20, 20), value, np.float32)), SHAPE, CROPPED)
    assert part in str(error.value)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_transparent_color_of_16_bits_is_white(tmp_path, mode):
    import struct
    import zlib

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    values, color_type = ((0x1234,), 0) if mode == "L" else ((0x1234, 0x5678, 0x9ABC), 2)
    pixel = struct.pack(f">{len(values)}H", *values)
    rows = (b"\0" + pixel * 32) * 32
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 16, color_type, 0, 0, 0))
        + chunk(b"tRNS", pixel)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    with Image.open(tmp_path / "a.png") as image:
        assert (prepare(image, SHAPE, CROPPED) == 255).all()


@pytest.mark.parametrize(
    ("mode", "color", "gray"),
    [
        ("1", 1, True),
        ("LA", (9, 200), True),
        ("I;16", 9, True),
        ("F", 0.5, True),
        ("RGB", (9, 9, 9), False),
        ("CMYK", (9, 9, 9, 9), False),
    ],
)
def test_grey_is_what_the_header_says(mode, color, gray):
    assert is_gray(Image.new(mode, (4, 4), color)) == gray


def test_a_palette_is_grey_if_the_colors_in_use_are():
    image = Image.new("P", (4, 4), 1)
    image.putpalette([255, 0, 0, 7, 7, 7])
    assert is_gray(image)
    image.putpixel((0, 0), 0)
    assert not is_gray(image)


@pytest.mark.parametrize(
    "content",
    [
        {"middle": 0, "pad": False, "white": None},
        {"middle": 1.5, "pad": False, "white": None},
        {"middle": 1, "pad": 1, "white": None},
        {"middle": 1, "pad": False, "white": float("inf")},
        {"middle": "x", "pad": False, "white": None},
        {},
    ],
)
def test_a_damaged_framing_is_noticed(content):
    with pytest.raises(ValueError, match="framing is"):
        Framing.from_json(content)
