"""The run directory: one folder carries a model from training to everything after it.

    config.json        what was trained on what; written first
    labels.json        of a model that learns from labels: the classes' names, and the places in the
                       training split of the images whose labels it reads (null: all)
    images.json        of a user's own images: the size in bytes of each by its name
    checkpoints/       step_00005000.weights.h5: weights, optimizers, step; the newest few
    metrics.jsonl      losses and information, one line per `log_every_steps`
    events/            the same for TensorBoard, with pictures
    samples/           pictures of generated images, one per `picture_every_steps`,
                       from fixed latents
    traversals/        pictures in which one code moves, a folder per code
    metrics.json       scores, and report.html, the same to look at (keras_infogan.evaluate)
    reconstructions.png, interpolations.png
                       real images as a model that encodes them gives them back, and the way from
                       one to another (keras_infogan.evaluate)
    features.png       features of both data sets of domain-adversarial training (the same)

Nothing here needs TensorFlow; loading a model does (`trained`).
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import sys
from typing import Any

from keras_infogan import checkpoints, config, datasets, files, models
from keras_infogan.config import UserError
from keras_infogan.framing import CROPPED, Framing, of_dataset
from keras_infogan.notation import parse_codes
from keras_infogan.untrusted import has_form, parse_json

# 2: checkpoints hold the count of steps apart from the optimizers' counts. 3: some settings went
# (see the models' `from_json`). Older runs load.
VERSION = 3
# Forms, as `has_form` takes them: of config.json, of a line of the log, of metrics.json and the
# tables in it.
_CONFIG = {
    "version": int,
    "model": str,
    "dataset": str,
    "data_dir": (str, None),
    "image_shape": [int],
    "settings": {str: (bool, float, str)},
}
_LINE = {str: float}
_METRICS = {
    "evaluated": {"step": int},
    "commands": [str],
    "scores": {str: float},
    "protocols": {str: str},
    "seconds": {str: float},
    # Version 0.1.0 wrote the sentence alone.
    "skipped": {str: (str, {"reason": str, "kind": str})},
    "details": {},
    "counts": {str: int},
    "alarms": [(str, {"kind": str, "sentence": str})],
}
_TABLES = {
    "category_shares": {str: [float]},
    "confusion": {str: {"classes": [str], "counts": [[int]], "matches": {str: str}}},
    "class_confusion": {str: {"classes": [str], "counts": [[int]]}},
    "information_on_factors": {
        "codes": [str],
        "factors": [str],
        "nats": [[float]],
        "entropies": [float],
    },
}
_DATASET = re.compile(r"[A-Za-z0-9_]+(?:[.:/+-][A-Za-z0-9_]+)*")


class UnreadableError(UserError):
    """A directory is no run, or none that this version reads."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What config.json says, and where things lie.

    Attributes:
      directory: the run directory.
      model: name in models.MODELS.
      dataset: name of the data set.
      data_dir: where its data was read from, or None.
      image_shape: (height, width, channels).
      settings: the model's Settings; of exported files the dict that config.json held,
        for people to read.
      fingerprint: tells a user's own images from others (see datasets.fingerprint), or None.
      framing: Framing of every picture that goes into it.
      listing: what the user's own images are (see datasets.listing), or None.
      init_from: directory of the run with whose weights it began, or None.
    """

    directory: pathlib.Path
    model: str
    dataset: str
    data_dir: str | None
    image_shape: tuple
    settings: Any
    fingerprint: str | None = None
    framing: Framing = CROPPED
    listing: dict | None = None
    init_from: str | None = None

    @property
    def checkpoints(self):
        return self.directory / "checkpoints"

    @property
    def images(self):
        return self.directory / "images.json"

    @property
    def labels(self):
        return self.directory / "labels.json"

    @property
    def metrics_log(self):
        return self.directory / "metrics.jsonl"

    @property
    def events(self):
        return self.directory / "events"

    @property
    def metrics(self):
        return self.directory / "metrics.json"

    @property
    def report(self):
        return self.directory / "report.html"

    @property
    def samples(self):
        return self.directory / "samples"

    @property
    def traversals(self):
        return self.directory / "traversals"

    def to_json(self):
        """Returns the content of config.json."""
        return {
            "version": VERSION,
            "model": self.model,
            "dataset": self.dataset,
            "data_dir": self.data_dir,
            "fingerprint": self.fingerprint,
            "image_shape": list(self.image_shape),
            "framing": dataclasses.asdict(self.framing),
            "init_from": self.init_from,
            "settings": self.settings
            if isinstance(self.settings, dict)
            else dataclasses.asdict(self.settings),
        }


def read(directory):
    """Reads a run directory's config.json.

    Returns:
      A Run.

    Raises:
      UnreadableError: if there is none, it is damaged, or a newer version wrote it.
    """
    directory = pathlib.Path(directory)
    path = directory / "config.json"
    try:
        return from_json(directory, parse_json(files.read(path)))
    except UserError as error:
        raise UnreadableError(str(error)) from None
    except FileNotFoundError:
        raise UnreadableError(
            f"{directory} is not a run directory: it has no config.json; give the --run_dir that "
            "keras_infogan.train wrote."
        ) from None
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror}.") from None
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise UnreadableError(
            f"{path} is damaged ({error!r}); restore it or train anew in another --run_dir."
        ) from None


def written(run):
    """Returns what a run's config.json holds as it is, or None if there is none: of a run that an
    earlier version wrote, what that knew it by.
    """
    with contextlib.suppress(OSError, ValueError):
        return parse_json(files.read(run.directory / "config.json"))
    return None


def from_json(directory, content):
    """Returns the Run that `Run.to_json` wrote.

    Raises:
      UserError: if a newer version wrote it.
      ValueError, KeyError, TypeError, AttributeError, OverflowError: if it is damaged.
    """
    version = content["version"]
    if has_form(version, int) and version > VERSION:
        raise UserError(
            f"{directory} was written by a newer keras-infogan (run version {version}, this one "
            f"reads up to {VERSION}); update keras-infogan."
        )
    for name, form in _CONFIG.items():
        if not has_form(content[name], form):
            raise ValueError(f"{name} is {content[name]!r:.100}")
    if content["model"] not in models.MODELS:
        raise UserError(
            f"{directory} is a run of {content['model']!r}, and this keras-infogan has no such "
            f"model; it has {', '.join(models.MODELS)}."
        )
    try:
        settings = models.settings_class(content["model"]).from_json(content["settings"])
    except UserError as error:
        raise UserError(f"{directory / 'config.json'}: {error}") from None
    shape, fingerprint = tuple(content["image_shape"]), content.get("fingerprint")
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"image_shape is {content['image_shape']!r:.100}")
    if not _DATASET.fullmatch(content["dataset"]):
        raise ValueError(f"dataset is {content['dataset']!r:.100}")
    if not has_form(fingerprint, (str, None)):
        raise ValueError(f"fingerprint is {fingerprint!r:.100}")
    if not has_form(init_from := content.get("init_from"), (str, None)):
        raise ValueError(f"init_from is {init_from!r:.100}")
    framing = (
        Framing.from_json(content["framing"])
        if "framing" in content
        else of_dataset(content["dataset"])
    )
    return Run(
        directory,
        content["model"],
        content["dataset"],
        content["data_dir"],
        shape,
        settings,
        fingerprint,
        framing,
        init_from=init_from,
    )


def differences(run, other):
    """Returns what two runs do not share, as texts "name: one, not other".

    Where data lies and how long to train are not part of it.
    """
    mine, theirs = run.to_json(), other.to_json()
    for content in (mine, theirs):
        # Whole numbers were shown so by versions that did not say it.
        content["framing"]["white"] = content["framing"]["white"] or 65535.0
    ignored = {"data_dir", "settings", "version", "fingerprint", "init_from"}
    found = [
        f"{key}: {theirs[key]}, not {mine[key]}"
        for key in mine
        if key not in ignored and mine[key] != theirs[key]
    ]
    if mine["fingerprint"] != theirs["fingerprint"]:
        found.append(f"images: {changes_of_images(other, run.listing)}")
    if mine["model"] != theirs["model"]:
        return found  # whose settings are others anyway
    settings, others = mine["settings"], theirs["settings"]
    return found + [
        f"{key}: {others[key]!r}, not {settings[key]!r}"
        for key in settings
        if key not in ("steps", *run.settings.places) and not _same(key, settings[key], others[key])
    ]


def changes_of_images(run, listing):
    """Returns how the user's own images differ from those of a run, in words.

    Args:
      run: Run.
      listing: of the images there are now, or None.
    """
    before: Any = None
    with contextlib.suppress(OSError, ValueError):
        before = parse_json(files.read(run.images))
    if not has_form(before, {str: (int, None)}) or listing is None:
        return "others, by name and size"
    shared = before.keys() & listing.keys()
    counts = {
        "added": len(listing) - len(shared),
        "gone": len(before) - len(shared),
        "of another size": sum(before[name] != listing[name] for name in shared),
    }
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def warn_of_other_images(run, listing):
    """Says on stderr if the user's own images, of which `listing` tells, are not those of a run."""
    if datasets.fingerprint(listing) != run.fingerprint:
        print(
            f"The images are not those that {run.directory} was trained on: "
            f"{changes_of_images(run, listing)}.",
            file=sys.stderr,
        )


