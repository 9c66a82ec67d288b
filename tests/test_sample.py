import pytest
from conftest import command, sentence, succeed, succeed_here
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
def test_bad_input_is_one_sentence(tmp_path, arguments, part):
    assert part in sentence(command("sample", *arguments, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []
