"""keras_infogan.load: a run, an export and a single file are one model, and give the same."""

import dataclasses
import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import PATIENCE, without_onnx

import keras_infogan
from keras_infogan import contract, runs
from keras_infogan.config import UserError

pytest.importorskip("onnxruntime")
to_onnx = pytest.importorskip("keras_infogan.export.to_onnx")


@pytest.fixture(scope="module")
def places(digits_run, exported, tmp_path_factory):
    """Where the same model lies, by what it is."""
    return {
        "run": digits_run,
        "export": exported,
        "SavedModel": without_onnx(exported, tmp_path_factory.mktemp("places") / "saved_model"),
        "generator.onnx": exported / "generator.onnx",
        "recognizer.onnx": exported / "recognizer.onnx",
    }


@pytest.fixture(scope="module")
def loaded(places):
    return {kind: keras_infogan.load(path) for kind, path in places.items()}


def _in_gray_levels(one, other):
    return np.abs(one.astype(int) - other.astype(int)).max()


def test_all_say_the_same_of_themselves(loaded):
    assert (
        repr(loaded["run"])
        == "<InfoGAN of 16x16x1 images, step 6; codes: digit (10 categories), slant (U(-1, 1))>"
    )
    exported = {repr(model) for kind, model in loaded.items() if kind != "run"}
    assert exported == {
        "<InfoGAN of 16x16x1 images, step 6; codes: digit (10 categories), tilt (U(-1, 1))>"
    }
    assert {model.capabilities for model in loaded.values()} == {("generate", "encode")}


def test_all_generate_the_same(loaded):
    expected = loaded["run"].generate(digit=3, slant=0.7, seed=1, num=300)
    assert (expected.shape, expected.dtype) == ((300, 16, 16, 1), np.uint8)
    assert expected.std() > 1
    for kind, model in loaded.items():
        if kind != "run":
            assert (
                _in_gray_levels(model.generate(digit=3, tilt=0.7, seed=1, num=300), expected) <= 1
            ), kind
        assert (
            _in_gray_levels(model.sample(5, seed=2), loaded["run"].generate(num=5, seed=2)) <= 1
        ), kind


def test_images_i_has_the_noise_of_the_seed_and_i(loaded):
    for model in loaded.values():
        each = np.concatenate(
            [
                model.generate(digit=3, **{model.latent_spec.codes[1].name: 0.7}, seed=seed)
                for seed in (4, 5)
            ]
        )
        assert (
            _in_gray_levels(
                model.generate(digit=3, **{model.latent_spec.codes[1].name: 0.7}, seed=4, num=2),
                each,
            )
            <= 1
        )


def test_all_encode_the_same(loaded):
    images = loaded["run"].sample(20)
    expected = loaded["run"].encode(images)
    assert set(expected) == {"digit", "digit_probabilities", "slant", "slant_std"}
    for kind, model in loaded.items():
        answers = model.encode(images)
        for name, values in expected.items():
            other = name if kind == "run" else name.replace("slant", "tilt")
            assert answers[other] == pytest.approx(values, abs=1e-4), kind
        assert answers["digit"].dtype == np.int64
        assert model.encode(images[:2] / 255)["digit_probabilities"] == pytest.approx(
            answers["digit_probabilities"][:2], abs=1e-4
        )


def test_categories_blend_but_in_a_file_that_takes_their_index(loaded):
    expected = loaded["run"].generate(digit={3: 0.5, 8: 0.5}, slant=0.0, num=3)
    assert _in_gray_levels(expected, loaded["run"].generate(digit=3, slant=0.0, num=3)) > 0
    assert (
        _in_gray_levels(
            loaded["SavedModel"].generate(digit={3: 0.5, 8: 0.5}, tilt=0.0, num=3), expected
        )
        <= 1
    )
    for kind in ("export", "generator.onnx", "recognizer.onnx"):
        with pytest.raises(
            UserError,
            match=(
                "takes categories as an index and cannot blend; export with "
                "--onnx_categories=weights"
            ),
        ):
            loaded[kind].generate(digit={3: 0.5, 8: 0.5}, num=3)


def test_a_file_that_takes_weights_blends(digits_run, exported, loaded, tmp_path):
    model = loaded["run"].trained
    run = runs.read(digits_run)
    agreed = dataclasses.replace(
        contract.read(exported / "generator.json")[1], categories="weights"
    )
    to_onnx.write(agreed, run, model.learner, tmp_path, fp16=False)
    blended = keras_infogan.load(tmp_path / "generator.onnx").generate(
        digit={3: 0.5, 8: 0.5}, tilt=0.0, num=3
    )
    assert (
        _in_gray_levels(blended, loaded["run"].generate(digit={3: 0.5, 8: 0.5}, slant=0.0, num=3))
        <= 1
    )


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"color": 3}, "there is no code 'color'"),
        ({"digit": 10}, "digit: expected a number from 0 to 9, received 10"),
        ({"digit": [1, 2, 3]}, "digit: expected one value or 2"),
        ({"seed": -1}, "seed: expected an integer"),
        ({"num": 0}, "num: expected a number of images"),
    ],
)
@pytest.mark.parametrize("kind", ["run", "export", "SavedModel", "generator.onnx"])
def test_wrong_arguments_are_one_sentence(loaded, kind, arguments, part):
    with pytest.raises(UserError, match=part):
        loaded[kind].generate(**{"num": 2, **arguments})
    with pytest.raises(
        UserError, match=r"images: expected the shape \(count, 16, 16, 1\), received \(2, 8, 8, 1\)"
    ):
        loaded[kind].encode(np.zeros((2, 8, 8, 1)))
    with pytest.raises(
        UserError, match=r"an InfoGAN cannot reconstruct; it can generate from latents, encode\."
    ):
        loaded[kind].reconstruct(np.zeros((2, 16, 16, 1)))


