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

from keras_infogan import alarms, checkpoints, datasets, files, loaded, models, runs, units
from keras_infogan import contract as contracts
from keras_infogan.config import UserError
from keras_infogan.contract import Contract
from keras_infogan.untrusted import has_form, parse_json

CONTRACT_FILE, WEB = "generator.json", "web"
_ONNX_FILES = ("generator_fp16.onnx", *(f"{name}.onnx" for name in contracts.ONNX_FILES.values()))
_UNFINISHED = ".exporting_"


def contract_of(run, renames, **form):
    """Returns the Contract of a trained run, without TensorFlow; what the model can do is known,
    and filled in, once it is loaded.

    Args:
      run: the Run.
      renames: dict from old to new names of codes.
      form: categories, image_type and image_layout, see Contract.

    Raises:
      UserError: if a name cannot be.
    """
    spec, kind = run.settings.latent_spec, models.settings_class(run.model)
    contract = Contract(
        model=run.model,
        title=kind.title,
        paper=kind.paper,
        reads=run.settings.reads,
        dataset=run.dataset,
        license=datasets.DATASETS.get(run.dataset, datasets.OTHER_PREPARED).license,
        fingerprint=run.fingerprint,
        image_shape=tuple(run.image_shape),
        framing=run.framing,
        # Where data lies here is nobody else's.
        settings=run.to_json()["settings"] | dict.fromkeys(run.settings.places, ""),
        latent_spec=spec.renamed(renames),
        trained_as=tuple(code.name for code in spec.codes),
        step=checkpoints.step_of(checkpoints.paths(run)[0]),
        capabilities=(),
        **form,
    )
    contract.check_names()
    return contract


def check_output(contract, export_dir):
    """Raises UserError unless the directory is free, or holds an earlier export of the same
    data set and codes.
    """
    if not export_dir.is_dir():
        return
    paths = [
        path
        for path in (export_dir / CONTRACT_FILE, export_dir / WEB / CONTRACT_FILE)
        if path.is_file()
    ]
    web = export_dir / WEB
    if (
        web.exists()
        and not (web / "explorer.js").is_file()
        and (not web.is_dir() or any(web.iterdir()))
    ):
        raise UserError(f"{web} is not an explorer, whose place it has; give another --export_dir.")
    # Without a contract it may still be an export that was killed while it was put in place.
    ours = {contract.name, *_ONNX_FILES, "README.md", "generator.png", WEB}
    if not paths and any(
        not entry.name.startswith(".") and entry.name not in ours for entry in export_dir.iterdir()
    ):
        raise UserError(f"{export_dir} is not empty and not an export; give another --export_dir.")
    for path in paths:
        try:
            held = contracts.from_json(path.parent, parse_json(path.read_bytes()))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} is damaged ({error!r}); remove it, or give another --export_dir."
            ) from None
        if _identity(held) != _identity(contract):
            raise UserError(
                f"{path.parent} holds an export of {held.name} that has other images or codes; "
                "give another --export_dir."
            )


def _identity(contract):
    """Returns what the exports in one directory have in common: data, images and codes,
    under whatever names.
    """
    kinds = [entry["kind"] for entry in contract.latent_spec.to_json()["inputs"]]
    return (
        contract.name,
        contract.fingerprint,
        contract.image_shape,
        contract.trained_as,
        kinds,
        contract.latent_spec.size,
    )


def export(run, contract, export_dir, formats, fp16=True, unit_layer=None):
    """Exports a run.

    Args:
      run: the Run.
      contract: of `contract_of`.
      export_dir: directory, which is created. What an earlier export left in it is replaced, but
        for its SavedModel, which stays as an older version; unless all goes well everything stays
        as it is.
      formats: list of "saved_model", "onnx" and "web". The explorer ("web") is complete in itself:
        alone, it leaves the other files as they are, and without it an earlier one stays.
      fp16: whether ONNX comes in half precision too.
      unit_layer: a layer of the generator that images are edited at, as keras_infogan.dissect takes
        it, or None.

    Returns:
      The paths of what was written.

    Raises:
      UserError: if the directory is in use, the run cannot be loaded or has no such layer, or a
        file differs from the Keras model by more than is allowed.
    """
    if "saved_model" in formats and set("*?[\\") & set(str(export_dir)):
        raise UserError(
            f"TensorFlow takes the letters * ? [ and \\ in {export_dir} for a pattern and finds no "
            "SavedModel there; give another --export_dir, or --formats=onnx."
        )
    check_output(contract, export_dir)
    with files.locked_directory(export_dir, "--export_dir", "exporting"):
        check_output(contract, export_dir)
        for unfinished in export_dir.glob(f"{_UNFINISHED}*"):  # of a process that was killed
            shutil.rmtree(unfinished)
        versions = [
            int(path.name)
            for path in export_dir.glob(f"{contract.name}/*")
            if path.name.isdecimal()
        ]
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=export_dir) as unfinished:
            written, replaced = (
                pathlib.Path(unfinished, "written"),
                pathlib.Path(unfinished, "replaced"),
            )
            written.mkdir()
            names = _write(
                run,
                contract,
                written,
                formats,
                fp16,
                unit_layer,
                f"{contract.name}/{max(versions, default=0) + 1}",
            )
            with contextlib.ExitStack() as undo:
                stale = () if formats == [WEB] else _ONNX_FILES
                # The contract, last, says that all is there.
                for name in dict.fromkeys((*stale, *names)):
                    if (export_dir / name).exists():
                        _move(export_dir / name, replaced / name, undo)
                    if name in names:
                        _move(written / name, export_dir / name, undo)
                undo.pop_all()
    return [export_dir / name for name in names]


