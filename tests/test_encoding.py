"""Shards of a folder as they are, without the nodes that write them."""

import shutil

import pytest
from PIL import Image

from keras_infogan import encoding
from keras_infogan.config import UserError


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
    directory = tmp_path / "codes"
    directory.mkdir()

    def make(**changes):
        known = {
            "onnx": export / "recognizer.onnx",
            "folder": folder,
            "classes": False,
            "max_image_pixels": None,
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