def _same(key, value, other):
    """Whether two values of a setting are the same: codes are, however they are written."""
    return value == other or (key == "codes" and parse_codes(value) == parse_codes(other))


def choose_directory(run, root=pathlib.Path("runs")):
    """Returns `run` with a directory: the newest of runs/<dataset>-<model>-<n> that holds the same
    configuration, or the next free number.
    """
    pattern = re.compile(rf"{re.escape(run.dataset)}-{re.escape(run.model)}-(\d+)")
    numbers = sorted(
        int(match[1]) for path in root.glob("*") if (match := pattern.fullmatch(path.name))
    )
    for number in reversed(numbers):
        directory = root / f"{run.dataset}-{run.model}-{number}"
        # A damaged run, or one of a newer version, is not the one meant.
        with contextlib.suppress(UserError):
            if not differences(run, read(directory)):
                return dataclasses.replace(run, directory=directory)
    return dataclasses.replace(
        run, directory=root / f"{run.dataset}-{run.model}-{(numbers or [0])[-1] + 1}"
    )


def check(run):
    """Raises UserError unless the run's directory is free, or holds the same configuration (the
    number of steps may change), and can be written.
    """
    directory = run.directory
    try:
        if (directory / "config.json").exists():
            different = differences(run, read(directory))
            if different:
                raise UserError(
                    f"{directory} holds a different run ({'; '.join(different)}); give another "
                    "--run_dir or the same settings."
                )
        elif directory.is_dir() and any(path.name != files.LOCK for path in directory.iterdir()):
            raise UserError(
                f"{directory} is not empty and not a run directory; give another --run_dir."
            )
        nearest = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    except OSError as error:
        raise UserError(
            f"cannot write to {directory}: {error.strerror}; give a --run_dir that can be written."
        ) from None
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise UserError(
            f"cannot write to {directory} ({nearest} is no directory that can be written); give "
            "another --run_dir."
        )


