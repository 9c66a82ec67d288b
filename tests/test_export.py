"""Export to ONNX, and scores of what was exported, without TensorFlow."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import command, sentence

from keras_infogan import onnx_model, runs
from keras_infogan.config import UserError

# tf2onnx and onnxruntime come with the extra "onnx".
onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def exported(digits_run, tmp_path_factory):
    directory = tmp_path_factory.mktemp("exported")
    result = command("export", f"--run_dir={digits_run}", f"--output_dir={directory}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [str(directory / "generator.onnx"), str(directory / "recognizer.onnx")]
    return directory


def test_the_files_give_what_the_model_gives_for_any_number_of_images(exported, digits_run):
    _, model = runs.load(digits_run)
    run, loaded = onnx_model.load(exported / "generator.onnx")
    assert loaded.latents == model.latents
    assert run.config == runs.read(digits_run).config
    assert loaded.step == 6
    for count in (1, 7):
        latents = model.latents.sample(count, 0)
        images = model.generate(latents)
        assert np.abs(loaded.generate(latents) - images).max() < 1e-5
        assert np.abs(loaded.encode(images) - model.encode(images)).max() < 1e-4


def test_scores_need_no_tensorflow(exported, digits_run):
    """And are those of the run itself, but for the images, for whose feature space TensorFlow would be needed."""
    code = "import sys, runpy; sys.modules.update(tensorflow=None, keras=None); runpy.run_module('keras_infogan.evaluate', run_name='__main__')"
    arguments = [f"--onnx={exported / 'generator.onnx'}", "--num_images=500"]
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    scored = json.loads((exported / "metrics.json").read_text())
    assert "a feature space takes TensorFlow" in scored["skipped"]["frechet_distance"]
    assert "data:image/png" in (exported / "report.html").read_text()
    copy = exported / "run"
    shutil.copytree(digits_run, copy)
    assert command("evaluate", f"--run_dir={copy}", "--num_images=500", "--metrics=generator,labels").returncode == 0
    expected = json.loads((copy / "metrics.json").read_text())["scores"]
    assert {"effect/noise", "clustering_accuracy/digit"} <= expected.keys()
    assert scored["scores"] == pytest.approx(expected, abs=1e-3)


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
    with pytest.raises(UserError, match="where images was expected"):
        onnx_model.load(exported / "recognizer.onnx")
    for name in ("generator", "recognizer"):
        proto = onnx.load(exported / f"{name}.onnx")
        onnx.helper.set_model_props(proto, {"keras_infogan": json.dumps({**about, "run": {**about["run"], "settings": {"colour": "red"}}})})
        onnx.save(proto, tmp_path / f"{name}.onnx")
    with pytest.raises(UserError, match="cannot read"):
        onnx_model.load(tmp_path / "generator.onnx")


@pytest.mark.parametrize(
    ("name", "arguments", "part"),
    [
        ("export", [], "Give --run_dir"),
        ("export", ["--run_dir=nowhere"], "not a run directory"),
        ("evaluate", ["--onnx=nowhere/generator.onnx"], "is not there"),
        ("evaluate", ["--onnx=x", "--run_dir=y"], "not both"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, name, arguments, part):
    assert part in sentence(command(name, *arguments, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []
