"""Writes all files of an export, compares them with the Keras model, and puts them in place."""

import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import pathlib
import platform
import shutil
import tempfile

from keras_infogan import contract, runs
from keras_infogan.config import UserError

CONTRACT_FILE = "generator.json"
_UNFINISHED = ".exporting_"


def check_output(agreed, output_dir):
    """Raises UserError unless the directory is free, or holds an export of the same name."""
    if output_dir.is_dir() and any(not path.name.startswith(".") for path in output_dir.iterdir()):
        if not (output_dir / CONTRACT_FILE).exists():
            raise UserError(f"{output_dir} is not empty and not an export; give another --output_dir.")
        content, _ = contract.read(output_dir / CONTRACT_FILE)
        if content["name"] != agreed.name:
            raise UserError(f"{output_dir} holds an export of {content['name']}, not {agreed.name}; give another --output_dir.")


def export(agreed, output_dir, formats, fp16=True):
    """Exports a run.

    Args:
      agreed: the Contract to fulfill.
      output_dir: directory, which is created. What is in it stays as it is unless all goes well.
      formats: list of "saved_model" and "onnx".
      fp16: whether ONNX comes in half precision too.

    Returns:
      The paths of what was written.

    Raises:
      UserError: if the directory is in use, the run cannot be loaded, or a file differs from the Keras model by more than is allowed.
    """
    check_output(agreed, output_dir)
    with runs.locked_directory(output_dir, "--output_dir", "exporting"):
        for unfinished in output_dir.glob(f"{_UNFINISHED}*"):  # of a process that was killed
            shutil.rmtree(unfinished)
        versions = [int(path.name) for path in output_dir.glob(f"{agreed.name}/*") if path.name.isdecimal()]
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=output_dir) as unfinished:
            names = _write(agreed, pathlib.Path(unfinished), formats, fp16, f"{agreed.name}/{max(versions, default=0) + 1}")
            for name in names:
                (output_dir / name).parent.mkdir(exist_ok=True)
                (pathlib.Path(unfinished) / name).replace(output_dir / name)
    return [output_dir / name for name in names]


def _write(agreed, directory, formats, fp16, saved_model):
    """Writes an export to a directory, the SavedModel under the name `saved_model`, and returns the names of its parts, the contract last."""
    # Here, because they load TensorFlow.
    from keras_infogan.export import model_card, parity

    run, model = runs.load(agreed.run.directory)
    agreed = dataclasses.replace(agreed, step=model.step)
    names, packages = [], ["keras", "tensorflow"]
    if "saved_model" in formats:
        from keras_infogan.export import to_saved_model

        to_saved_model.write(agreed, model, directory / saved_model)
        names.append(saved_model)
    if "onnx" in formats:
        from keras_infogan.export import to_onnx

        names += to_onnx.write(agreed, model, directory, fp16)
        packages += ["tf2onnx", "onnx", "onnxruntime"]
    content = agreed.to_json() | {
        "exported": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "files": {name: _facts(directory / name) for name in names},
        "evaluation": contract.evaluation(agreed, runs.read_metrics(run)),
        "parity": parity.measure(agreed, model, directory, names),
        "versions": {"python": platform.python_version()} | {package: importlib.metadata.version(package) for package in packages},
    }
    names += model_card.write(agreed, model, content, directory)
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    if "saved_model" in formats:
        (directory / saved_model / "assets.extra" / CONTRACT_FILE).write_text(text)  # an older version, rolled back to, has its own
    (directory / CONTRACT_FILE).write_text(text)
    return [*names, CONTRACT_FILE]


def _facts(path):
    """Returns the size of a file, or of a directory's files, and a file's SHA-256."""
    if path.is_dir():
        return {"bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file())}
    return {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
