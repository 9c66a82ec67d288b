"""Writes all files of an export, compares them with the Keras model, and puts them in place."""

import contextlib
import dataclasses
import datetime
import hashlib
import importlib.metadata
import json
import pathlib
import platform
import shutil
import tempfile

from keras_infogan import runs
from keras_infogan.config import UserError
from keras_infogan.contract import evaluation

CONTRACT_FILE, WEB = "generator.json", "web"
_ONNX_FILES = ("generator.onnx", "generator_fp16.onnx", "recognizer.onnx")
_UNFINISHED = ".exporting_"


def check_output(contract, output_dir):
    """Raises UserError unless the directory is free, or holds an earlier export of the same data set and codes."""
    if not output_dir.is_dir():
        return
    paths = [path for path in (output_dir / CONTRACT_FILE, output_dir / WEB / CONTRACT_FILE) if path.exists()]
    web = output_dir / WEB
    if web.exists() and not (web / "explorer.js").is_file() and (not web.is_dir() or any(web.iterdir())):
        raise UserError(f"{web} is not an explorer, whose place it has; give another --output_dir.")
    # Without a contract it may still be an export that was killed while it was put in place.
    ours = {contract.name, *_ONNX_FILES, "README.md", "generator.png", WEB}
    if not paths and any(not entry.name.startswith(".") and entry.name not in ours for entry in output_dir.iterdir()):
        raise UserError(f"{output_dir} is not empty and not an export; give another --output_dir.")
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            name, run = content["name"], content["run"]
            held = run["settings"]["codes"], run["image_shape"], run["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged ({error!r}); remove it, or give another --output_dir.") from None
        wanted = contract.run.to_json()
        if name != contract.name or held != (wanted["settings"]["codes"], wanted["image_shape"], wanted["fingerprint"]):
            raise UserError(f"{path.parent} holds an export of {name} that has other images or codes; give another --output_dir.")


def export(contract, output_dir, formats, fp16=True):
    """Exports a run.

    Args:
      contract: the Contract to fulfill.
      output_dir: directory, which is created. What an earlier export left in it is replaced, but for its SavedModel, which stays as an older version; unless
        all goes well everything stays as it is.
      formats: list of "saved_model", "onnx" and "web". The explorer ("web") is complete in itself: alone, it leaves the other files as they are, and without
        it an earlier one stays.
      fp16: whether ONNX comes in half precision too.

    Returns:
      The paths of what was written.

    Raises:
      UserError: if the directory is in use, the run cannot be loaded, or a file differs from the Keras model by more than is allowed.
    """
    check_output(contract, output_dir)
    with runs.locked_directory(output_dir, "--output_dir", "exporting"):
        check_output(contract, output_dir)
        for unfinished in output_dir.glob(f"{_UNFINISHED}*"):  # of a process that was killed
            shutil.rmtree(unfinished)
        versions = [int(path.name) for path in output_dir.glob(f"{contract.name}/*") if path.name.isdecimal()]
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=output_dir) as unfinished:
            written, replaced = pathlib.Path(unfinished, "written"), pathlib.Path(unfinished, "replaced")
            written.mkdir()
            names = _write(contract, written, formats, fp16, f"{contract.name}/{max(versions, default=0) + 1}")
            with contextlib.ExitStack() as undo:
                stale = () if formats == [WEB] else _ONNX_FILES
                for name in dict.fromkeys((*stale, *names)):  # the contract, last, says that all is there
                    if (output_dir / name).exists():
                        _move(output_dir / name, replaced / name, undo)
                    if name in names:
                        _move(written / name, output_dir / name, undo)
                undo.pop_all()
    return [output_dir / name for name in names]


def _move(source, target, undo):
    """Moves a file or directory, and back should anything fail before `undo` is emptied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    undo.callback(target.replace, source)


def _write(contract, directory, formats, fp16, saved_model):
    """Writes an export to a directory, the SavedModel under the name `saved_model`, and returns the names of its parts, the contract last."""
    runtime = None
    if WEB in formats:
        from keras_infogan.export import web_runtime

        runtime = web_runtime.files()  # before minutes are spent: it may need a network
    run, model = runs.load(contract.run.directory)
    contract = dataclasses.replace(contract, step=model.step)
    parts = []
    if "onnx" in formats:
        from keras_infogan.export import to_onnx

        parts += to_onnx.write(contract, model, directory, fp16)
    if "saved_model" in formats:
        from keras_infogan.export import to_saved_model

        to_saved_model.write(contract, model, directory / saved_model)
        parts.append(saved_model)
    names = []
    if parts:
        from keras_infogan.export import model_card

        content = _describe(contract, run, model, directory, parts)
        text = _as_text(content)
        if "saved_model" in formats:
            (directory / saved_model / "assets.extra" / CONTRACT_FILE).write_text(text, encoding="utf-8")  # an older version, rolled back to, has its own
        (directory / CONTRACT_FILE).write_text(text, encoding="utf-8")
        names = [*model_card.write(contract, model, content, directory), *parts, CONTRACT_FILE]
    if WEB in formats:
        from keras_infogan.export import to_web

        web = to_web.contract_of(contract)
        parts = to_web.write(web, model, directory / WEB, runtime)
        (directory / WEB / CONTRACT_FILE).write_text(_as_text(_describe(web, run, model, directory / WEB, parts)), encoding="utf-8")
        names = [WEB, *names]
    return names


def _describe(contract, run, model, directory, parts):
    """Returns the content of generator.json for files of these names in a directory, having compared them with the model."""
    from keras_infogan.export import parity

    onnx = any(name.endswith(".onnx") for name in parts)
    packages = ["keras", "tensorflow"] + ["tf2onnx", "onnx", "onnxruntime"] * onnx
    return contract.to_json() | {
        "exported": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "files": {name: _facts(directory / name) for name in parts},
        "evaluation": evaluation(contract, runs.read_metrics(run)),
        "parity": parity.measure(contract, model, directory, parts),
        "versions": {"python": platform.python_version()} | {package: _version(package) for package in packages},
    }


def _as_text(content):
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _version(package):
    if package == "onnxruntime":  # which comes in packages of several names
        import onnxruntime

        return onnxruntime.__version__
    return importlib.metadata.version(package)


def _facts(path):
    """Returns the size of a file, or of a directory's files, and a file's SHA-256."""
    if path.is_dir():
        return {"bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file())}
    return {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