def create(run):
    """Creates the run directory and writes config.json; an existing run with the same
    configuration goes on.

    Raises:
      UserError: as `check`. Nothing is overwritten then.
    """
    check(run)
    directory = run.directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # A run that has taken as many steps already is not trained again and keeps what
        # it says of itself.
        if not any(
            checkpoints.step_of(path) >= run.settings.steps for path in checkpoints.paths(run)
        ):
            files.write_atomically(
                directory / "config.json", json.dumps(run.to_json(), indent=2) + "\n"
            )
            if run.listing is not None:
                files.write_atomically(run.images, json.dumps(run.listing))
        for folder in (run.checkpoints, run.events, run.samples, run.traversals):
            folder.mkdir(exist_ok=True)
        # Of a process that was killed. Only what training alone writes: another command may be
        # writing into the run directory itself at this moment.
        for folder in (run.checkpoints, run.samples, run.traversals):
            for unfinished in folder.rglob(".writing_*"):
                unfinished.unlink()
    except OSError as error:
        raise UserError(
            f"cannot write to {directory}: {error.strerror}; give a --run_dir that can be written."
        ) from None


@contextlib.contextmanager
def locked(run):
    """While it lasts no other process trains in the run's directory, which is created.

    The lock ends with the process, however that ends.

    Raises:
      UserError: if another process trains there, or the directory cannot be written.
    """
    check(run)
    with files.locked_directory(run.directory, "--run_dir", "training"):
        yield


