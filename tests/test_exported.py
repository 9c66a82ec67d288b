"""The export that serving commands are about: what is no file there is refused, not waited for."""

import os
import shutil

import pytest
from conftest import command, sentence

pytest.importorskip("onnxruntime")


def _pipe(path):
    os.mkfifo(path)


def _device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("put", [_pipe, _device])
@pytest.mark.parametrize(
    ("name", "file", "flags"),
    [
        ("serving.local", "generator.json", []),
        ("serving.local", "generator.onnx", []),
        ("serving.explore", "generator.json", ["--nobrowser"]),
        ("serving.explore", "web/generator.json", ["--nobrowser"]),
        ("serving.client", "generator.json", []),
        ("serving.load_test", "generator.json", []),
        ("serving.deploy", "generator.json", []),
        ("serving.deploy", "deployment/models.config", []),
    ],
)
def test_a_pipe_or_device_in_place_of_a_file_is_refused(exported, tmp_path, put, name, file, flags):
    export = tmp_path / "export"
    shutil.copytree(exported, export)
    for directory in ("web", "deployment"):
        (export / directory).mkdir()
    if file.startswith("web/"):
        (export / "web" / "explorer.js").touch()
    (export / file).unlink(missing_ok=True)
    put(export / file)
    said = sentence(command(name, f"--export_dir={export}", *flags))
    assert str(export / file) in said
    assert "is a directory, pipe or device" in said or "is not there" in said


@pytest.mark.parametrize("put", [_pipe, _device])
def test_a_contract_given_by_itself_is_refused_too(tmp_path, put):
    put(tmp_path / "own.json")
    said = sentence(command("serving.client", f"--export_dir={tmp_path / 'own.json'}"))
    assert "which is a directory, pipe or device" in said
