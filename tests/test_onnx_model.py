"""Exported files without TensorFlow: loading, devices, buffers, bad files and bad inputs."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import command, sentence
from PIL import Image

from keras_infogan import onnx_model, runs
from keras_infogan.config import UserError

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def test_the_files_give_what_the_model_gives_for_any_number_of_images(exported, digits_run):
    _, model = runs.load(digits_run)
    run, loaded = onnx_model.load(exported / "generator.onnx")
    assert [code.name for code in loaded.latents.codes] == ["digit", "tilt"]
    assert run.config == runs.read(digits_run).config
    assert (loaded.step, loaded.provider) == (6, "cpu")
    for count in (0, 1, 7, 300):
        latents = model.latents.sample(count, 0)
        images = model.generate(latents) if count else np.zeros((0, 16, 16, 1), np.float32)
        assert np.abs(loaded.generate(latents) - images).max(initial=0) < 2e-5
        assert loaded.encode(images).shape == (count, loaded.latents.total_parameters)
        if count:
            assert np.abs(loaded.encode(images) - model.encode(images)).max() < 1e-4
    _, half = onnx_model.load(exported / "generator_fp16.onnx", needs=("generator",), num_threads=1)
    assert 1e-6 < np.abs(half.generate(latents) - images).max() < 1e-2


def test_a_provider_that_cannot_be_had_is_not_pretended(exported, tmp_path):
    available = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" in available:
        pytest.skip("CUDA may be had here")
    for provider in ("cuda", "tensorrt"):
        _, loaded = onnx_model.load(exported / "generator.onnx", provider=provider)
        assert loaded.provider == "cpu"
    result = command("sample", f"--onnx={exported / 'generator.onnx'}", "--provider=cuda", "--count=2", "--rows=2", f"--output_dir={tmp_path}")
    assert (result.returncode, result.stderr.strip()) == (0, "cuda could not be had from onnxruntime here; running on cpu.")


def test_bound_buffers_are_used_in_place(exported):
    _, loaded = onnx_model.load(exported / "generator.onnx")
    latents = loaded.latents.sample(8, 0)
    bound = loaded.bind(4)
    address = bound.images.data_ptr()
    for part in (latents[:4], latents[4:]):
        for name, array in loaded.contract.feeds("generator", part).items():
            bound.inputs[name].update_inplace(array)
        images = bound.run()
        assert images.data_ptr() == address
        np.testing.assert_allclose(images.numpy() * 2 - 1, loaded.generate(part), atol=1e-6)


@pytest.mark.parametrize("file", ["generator.onnx", "generator_fp16.onnx"])
@pytest.mark.parametrize(("name", "value"), [("digit", 10), ("digit", -1), ("tilt", np.nan), ("tilt", np.inf), ("noise", np.nan)])
def test_an_image_of_a_bad_input_is_nan_and_no_other(exported, file, name, value):
    _, loaded = onnx_model.load(exported / file, needs=("generator",))
    feeds = loaded.contract.feeds("generator", loaded.latents.sample(3, 0))
    session, _ = onnx_model.open_session(exported / file)
    good = session.run(None, feeds)[0]
    feeds[name][1] = value
    images = session.run(None, feeds)[0]
    assert np.isnan(images[1]).all()
    np.testing.assert_array_equal(images[[0, 2]], good[[0, 2]])


@pytest.mark.parametrize("value", [2.0, -1.0, np.nan])
def test_the_answers_of_a_bad_image_are_nan_and_no_others(exported, value):
    session, _ = onnx_model.open_session(exported / "recognizer.onnx")
    images = np.random.default_rng(0).random((3, 16, 16, 1), np.float32)
    names = [output.name for output in session.get_outputs()]
    assert names == ["digit", "digit_probabilities", "tilt", "tilt_std", "parameters"]
    images[1, 4, 4, 0] = value
    for answers in session.run(None, {"images": images}):
        bad = answers[1] == -1 if answers.dtype == np.int64 else np.isnan(answers[1])
        assert np.all(bad)
        assert np.isfinite(answers[[0, 2]]).all()
        assert answers.dtype != np.int64 or (answers[[0, 2]] >= 0).all()


def test_wrong_shapes_types_and_names_are_errors(exported):
    session, _ = onnx_model.open_session(exported / "generator.onnx")
    _, loaded = onnx_model.load(exported / "generator.onnx")
    feeds = loaded.contract.feeds("generator", loaded.latents.sample(3, 0))
    for wrong in ({"noise": feeds["noise"][:, :5]}, {"digit": feeds["digit"].astype(np.float32)}, {"tilt": feeds["tilt"][:2]}, {"color": feeds["tilt"]}):
        with pytest.raises(Exception, match=r"."):
            session.run(None, feeds | wrong)


def test_sample_and_encode_do_not_load_tensorflow(exported, tmp_path):
    (tmp_path / "images").mkdir()
    for index in range(3):
        Image.fromarray(np.full((20, 20), 60 * index, np.uint8)).save(tmp_path / "images" / f"{index}.png")
    code = "import sys, runpy; sys.modules.update(tensorflow=None, keras=None); name = sys.argv.pop(1); runpy.run_module(name, run_name='__main__')"

    def run(name, *arguments):
        result = subprocess.run([sys.executable, "-c", code, f"keras_infogan.{name}", *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, result.stderr

    run("sample", f"--onnx={exported / 'generator.onnx'}", f"--output_dir={tmp_path}", "--count=20", "--rows=2")
    assert {path.name for path in tmp_path.glob("*.png")} == {"samples.png", "traversal_digit.png", "traversal_tilt.png"}
    run("encode", f"--onnx={exported / 'recognizer.onnx'}", f"--images={tmp_path / 'images'}", f"--output={tmp_path / 'codes.csv'}")
    header, *lines = (tmp_path / "codes.csv").read_text().splitlines()
    assert header == "image,digit,digit_probability,tilt_mean,tilt_std"
    assert len(lines) == 3


def test_files_that_are_not_ours_are_refused(exported, tmp_path):
    with pytest.raises(UserError, match="is not there"):
        onnx_model.load(tmp_path / "generator.onnx")
    (tmp_path / "generator.onnx").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="cannot be read"):
        onnx_model.load(tmp_path / "generator.onnx")
    proto = onnx.load(exported / "generator.onnx")
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "generator.onnx")
    with pytest.raises(UserError, match="does not say which codes"):
        onnx_model.load(tmp_path / "generator.onnx")
    shutil.copy(exported / "generator.onnx", tmp_path)
    with pytest.raises(UserError, match=r"recognizer\.onnx is not there"):
        onnx_model.load(tmp_path / "generator.onnx")
    proto = onnx.load(exported / "recognizer.onnx")
    about = json.loads(proto.metadata_props[0].value)
    onnx.helper.set_model_props(proto, {"keras_infogan": json.dumps({**about, "step": 7})})
    onnx.save(proto, tmp_path / "recognizer.onnx")
    with pytest.raises(UserError, match="not of the same run and step"):
        onnx_model.load(tmp_path / "generator.onnx")
    with pytest.raises(UserError, match="not what a generator gives"):
        onnx_model.load(exported / "recognizer.onnx")
    with pytest.raises(UserError, match="not what a recognizer gives"):
        onnx_model.load(exported / "generator.onnx", needs=("recognizer",))
    for name in ("generator", "recognizer"):
        proto = onnx.load(exported / f"{name}.onnx")
        onnx.helper.set_model_props(proto, {"keras_infogan": json.dumps({**about, "run": {**about["run"], "settings": {"color": "red"}}})})
        onnx.save(proto, tmp_path / f"{name}.onnx")
    with pytest.raises(UserError, match="cannot read"):
        onnx_model.load(tmp_path / "generator.onnx")


@pytest.mark.parametrize(
    ("name", "arguments", "part"),
    [
        ("evaluate", ["--onnx=nowhere/generator.onnx"], "is not there"),
        ("evaluate", ["--onnx=x", "--run_dir=y"], "not both"),
        ("sample", ["--onnx=x", "--run_dir=y"], "not both"),
        ("encode", ["--onnx=nowhere/recognizer.onnx", "--images=x"], "is not there"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, name, arguments, part):
    assert part in sentence(command(name, *arguments, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []
