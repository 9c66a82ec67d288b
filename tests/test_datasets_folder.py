"""A user's own images, in every shape they come in."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from keras_infogan import datasets
from keras_infogan.config import UserError
from keras_infogan.datasets import folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def images(tmp_path):
    directory = tmp_path / "images"
    directory.mkdir()
    return directory


def _left_right(mode, size=(40, 40)):
    """An image whose left half is dark and whose right half is bright."""
    image = Image.new("L", size, 40)
    image.paste(200, (size[0] // 2, 0, *size))
    return image.convert(mode)


def _load(path, size=16):
    shape = datasets.image_shape("folder", path, size)
    return datasets.load("folder", "train", shape, path)


@pytest.mark.parametrize(
    ("name", "mode", "channels"),
    [
        ("a.png", "L", 1),
        ("a.png", "1", 1),
        ("a.png", "RGB", 3),
        ("a.png", "RGBA", 3),
        ("a.png", "LA", 1),
        ("a.png", "P", 3),
        ("a.jpg", "L", 1),
        ("a.JPEG", "RGB", 3),
        ("a.jpg", "CMYK", 3),
        ("a.webp", "RGB", 3),
        ("a.bmp", "RGB", 3),
        ("a.gif", "P", 3),
        ("a.tiff", "RGB", 3),
    ],
)
def test_reads_every_format(images, name, mode, channels):
    _left_right(mode).save(images / name)
    data = _load(images)
    assert data.images.shape == (1, 16, 16, channels)
    assert data.files == (name,)
    left, right = data.images[0, :, :6].mean(), data.images[0, :, -6:].mean()
    expected = (0, 255) if mode == "1" else (40, 200)
    assert (left, right) == pytest.approx(expected, abs=120 if mode == "1" else 12)
    assert right - left > 100


def test_sixteen_bits_are_scaled_not_cut(images):
    Image.fromarray(np.full((20, 20), 32768, np.uint16)).save(images / "deep.png")
    data = _load(images)
    assert data.images.shape[-1] == 1
    assert data.images[0].mean() == pytest.approx(127.5, abs=1)


def test_transparent_parts_are_white(images):
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(images / "clear.png")
    paletted = Image.new("P", (20, 20), 0)
    paletted.save(images / "palette.png", transparency=0)
    assert _load(images).images.min() == 255


def test_exif_rotation_is_applied(images):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate a quarter clockwise to view: left becomes top
    _left_right("RGB").save(images / "turned.jpg", exif=exif)
    image = _load(images).images[0].astype(float)
    assert image[:6].mean() < image[-6:].mean() - 100


def test_mixed_sizes_are_cropped_to_the_middle(images):
    wide = Image.new("L", (90, 30), 0)
    wide.paste(255, (30, 0, 60, 30))
    wide.save(images / "wide.png")
    _left_right("L", (7, 9)).save(images / "tiny.png")
    (images / "nested" / "deeper").mkdir(parents=True)
    _left_right("L").save(images / "nested" / "deeper" / "c.png")
    data = _load(images)
    assert data.files == ("nested/deeper/c.png", "tiny.png", "wide.png")
    assert data.images[2].min() > 240, "the middle square of the wide image is white"


def test_a_zip_is_a_folder(images, tmp_path):
    for name in ("a.png", "b.png"):
        _left_right("RGB").save(images / name)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in ("a.png", "b.png"):
            archive.write(images / name, f"photos/{name}")
        archive.writestr("__MACOSX/photos/._a.png", b"nothing")
    data = _load(tmp_path / "images.zip")
    assert data.files == ("photos/a.png", "photos/b.png")
    assert np.array_equal(data.images, _load(images).images)


def test_all_broken_files_are_named(images):
    _left_right("RGB").save(images / "good.png")
    (images / "text.png").write_text("not an image")
    _left_right("RGB", (400, 400)).save(images / "cut.jpg")
    (images / "cut.jpg").write_bytes((images / "cut.jpg").read_bytes()[:900])
    (images / "gone.png").symlink_to(images / "nowhere.png")
    with pytest.raises(UserError, match="3 of 4 images") as error:
        _load(images)
    assert all(name in str(error.value) for name in ("text.png", "cut.jpg", "gone.png"))


@pytest.mark.parametrize("damage", ["deflate", "password"])
def test_a_damaged_zip_is_one_sentence(images, tmp_path, damage):
    _left_right("RGB", (200, 200)).save(images / "a.bmp")
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(images / "a.bmp", "a.bmp")
    content = bytearray(path.read_bytes())
    if damage == "deflate":
        content[60:80] = b"\xff" * 20
    else:
        content[6] |= 1
        content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"1 of 1 images .*a\.bmp"):
        _load(path)


def test_a_fingerprint_tells_images_apart_but_not_places(images, tmp_path):
    _left_right("L").save(images / "a.png")
    first = datasets.fingerprint("folder", images)
    images.rename(tmp_path / "moved")
    assert datasets.fingerprint("folder", tmp_path / "moved") == first
    _left_right("L").save(tmp_path / "moved" / "b.png")
    assert datasets.fingerprint("folder", tmp_path / "moved") != first
    assert datasets.fingerprint("digits") is None


def test_other_files_are_reported(images, capsys):
    _left_right("L").save(images / "a.png")
    (images / "notes.csv").write_text("a,b")
    _load(images)
    assert "1 files are not images and are left out, notes.csv the first" in capsys.readouterr().err


def test_a_changed_folder_is_read_again(images):
    _left_right("L").save(images / "a.png")
    assert len(_load(images).images) == 1
    _left_right("L").save(images / "b.png")
    assert len(_load(images).images) == 2


@pytest.mark.parametrize(
    ("path", "part"), [("nowhere", "not there"), ("", "holds no image"), ("notes.txt", "neither")]
)
def test_a_folder_without_images_is_one_sentence(images, path, part):
    if path == "notes.txt":
        (images / path).write_text("hello")
    with pytest.raises(UserError, match=part):
        folder.channels(images / path if path else images)


def _write_factors(folder, *lines):
    (folder / "factors.csv").write_text("\n".join(lines) + "\n")


def test_reads_factors_that_lie_beside_the_images(images, capsys):
    (images / "more").mkdir()
    for name in ("b.png", "more/a.png", "more/b.png"):
        _left_right("L").save(images / name)
    _write_factors(images, "file,turn,light", "more/b.png,3,0.5", "a.png,-1,0", "b.png,2,1e-1")
    data = _load(images)
    assert data.files == ("b.png", "more/a.png", "more/b.png")
    assert data.factor_names == ("turn", "light")
    assert data.factors.tolist() == np.array([[2, 0.1], [-1, 0], [3, 0.5]], np.float32).tolist()
    assert "left out" not in capsys.readouterr().err
    _write_factors(images, "file,turn", "more/b.png,7", "a.png,8", "b.png,9")
    assert _load(images).factors[:, 0].tolist() == [9, 8, 7], (
        "factors are read anew, not from the cache"
    )


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (["name,turn", "a.png,1"], "its first line must be 'file'"),
        (["file"], "its first line must be 'file'"),
        (["file,turn", "a.png,left"], "could not convert"),
        (["file,turn", "b.png,1"], "for 1 of 1 images, a.png the first"),
        (["file,turn", "a.png,1,2"], "no row of 1 finite numbers"),
        (["file,turn", "a.png,nan"], "no row of 1 finite numbers"),
        (["file,turn", "a.png,1e39"], "no row of 1 finite numbers"),
        ([""], "cannot read"),
    ],
)
def test_factors_that_cannot_be_read_are_one_sentence(images, lines, part):
    _left_right("L").save(images / "a.png")
    _write_factors(images, *lines)
    with pytest.raises(UserError, match=r"factors\.csv") as error:
        _load(images)
    assert part in str(error.value)
    assert len(str(error.value).splitlines()) == 1
