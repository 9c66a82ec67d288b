"""Shards of a folder as they are, without the nodes that write them."""

import shutil
import zipfile

import numpy as np
import pyarrow
import pytest
from conftest import HereAtOnce, refusal, succeed_here
from PIL import Image
from pyarrow import parquet

from keras_infogan import encoding
from keras_infogan.config import UserError

_COLUMNS = ["image", "slant", "slant_std", "tilt", "tilt_std", "log_likelihood"]


@pytest.fixture
def folder(tmp_path):
    """Five images of other sizes than the model's, and a file that is none."""
    made = tmp_path / "images"
    made.mkdir()
    for number in range(5):
        Image.radial_gradient("L").rotate(30 * number).save(made / f"{number}.png")
    (made / "5.png").write_text("no picture")
    return made


@pytest.fixture
def export(exported_untrained):
    """The directory of an exported VAE, which encodes and has a likelihood of black and white."""
    return exported_untrained("vae")[2]


@pytest.fixture
def shards(export, folder, tmp_path, monkeypatch):
    """A function (**changes of the Source) -> Shards of two images each in the directory codes."""
    monkeypatch.setattr(encoding, "IMAGES_AT_A_TIME", 2)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**7)  # which a task sets for its process
    directory = tmp_path / "codes"
    directory.mkdir()

    def make(**changes):
        known = {
            "onnx": export / "recognizer.onnx",
            "folder": folder,
            "classes": False,
            "max_image_pixels": 10**7,
        }
        return encoding.Shards(encoding.Source(**known | changes), directory)

    return make


def _write_all(shards):
    """Writes the tables as tasks do, and returns their paths."""
    for path in shards._ranges:
        encoding._write(*shards._task(path))
    return list(shards._ranges)


def test_a_directory_takes_no_table_of_a_larger_folder(shards, folder):
    _write_all(shards())
    shards()
    for name in ("4.png", "5.png"):
        (folder / name).unlink()
    with pytest.raises(UserError, match="is of other images, of another model"):
        shards()
    for name in ("part-00000.parquet", "part-00001.parquet"):
        (folder.parent / "codes" / name).unlink()
    with pytest.raises(UserError, match=r"part-00002\.parquet is of other images"):
        shards()


def test_a_directory_takes_tables_of_one_question(shards, export, tmp_path):
    _write_all(shards())
    other = tmp_path / "without_likelihood"
    other.mkdir()
    shutil.copy(export / "recognizer.onnx", other)
    for changes in ({"max_image_pixels": 10**6}, {"onnx": other / "recognizer.onnx"}):
        with pytest.raises(UserError, match="of another model, version or --max_image_pixels"):
            shards(**changes)


def test_tables_of_shards_say_what_one_table_does(shards, export, folder, tmp_path):
    """The likelihood too, for which each image is drawn black and white."""
    (folder / "5.png").unlink()
    tables = map(parquet.read_table, _write_all(shards()))
    alone = tmp_path / "alone.parquet"
    succeed_here(
        "encode", f"--onnx={export / 'recognizer.onnx'}", f"--images={folder}", f"--output={alone}"
    )
    expected, found = parquet.read_table(alone), pyarrow.concat_tables(tables)
    assert found.schema.equals(expected.schema)
    assert found.column_names == _COLUMNS
    for name in found.column_names[1:]:
        np.testing.assert_allclose(found.column(name), expected.column(name), rtol=1e-4)
    assert len(set(found.column("log_likelihood").to_pylist())) == 5


def test_a_table_that_cannot_be_written_keeps_no_other_back(shards, folder, tmp_path, capsys):
    begun, image = shards(), folder / "2.png"
    directory = tmp_path / "codes"
    (directory / ".writing_elsewhere_1_part-00000.parquet").touch()
    (directory / ".writing_elsewhere_1_else").touch()
    image.rename(tmp_path / "2.png")
    with pytest.raises(UserError, match=r"1 of 3 tables, first .*part-00001.* \(.*No such file"):
        begun.finish(HereAtOnce())
    parts = ["part-00000.parquet", "part-00002.parquet"]
    assert sorted(path.name for path in directory.iterdir()) == [
        ".writing_elsewhere_1_else",
        *parts,
    ]
    (tmp_path / "2.png").rename(image)
    assert shards().finish(HereAtOnce()) == 1
    assert "5 of 6 images have a row, in 3 tables." in capsys.readouterr().out
    assert (directory / "unreadable_images.txt").read_text().startswith("5.png (it is none of")


def test_a_shard_without_a_readable_image_has_no_rows(shards, folder):
    for number in range(5):
        (folder / f"{number}.png").unlink()
    begun = shards()
    (path,) = _write_all(begun)
    table = parquet.read_table(path)
    assert table.column_names == _COLUMNS
    assert len(table) == 0
    assert begun._report() == 1


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (["--images="], "give --onnx=FILE, --images=FOLDER and --output=DIR"),
        (["--images=images.zip"], "images.zip is a zip file"),
        (["--split=test"], "--split is not for --ray"),
        (["--provider=cuda"], "leave out --provider"),
    ],
)
def test_bad_input_of_encode_is_one_sentence(export, folder, tmp_path, change, part):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.write(folder / "0.png", "0.png")
    change = [text.replace("images.zip", str(tmp_path / "images.zip")) for text in change]
    places = (
        f"--onnx={export / 'recognizer.onnx'}",
        f"--images={folder}",
        f"--output={tmp_path / 'codes'}",
    )
    assert part in refusal("encode", "--ray=localhost:1", *places, *change)
    assert not (tmp_path / "codes").exists()