def _move(source, target, undo):
    """Moves a file or directory, and back should anything fail before `undo` is emptied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    undo.callback(target.replace, source)


def _write(run, contract, directory, formats, fp16, unit_layer, saved_model):
    """Writes an export to a directory, the SavedModel under the name `saved_model`, and returns the
    names of its parts, the contract last.
    """
    _, model = loaded.load_run(run.directory, unit_layer)
    if model.units:
        model.units = _dissected(run, model)
    runtime = None
    if WEB in formats:
        model.require("generate")
        from keras_infogan.export import web_runtime

        runtime = web_runtime.files()  # before minutes are spent: it may need a network
    exported = tuple(name for name in model.capabilities if name in contracts.ONNX_FILES)
    contract = dataclasses.replace(
        contract,
        step=model.step,
        capabilities=exported,
        likelihood=model.likelihood,
        classes=model.classes,
        units=model.units,
    )
    contract.check_names()
    parts = []
    if "onnx" in formats:
        from keras_infogan.export import to_onnx

        parts += to_onnx.write(contract, run, model.learner, directory, fp16)
    if "saved_model" in formats:
        from keras_infogan.export import to_saved_model

        to_saved_model.write(contract, model.learner, directory / saved_model)
        parts.append(saved_model)
    names = []
    if parts:
        from keras_infogan.export import model_card

        content = _describe(contract, run, model, directory, parts)
        text = _as_text(content)
        if "saved_model" in formats:
            # An older version, rolled back to, has its own.
            (directory / saved_model / "assets.extra" / CONTRACT_FILE).write_text(
                text, encoding="utf-8"
            )
        (directory / CONTRACT_FILE).write_text(text, encoding="utf-8")
        names = [*model_card.write(contract, model, content, directory), *parts, CONTRACT_FILE]
    if WEB in formats:
        from keras_infogan.export import to_web

        web = to_web.contract_of(contract)
        parts = to_web.write(web, run, model.learner, directory / WEB, runtime)
        (directory / WEB / CONTRACT_FILE).write_text(
            _as_text(_describe(web, run, model, directory / WEB, parts)), encoding="utf-8"
        )
        names = [WEB, *names]
    return names


def _dissected(run, model):
    """Returns the Units of a model, with the segments that a dissection of this step matched them
    to, where keras_infogan.dissect left it in the run directory.

    Raises:
      UserError: if it is damaged.
    """
    path = run.directory / "dissection" / "units.json"
    if not path.is_file():
        return model.units
    form = {"layer": str, "step": int, "units": [{"segment": (str, None)}]}
    try:
        content = parse_json(path.read_bytes())
    except (OSError, ValueError):
        content = {}
    if not has_form(content, form):
        raise UserError(f"{path} is damaged; remove it, or dissect the run again.")
    segments = tuple(unit["segment"] for unit in content["units"])
    found = units.Units(content["layer"], segments)
    same = (found.layer, found.gain, content["step"]) == (
        model.units.layer,
        model.units.gain,
        model.step,
    )
    return found if same else model.units


def _describe(contract, run, model, directory, parts):
    """Returns the content of generator.json for files of these names in a directory, having
    compared them with the model.
    """
    from keras_infogan.export import parity

    onnx = any(name.endswith(".onnx") for name in parts)
    packages = ["keras", "tensorflow"] + ["tf2onnx", "onnx", "onnxruntime"] * onnx
    return contract.to_json() | {
        "exported": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "files": {name: _facts(directory / name) for name in parts},
        "evaluation": _evaluation(contract, runs.read_metrics(run)),
        "parity": parity.measure(contract, model, directory, parts),
        "versions": {"python": platform.python_version()}
        | {package: _version(package) for package in packages},
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


def _evaluation(contract, metrics):
    """Returns what generator.json says of the run's scores: the content of metrics.json, or None,
    made small, with codes under their exported names.
    """
    if metrics is None:
        return None
    renamed = dict(
        zip(contract.trained_as, (code.name for code in contract.latent_spec.codes), strict=True)
    )
    parts = {}
    for key in metrics["scores"]:
        score, _, part = key.partition("/")
        parts.setdefault(score, set()).add(part)
    # Others have parts of other names.
    per_code = {score for score, found in parts.items() if found <= {*renamed, "noise"}}

    def under_new_name(key):
        score, slash, part = key.partition("/")
        return score + slash + (renamed.get(part, part) if score in per_code else part)

    scores = {under_new_name(key): value for key, value in metrics["scores"].items()}
    details = {
        kind: {renamed.get(name, name): value for name, value in found.items()}
        for kind, found in metrics["details"].items()
    }
    said = alarms.alarms(
        scores,
        contract.latent_spec.codes,
        details.get("category_shares", {}),
        metrics["skipped"].values(),
    )
    said += alarms.unfinished(metrics["evaluated"]["step"], contract.settings["steps"])
    return {
        "step": metrics["evaluated"]["step"],
        "scores": scores,
        "labels_of_categories": {
            name: confusion["matches"]
            for name, confusion in details.get("confusion", {}).items()
            if name in renamed.values()
        },
        "alarms": [alarm.sentence for alarm in said],
    }
