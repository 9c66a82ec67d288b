import csv

import numpy as np
import pytest
from conftest import refusal, succeed, succeed_here
from PIL import Image
from PIL.GifImagePlugin import GifImageFile


def test_pictures_of_a_run_are_the_same_for_the_same_seed(digits_run, tmp_path):
    contents = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run = succeed if name == "a" else succeed_here
        printed = run(
            "sample",
            f"--run_dir={digits_run}",
            f"--output_dir={tmp_path / name}",
            f"--seed={seed}",
            "--rows=3",
            "--columns=5",
            "--num=12",
        )
        written = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        assert set(written) == {
            "samples.png",
            "traversal_digit.png",
            "traversal_slant.png",
            "traversals.gif",
        }
        assert set(printed.split()) == {str(tmp_path / name / file) for file in written}
        contents.append(written)
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]
    with Image.open(tmp_path / "a" / "traversal_slant.png") as picture:
        assert picture.size == (5 * 50 - 2, 3 * 50 - 2 + 44)
    with Image.open(tmp_path / "a" / "traversals.gif") as animation:
        assert isinstance(animation, GifImageFile)
        assert animation.is_animated


def test_single_images_for_other_programs(exported, tmp_path):
    arguments = [f"--onnx={exported / 'generator.onnx'}", "--num=12", "--seed=3"]
    for name in ("png", "npz"):
        succeed_here("sample", *arguments, f"--format={name}", f"--output_dir={tmp_path / name}")
    with np.load(tmp_path / "npz" / "samples.npz", allow_pickle=False) as content:
        images, digits = content["images"], content["code_digit"]
    assert images.shape == (12, 16, 16, 1)
    with open(tmp_path / "png" / "samples.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [f"samples/{index:07d}.png" for index in range(12)]
    assert [int(row["digit"]) for row in rows] == digits.tolist()
    for row, image in zip(rows, images, strict=True):
        assert np.array_equal(np.asarray(Image.open(tmp_path / "png" / row["file"])), image[..., 0])
    said = refusal("sample", *arguments, "--format=png", f"--output_dir={tmp_path / 'png'}")
    assert "is not empty" in said


@pytest.mark.parametrize("name", ["dcgan", "vae"])
def test_pictures_of_a_model_without_categories(run_of, tmp_path, name):
    """Between its latents too; and no traversal of a code that is not there."""
    succeed_here(
        "sample",
        f"--run_dir={run_of(name)}",
        f"--output_dir={tmp_path}",
        "--rows=3",
        "--columns=5",
        "--num=12",
    )
    codes = {f"traversal_continuous_{index}.png" for index in range(1, 11)} | {"traversals.gif"}
    assert {path.name for path in tmp_path.iterdir()} == {"samples.png", "interpolation.png"} | (
        codes if name == "vae" else set()
    )
    with Image.open(tmp_path / "interpolation.png") as picture:
        assert picture.size == (5 * 50 - 2, 3 * 50 - 2)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [([], "Give --run_dir"), (["--run_dir=nowhere"], "not a run directory")],
)
def test_bad_input_is_one_sentence(tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    assert part in refusal("sample", *arguments)
    assert list(tmp_path.iterdir()) == []
