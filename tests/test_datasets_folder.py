"""A user's own images, in every shape they come in."""

import dataclasses
import errno
import json
import os
import shutil
import struct
import unicodedata
import zipfile

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from keras_infogan import datasets
from keras_infogan.config import UserError
from keras_infogan.datasets import folder
from keras_infogan.framing import Framing


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
    shape, frame = datasets.shape_and_framing("folder", path, size)
    return datasets.load("folder", "train", shape, path, frame)


@pytest.mark.parametrize(
    ("name", "mode", "channels"),
    [
        ("a.png", "L", 1),
        ("a.png", "1", 1),
        ("a.png", "RGB", 3),
        ("a.png", "RGBA", 3),
        ("a.png", "LA", 1),
        ("a.png", "P", 1),
        ("a.jpg", "L", 1),
        ("a.JPEG", "RGB", 3),
        ("a.jpg", "CMYK", 3),
        ("a.webp", "RGB", 3),
        ("a.bmp", "RGB", 3),
        ("a.gif", "P", 1),
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

    def fingerprint(path):
        return datasets.fingerprint(datasets.listing("folder", path))

    first = fingerprint(images)
    images.rename(tmp_path / "moved")
    assert fingerprint(tmp_path / "moved") == first
    _left_right("L").save(tmp_path / "moved" / "b.png")
    assert fingerprint(tmp_path / "moved") != first
    assert datasets.fingerprint(datasets.listing("digits")) is None


@pytest.mark.parametrize(
    ("error", "is_of_the_image"),
    [
        (OSError("image file is truncated"), True),
        (OSError(errno.EINVAL, "a seek to before the file"), True),
        (PermissionError(errno.EACCES, "may not be read"), True),
        (OSError(errno.EIO, "the disk does not answer"), False),
        (OSError(errno.EMFILE, "too many open files"), False),
        (MemoryError(), False),
    ],
)
def test_part_of_a_folder_tells_a_broken_image_from_a_broken_disk(
    images, monkeypatch, error, is_of_the_image
):
    Image.new("L", (8, 8)).save(images / "a.png")
    stamps, labels = folder.stamps(images)
    assert labels is None
    monkeypatch.setattr(folder.framing, "prepare", lambda *arguments: _raise(error))
    if is_of_the_image:
        read, readable, unreadable = folder.read_some(images, stamps, (8, 8, 1), Framing())
        assert (len(read), readable, list(unreadable)) == (0, [False], ["a.png"])
    else:
        with pytest.raises(type(error)):
            folder.read_some(images, stamps, (8, 8, 1), Framing())


def _raise(error):
    raise error


def test_part_of_a_folder_names_no_image_broken_that_has_gone(images):
    Image.new("L", (8, 8)).save(images / "a.png")
    stamps, _ = folder.stamps(images)
    (images / "a.png").unlink()
    with pytest.raises(FileNotFoundError):
        folder.read_some(images, stamps, (8, 8, 1), Framing())


def test_other_files_are_reported(images, capsys):
    _left_right("L").save(images / "a.png")
    (images / "notes.csv").write_text("a,b")
    _load(images)
    assert "1 files are of kinds that are not read and are left out: 1 .csv" in (
        capsys.readouterr().err
    )


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
        folder.survey(images / path if path else images)


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
        (["file,turn", "a.png,left"], "line 2 has 'left' for turn"),
        (["file,turn", "b.png,1"], "no row for 1 of 1 images: a.png"),
        (["file,turn", "a.png,1,2"], "line 2 has 2 numbers for the 1 factors"),
        (["file,turn", "", "a.png,"], "line 3 has '' for turn"),
        (["file,turn", "a.png,nan"], "line 2 has 'nan' for turn"),
        (["file,turn", "a.png,1e39"], "line 2 has '1e39' for turn"),
        (["file,turn,turn", "a.png,1,2"], "column 'turn' stands twice"),
        (["", "file,turn", "a.png,x"], "line 3 has 'x' for turn"),
        (["file,turn", "a.png,1_000"], "line 2 has '1_000' for turn"),
        (["file;turn;tilt", "a.png;1.234;0,5"], "hold commas and points"),
        (["file,turn", "a.jpg,1"], "Of no image are a.jpg (line 2)"),
        (["file,turn", "a.png,1", "a.png,2"], "two different rows for a.png"),
        (["file,turn", "a.png,1", "./a.png,2"], "two different rows for ./a.png"),
        ([""], "it is empty"),
    ],
)
def test_factors_that_cannot_be_read_are_one_sentence(images, lines, part):
    _left_right("L").save(images / "a.png")
    _write_factors(images, *lines)
    with pytest.raises(UserError, match=r"factors\.csv") as error:
        _load(images)
    assert part in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("separator", "names", "number"),
    [
        (",", "{}", "0.5"),
        (";", "{}", "0,5"),
        ("\t", "./{}", "0.5"),
        (",", "sub\\..\\{}", "0.5"),
        (";", '"{}"', "0,5;"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_tables_as_other_programs_write_them(images, separator, names, number, encoding):
    for name in ("a.png", "b.png"):
        _left_right("L").save(images / name)
    header = ["file", "turn" + separator * number.endswith(separator)]
    rows = [header, *([names.format(name), number] for name in ("a.png", "b.png"))]
    text = "".join(separator.join(row) + "\r\n" for row in rows)
    (images / "Factors.csv").write_bytes(f"\r\n{text}".encode(encoding))
    data = _load(images)
    assert data.factor_names == ("turn",)
    assert data.factors.tolist() == [[0.5], [0.5]]


def test_a_table_names_files_in_either_form_of_unicode(images):
    _left_right("L").save(images / unicodedata.normalize("NFD", "müde.png"))
    _write_factors(images, "file,turn", unicodedata.normalize("NFC", "müde.png") + ",3")
    assert _load(images).factors.tolist() == [[3]]


def test_rows_without_an_image_are_said(images, capsys):
    _left_right("L").save(images / "a.png")
    _write_factors(images, "file,turn", "a.png,1", "b.png,2")
    assert _load(images).factors.tolist() == [[1]]
    assert "1 rows are of no image here: b.png (line 3)" in capsys.readouterr().err


def test_a_wrapped_zip_keeps_its_table(images, tmp_path):
    _left_right("L").save(images / "a.png")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.write(images / "a.png", "photos/a.png")
        archive.writestr("photos/factors.csv", "file,turn\na.png,4\n")
    assert _load(tmp_path / "images.zip").factors.tolist() == [[4]]


def test_a_table_that_lies_elsewhere_is_said(images, capsys):
    _left_right("L").save(images / "a.png")
    (images / "notes").mkdir()
    (images / "notes" / "factors.csv").write_text("file,turn\na.png,4\n")
    assert _load(images).factors is None
    assert "notes/factors.csv is one of them" in capsys.readouterr().err


def test_what_is_hidden_or_of_a_system_is_left_out(images, capsys):
    for name in (
        "a.png",
        "._a.png",
        ".ipynb_checkpoints/a.png",
        "@eaDir/a.png",
        "$RECYCLE.BIN/a.png",
    ):
        (images / name).parent.mkdir(exist_ok=True)
        _left_right("L").save(images / name)
    assert _load(images).files == ("a.png",)
    assert "4 hidden files" in capsys.readouterr().err


def test_a_hidden_link_takes_nothing_from_a_folder(images):
    for name in ("dogs/1.png", "cats/1.png", "lost+found/1.png"):
        (images / name).parent.mkdir()
        _left_right("L").save(images / name)
    (images / ".current").symlink_to(images / "dogs")
    (images / "a link").symlink_to(images / "cats")
    assert _load(images).label_names == ("cats", "dogs")


def test_a_folder_of_hidden_files_is_not_called_empty(images):
    _left_right("L").save(images / ".a.png")
    with pytest.raises(UserError, match="no other file, 1 hidden"):
        _load(images)


def test_names_in_a_zip_are_brought_to_one_form(images, tmp_path):
    _left_right("L").save(images / "a.png")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in ("./top/cats/1.png", "top\\dogs\\2.png", "/top/dogs/3.png"):
            archive.write(images / "a.png", name)
        archive.writestr("__MACOSX\\top\\._1.png", b"nothing")
        archive.writestr("top\\factors.csv", "file,turn\n1.png,1\n2.png,2\n3.png,3\n")
    data = _load(tmp_path / "images.zip")
    assert data.files == ("top/cats/1.png", "top/dogs/2.png", "top/dogs/3.png")
    assert data.label_names == ("cats", "dogs")
    assert data.factors[:, 0].tolist() == [1, 2, 3]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_in_a_zip_are_refused(images, tmp_path):
    _left_right("L").save(images / "a.png")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in ("a.png", "./a.png"):
            archive.write(images / "a.png", name)
    with pytest.raises(UserError, match=r"holds a\.png twice"):
        _load(tmp_path / "images.zip")


@pytest.mark.parametrize(("place", "content"), [(6, b"\x63"), (8, b"\x00\x08"), (24, b"\xff\xff")])
def test_an_odd_zip_is_one_sentence(images, tmp_path, place, content):
    _left_right("L").save(images / "a.png")
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(images / "a.png", "\u00fc.png")
    data = bytearray(path.read_bytes())
    start = data.rindex(b"PK\x01\x02")
    data[start + place : start + place + len(content)] = content
    name = data.index("\u00fc".encode(), start)
    data[name : name + 2] = b"\xff\xfe"
    path.write_bytes(data)
    with pytest.raises(UserError) as error:
        _load(path)
    assert str(path) in str(error.value)


def test_what_a_terminal_would_obey_is_written_out(images):
    (images / "n\n\x1b[31mx.png").write_bytes(b"")
    with pytest.raises(UserError) as error:
        _load(images)
    assert "n\\n\\x1b[31mx.png" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_linked_folders_are_followed_once(images, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for path in (images / "a.png", tmp_path / "elsewhere" / "b.png"):
        _left_right("L").save(path)
    (images / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(images)
    (images / "self").symlink_to(images)
    assert _load(images).files == ("a.png", "linked/b.png")


def test_folders_of_kinds_are_labels(images, capsys):
    for name in ("dots/1.png", "bars/1.png", "bars/more/2.png"):
        (images / name).parent.mkdir(exist_ok=True, parents=True)
        _left_right("L").save(images / name)
    data = _load(images)
    assert data.label_names == ("bars", "dots")
    assert data.labels.tolist() == [0, 0, 1]
    assert "taken as labels for scores" in capsys.readouterr().err
    _left_right("L").save(images / "loose.png")
    assert _load(images).labels is None


def test_further_pictures_in_a_file_are_said_every_time(images, capsys):
    pages = [_left_right("L") for _ in range(5)]
    pages[0].save(images / "stack.tif", save_all=True, append_images=pages[1:])
    for _ in range(2):
        assert len(_load(images).images) == 1
        assert (
            "the first is read and 4 are left out; save them as single files"
            in capsys.readouterr().err
        )


def test_deep_images_of_a_folder_share_one_scale(images, capsys):
    for name, value in (("dim.png", 300), ("bright.png", 4000)):
        Image.fromarray(np.full((20, 20), value, np.uint16)).save(images / name)
    shape, frame = datasets.shape_and_framing("folder", images, 16)
    assert frame.white == 4095
    assert "go up to 4000; 4,095 is shown as white" in capsys.readouterr().err
    bright, dim = datasets.load("folder", "train", shape, images, frame).images[:, 0, 0, 0]
    assert (bright, dim) == (249, 19)
    datasets.load("folder", "train", shape, images, dataclasses.replace(frame, white=None))
    assert "2 images have more than 8 bits, and those of the run had none" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("pixels", "part"),
    [
        ([np.full((9, 9), 70_000, np.int32)], "go up to 70000, and white is not known"),
        (
            [np.full((9, 9), 0.5, np.float32), np.full((9, 9), 9, np.uint16)],
            "mixes whole numbers of more than 8 bits (1.tif) and floating-point ones (0.tif)",
        ),
    ],
)
def test_a_scale_that_cannot_be_known_is_asked_for(images, pixels, part):
    for number, array in enumerate(pixels):
        Image.fromarray(array).save(images / f"{number}.tif")
    with pytest.raises(UserError) as error:
        datasets.shape_and_framing("folder", images, 16)
    assert part in str(error.value)
    assert "--white" in str(error.value)
    assert datasets.shape_and_framing("folder", images, 16, white=1e6)[1].white == 1e6


def test_a_stated_maximum_is_the_scale(images):
    (images / "a.pgm").write_bytes(b"P5 20 20 1023\n" + np.full(400, 60, ">u2").tobytes())
    Image.fromarray(np.full((20, 20), 3000, np.uint16)).save(images / "b.png")
    assert _load(images).images[:, 0, 0, 0].tolist() == [15, 12]


def test_what_loses_bits_or_comes_out_black_is_said(images, capsys):
    Image.fromarray(np.ones((20, 20), np.float32)).save(images / "a.tif")
    frame = Framing(white=4095.0)
    assert datasets.load("folder", "train", (16, 16, 1), images, frame).images.max() == 0
    assert "1 images of more than 8 bits came out black or white all over; look at --white" in (
        capsys.readouterr().err
    )


def test_odd_metadata_are_no_concern(images):
    entries = struct.pack("<HHIHxx", 0x0112, 3, 1, 6) + struct.pack("<HHI4s", 0x011A, 2, 3, b"72")
    # The second is a resolution as text, as some programs write it.
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    _left_right("RGB").save(images / "odd.jpg", exif=exif)
    text = PngImagePlugin.PngInfo()
    text.add_itxt("workflow", "x" * 1_500_000, zip=True)
    _left_right("RGB").save(images / "long.png", pnginfo=text)
    long, odd = _load(images).images.astype(float)
    assert long[:, :6].mean() < long[:, -6:].mean() - 100
    assert odd[:6].mean() < odd[-6:].mean() - 100, "it is turned"


def test_only_known_formats_are_opened(images):
    """Pillow starts Ghostscript for an EPS file, whatever it is called."""
    _left_right("RGB").save(images / "logo.png", "EPS")
    with pytest.raises(UserError, match=r"logo\.png \(it is none of PNG, JPEG"):
        _load(images)


def test_too_large_pictures_are_refused_by_their_header(images, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    _left_right("L", (40, 26)).save(images / "a.png")
    with pytest.raises(UserError, match="40 x 26 pixels, more than --max_image_pixels=1000"):
        _load(images)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(8001))
    with pytest.raises(UserError, match="8,001 bytes, more than the 8,000"):
        _load(tmp_path / "bomb.zip")


def test_a_pipe_among_the_files_is_broken_and_not_waited_for(images):
    _left_right("L").save(images / "a.png")
    os.mkfifo(images / "b.png")
    with pytest.raises(UserError, match=r"b\.png \(it cannot be reached, or is no regular file"):
        _load(images)


def test_a_long_list_goes_into_a_file(images, tmp_path):
    for number in range(9):
        (images / f"{number}.png").write_bytes(b"")
    with pytest.raises(UserError, match="9 of 9 images") as error:
        _load(images)
    assert "4.png" in str(error.value)
    assert "5.png" not in str(error.value)
    path = tmp_path / "cache" / "keras_infogan" / "unreadable_images.txt"
    assert str(path) in str(error.value)
    assert len(path.read_text().splitlines()) == 9


@pytest.mark.parametrize(
    "damage", ["cut", "zeros", "type", "header", "facts", "names", "nothing", "a file"]
)
def test_a_damaged_cache_is_made_anew(images, tmp_path, capsys, damage):
    _left_right("L").save(images / "a.png")
    first = np.array(_load(images).images)
    (entry,) = (tmp_path / "cache" / "keras_infogan").iterdir()
    pixels = entry / "images.npy"
    if damage == "cut":
        pixels.write_bytes(pixels.read_bytes()[:200])
    elif damage == "zeros":
        np.save(pixels, np.zeros_like(first))
    elif damage == "type":
        np.save(pixels, first.astype(float))
    elif damage == "header":
        pixels.write_bytes(pixels.read_bytes().replace(b"}", b"(", 1))
    elif damage == "facts":
        (entry / "facts.json").write_text("{}")
    elif damage == "names":
        facts = json.loads((entry / "facts.json").read_text())
        (entry / "facts.json").write_text(json.dumps(facts | {"files": ["b.png", "c.png"]}))
    elif damage == "a file":
        shutil.rmtree(entry)
        entry.write_text("")
    else:
        pixels.unlink()
    assert np.array_equal(_load(images).images, first)
    assert "is damaged" in capsys.readouterr().err
    assert np.array_equal(_load(images).images, first)
    assert capsys.readouterr().err == ""