@pytest.mark.parametrize("name", ["dcgan", "vae", "bigan"])
def test_every_model_is_the_same_wherever_it_lies(exported_untrained, tmp_path, name):
    run, model, directory = exported_untrained(name)
    run_, export, saved_model = (
        keras_infogan.load(path)
        for path in (run.directory, directory, without_onnx(directory, tmp_path / "saved_model"))
    )
    expected, latents = run_.sample(20, seed=3), model.latent_spec.sample(5, 0)
    for one in (run_, export, saved_model):
        assert one.capabilities == model.capabilities
        assert _in_gray_levels(one.sample(20, seed=3), expected) <= 1
        assert one.trained.generate(latents) == pytest.approx(model.generate(latents), abs=1e-4)
        if "reconstruct" in model.capabilities:
            assert _in_gray_levels(one.reconstruct(expected), run_.reconstruct(expected)) <= 1
            assert one.encode(expected)["slant"] == pytest.approx(
                run_.encode(expected)["slant"], abs=1e-4
            )
        if "log_likelihood" in model.capabilities:
            images = expected / np.float32(127.5) - 1
            assert one.trained.log_likelihood(images, seed=1) == pytest.approx(
                model.log_likelihood(images, seed=1), rel=1e-4
            )


def test_an_export_is_loaded_without_tensorflow(exported):
    code = (
        "import sys; sys.modules.update(tensorflow=None, keras=None); import keras_infogan; "
        "print(keras_infogan.load(sys.argv[1]).generate(digit=3).shape)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, exported],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.stdout.strip() == "(1, 16, 16, 1)", result.stderr


def test_paths_are_those_that_people_write(exported, monkeypatch):
    monkeypatch.setenv("HOME", str(exported.parent))
    monkeypatch.chdir(exported.parent)
    for path in (
        f"~/{exported.name}",
        exported.name,
        f"./{exported.name}/generator.onnx",
        f"{exported.name}/generator.json",
    ):
        assert keras_infogan.load(path).trained.step == 6


def test_a_file_alone_can_do_what_it_can(exported, tmp_path):
    (tmp_path / "generator.onnx").write_bytes((exported / "generator.onnx").read_bytes())
    model = keras_infogan.load(tmp_path / "generator.onnx")
    assert model.capabilities == ("generate",)
    assert np.array_equal(
        model.generate(digit=3, seed=1), keras_infogan.load(exported).generate(digit=3, seed=1)
    )
    with pytest.raises(UserError, match="cannot encode"):
        model.encode(model.generate())


def test_without_onnxruntime_the_saved_model_is_taken(exported, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "onnxruntime" else found(name, *more),
    )
    assert type(keras_infogan.load(exported).trained).__name__ == "_SavedModel"


def _refused(path, part):
    with pytest.raises(UserError, match=part) as error:
        keras_infogan.load(path)
    assert len(str(error.value).splitlines()) == 1


def test_what_is_no_model_is_one_sentence(exported, tmp_path):
    _refused("", "which model")
    _refused(
        tmp_path / "nowhere",
        "is not there; give a run directory, or what keras_infogan.export wrote",
    )
    _refused(tmp_path / "nowhere.onnx", "is not there")
    _refused(tmp_path, "is not a run directory")
    content = json.loads((exported / "generator.json").read_text())
    path = tmp_path / "generator.json"
    path.write_text("{}")
    _refused(tmp_path, "is damaged")
    path.write_text(json.dumps(content | {"contract": 3}))
    _refused(tmp_path, "was exported by a newer keras-infogan")
    path.write_text(json.dumps(content))
    _refused(tmp_path, r"generator\.onnx is not there")
    path.write_text(json.dumps(content | {"files": {"digits-infogan/1": {}}}))
    _refused(tmp_path, r"digits-infogan/1 cannot be read \(.*\); export it again")


@pytest.mark.parametrize("files", [{}, None, [], 3, "none"])
def test_an_export_that_does_not_say_which_files_it_has_is_damaged(exported, tmp_path, files):
    content = json.loads((exported / "generator.json").read_text())
    del content["files"]
    (tmp_path / "generator.json").write_text(
        json.dumps(content if files == "none" else content | {"files": files})
    )
    _refused(tmp_path, "is damaged")
