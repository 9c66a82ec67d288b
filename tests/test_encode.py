import csv

import pytest
from conftest import refusal, succeed, succeed_here
from PIL import Image
from pyarrow import parquet

from keras_infogan import encoding
from keras_infogan.config import UserError


def _table(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def test_encodes_a_split_with_labels(digits_run, tmp_path):
    printed = succeed(
        "encode", f"--run_dir={digits_run}", "--split=test", f"--output={tmp_path / 'codes.csv'}"
    )
    table = _table(tmp_path / "codes.csv")
    assert len(table) == 359
    assert list(table[0]) == ["image", "label", "digit", "digit_probability", "slant", "slant_std"]
    assert all(
        0 <= int(row["digit"]) < 10 and 0.1 <= float(row["digit_probability"]) <= 1 for row in table
    )
    assert "agree with their label after matching" in printed


def test_parquet_has_the_rows_of_the_csv_in_whatever_batches(digits_run, tmp_path, monkeypatch):
    arguments = (f"--run_dir={digits_run}", "--split=test")
    printed = succeed_here("encode", *arguments, f"--output={tmp_path / 'codes.csv'}")
    monkeypatch.setattr(encoding, "IMAGES_AT_A_TIME", 100)
    path = tmp_path / "codes.parquet"
    assert succeed_here("encode", *arguments, f"--output={path}") == printed.replace(
        "codes.csv", "codes.parquet"
    )
    table, rows = parquet.read_table(path).to_pylist(), _table(tmp_path / "codes.csv")
    assert [row["image"] for row in table] == list(range(359))
    assert [
        {
            name: f"{value:.4f}" if isinstance(value, float) else str(value)
            for name, value in row.items()
        }
        for row in table
    ] == rows


def test_encodes_with_the_latents_of_a_vae(run_of, tmp_path):
    printed = succeed_here(
        "encode", f"--run_dir={run_of('vae')}", "--split=test", f"--output={tmp_path / 'codes.csv'}"
    )
    table = _table(tmp_path / "codes.csv")
    codes = [f"continuous_{index}" for index in range(1, 11)]
    assert list(table[0]) == [
        "image",
        "label",
        *(column for code in codes for column in (code, f"{code}_std")),
        "log_likelihood",
    ]
    assert all(float(row["continuous_1_std"]) > 0 for row in table)
    assert "agree with their label" not in printed


def test_classes_of_a_model_that_learned_from_labels(run_of, tmp_path):
    run = run_of("domain_adversarial")
    arguments = (f"--run_dir={run}", "--split=test", f"--output={tmp_path / 'classes.csv'}")
    printed = succeed_here("encode", "--classes", *arguments)
    table = _table(tmp_path / "classes.csv")
    assert list(table[0]) == ["image", "label", "class", "class_probability"]
    right = sum(row["label"] == row["class"] for row in table) / len(table)
    assert f"class: {right:.2%} of 359 images" in printed
    with pytest.raises(UserError, match="cannot encode; it can classify"):
        succeed_here("encode", *arguments)


def test_a_model_that_cannot_encode_says_so(run_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refusal("encode", f"--run_dir={run_of('dcgan')}", "--split=test", without=())
    assert "a DCGAN cannot encode; it can generate from latents" in message
    assert list(tmp_path.iterdir()) == []


def test_encodes_a_folder_of_any_images(digits_run, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name, size in (("b.png", (30, 20)), ("a.jpg", (8, 8))):
        Image.new("RGB", size, "gray").save(folder / name)
    succeed_here(
        "encode",
        f"--run_dir={digits_run}",
        f"--images={folder}",
        f"--output={tmp_path / 'codes.csv'}",
    )
    assert [row["image"] for row in _table(tmp_path / "codes.csv")] == ["a.jpg", "b.png"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "Give either --images"),
        (["--split=test", "--images=x"], "Give either --images"),
        (["--split=dev"], "no split 'dev'"),
        (["--images=nowhere"], "not there"),
        (["--split=test", "--output=nowhere/codes.csv"], "does not exist"),
    ],
)
def test_bad_input_is_one_sentence(digits_run, tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    assert part in refusal("encode", f"--run_dir={digits_run}", *arguments, without=())
    assert list(tmp_path.iterdir()) == []