def read_log(run, last_bytes=None):
    """Returns the lines of metrics.jsonl as dicts, of its last bytes only where `last_bytes` is
    given. A line cut short by a kill, or damaged otherwise, is left out.
    """
    lines = []
    with contextlib.suppress(FileNotFoundError), files.opened(run.metrics_log) as file:
        if last_bytes:
            file.seek(max(0, os.fstat(file.fileno()).st_size - last_bytes))
        for line in file:
            with contextlib.suppress(ValueError):
                lines.append(parse_json(line))
    return [line for line in lines if has_form(line, _LINE) and has_form(line, {"step": int})]


def read_classes(run):
    """Returns the names of the classes that a run learned from labels, in order; () if it learned
    from none, or the file is damaged.
    """
    with contextlib.suppress(FileNotFoundError, ValueError):
        content = parse_json(files.read(run.labels))
        if has_form(content, {"classes": [str]}):
            return tuple(content["classes"])
    return ()


def read_metrics(run):
    """Returns the content of the run's metrics.json, or None if it was not evaluated yet, or the
    file is damaged.
    """
    try:
        content = parse_json(files.read(run.metrics))
    except (FileNotFoundError, ValueError):
        return None
    if not has_form(content, _METRICS) or not _tables_agree(content["details"]):
        return None
    if {name.split("/")[0] for name in content["scores"]} - content["protocols"].keys():
        return None
    return content | {
        "alarms": [_alarm(entry) for entry in content["alarms"]],
        "skipped": {name: _skipped(why) for name, why in content["skipped"].items()},
    }


def _tables_agree(details):
    """Whether the tables behind scores are tables, with as many rows and columns as titles."""
    if not all(has_form(table, _TABLES.get(name, {})) for name, table in details.items()):
        return False
    shares = details.get("category_shares", {})
    confusions = {
        **details.get("confusion", {}),
        # Beside those of codes, whatever these are called.
        **{(part,): table for part, table in details.get("class_confusion", {}).items()},
    }
    information = details.get("information_on_factors", {"codes": [], "nats": []})
    return (
        all(shares.values())
        and all(len(table["counts"]) == len(table["classes"]) > 0 for table in confusions.values())
        and len(information["nats"]) == len(information["codes"])
        and all(
            len(row) == len(information["factors"]) == len(information["entropies"]) > 0
            for row in information["nats"]
        )
    )


def _alarm(entry):
    """Returns an alarm as a dict; version 0.1.0 wrote the sentence alone."""
    return (
        {"kind": "unknown", "sentence": entry}
        if isinstance(entry, str)
        else {name: entry[name] for name in ("kind", "sentence")}
    )


def _skipped(why):
    """Returns why a score could not be had as a dict; version 0.1.0 wrote the sentence alone."""
    if isinstance(why, str):
        return {"reason": why, "kind": "not_finite" if "are not finite for" in why else "missing"}
    return {name: why[name] for name in ("reason", "kind")}


def check_trained(directory):
    """Returns the Run in a directory; raises UserError if it is none or has no checkpoint yet.

    Loads no TensorFlow.
    """
    if not directory:
        raise UserError(
            "which run? Give --run_dir=DIR, the directory that keras_infogan.train wrote."
        )
    run = read(directory)
    if not checkpoints.paths(run):
        raise UserError(
            f"{directory} has no checkpoint yet; train first: "
            f"{config.command_line('train', dataset=run.dataset, run_dir=directory)}."
        )
    return run
