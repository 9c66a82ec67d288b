"""The programs in docs/examples load an export and give the images that it should."""

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import PATIENCE

from keras_infogan import onnx_model

pytest.importorskip("onnxruntime")
EXAMPLES = pathlib.Path(__file__).parents[1] / "docs" / "examples"


@pytest.fixture(scope="module")
def means(exported):
    """The mean pixel, in [0, 1], of each digit with all other inputs 0."""
    model = onnx_model.load(exported / "generator.onnx")
    latents = np.zeros((10, model.latent_spec.size), np.float32)
    latents[:, 16:26] = np.eye(10)
    return ((model.generate(latents) + 1) / 2).mean(axis=(1, 2, 3))


def _run(*arguments, **kwargs):
    result = subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **kwargs,
    )
    assert result.returncode == 0, result.stderr
    return [float(text) for text in result.stdout.splitlines()[-1].split()]


@pytest.mark.parametrize("name", ["onnxruntime_python.py", "onnx_reference.py"])
def test_python(exported, means, name):
    assert _run(sys.executable, EXAMPLES / name, exported) == pytest.approx(means, abs=1e-5)


def test_node(exported, means, tmp_path):
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        pytest.skip("needs Node.js and npm")
    # Its install script would fetch GPU libraries.
    install = [
        npm,
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--prefix",
        str(tmp_path),
        "onnxruntime-node",
    ]
    if subprocess.run(install, capture_output=True, timeout=PATIENCE, check=False).returncode:
        pytest.skip("npm cannot install onnxruntime-node here")
    shutil.copy(EXAMPLES / "onnxruntime_node.cjs", tmp_path)
    assert _run(node, tmp_path / "onnxruntime_node.cjs", exported) == pytest.approx(means, abs=1e-5)
    card = (exported / "README.md").read_text().split("```js\n")[1].split("```")[0]
    (tmp_path / "card.cjs").write_text(card)
    shown = subprocess.run(
        [node, tmp_path / "card.cjs"],
        capture_output=True,
        text=True,
        cwd=exported,
        timeout=PATIENCE,
        check=False,
    )
    assert shown.stdout.split() == ["[", "1,", "16,", "16,", "1", "]"], shown.stderr


def test_saved_model_cli(exported, means, tmp_path):
    pytest.importorskip("tensorflow_serving")
    shutil.copytree(exported, tmp_path / "export")
    environment = {
        "PATH": f"{pathlib.Path(sys.executable).parent}:/usr/bin:/bin",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    inputs = f"digit={list(range(10))};tilt={[0.0] * 10};noise={[[0.0] * 16] * 10}"
    assert _run(
        "sh", EXAMPLES / "saved_model_cli.sh", tmp_path / "export", inputs, env=environment
    ) == pytest.approx(means, abs=1e-5)
    card = (exported / "README.md").read_text().split("```sh\n")[1].split("```")[0]
    subprocess.run(
        ["sh", "-e", "-c", card],
        cwd=exported,
        env=environment,
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )


def test_c_interface(exported, means, tmp_path):
    import tensorflow as tf

    compiler, folder = shutil.which("gcc"), pathlib.Path(tf.__file__).parent
    if not compiler or not (folder / "libtensorflow_cc.so.2").exists():
        pytest.skip("needs gcc and TensorFlow for Linux")
    libraries = [
        "-l:libtensorflow_cc.so.2",
        "-l:libtensorflow_framework.so.2",
        f"-Wl,-rpath,{folder}",
    ]
    program = tmp_path / "c_api"
    subprocess.run(
        [
            compiler,
            EXAMPLES / "c_api.c",
            "-Wall",
            "-Werror",
            "-o",
            program,
            f"-I{folder}/include",
            f"-L{folder}",
            *libraries,
        ],
        check=True,
    )
    model = exported / "digits-infogan" / "1"
    outputs = tf.saved_model.load(str(model)).signatures["latents"].outputs
    assert len(outputs) == 1
    from tensorflow.core.protobuf import saved_model_pb2

    signature = (
        saved_model_pb2.SavedModel.FromString((model / "saved_model.pb").read_bytes())
        .meta_graphs[0]
        .signature_def["latents"]
    )
    names = [signature.inputs["latents"].name, signature.outputs["images"].name]
    assert _run(program, model, *names, 27, 16, 10) == pytest.approx(means, abs=1e-5)
