"""The run directory: one folder carries a model from training to everything after it.

    config.json        what was trained on what; written first
    checkpoints/       step_00005000.weights.h5: weights, optimizers, step; the newest few
    metrics.jsonl      losses and information, one line per `log_every_steps`
    events/            the same for TensorBoard, with pictures
    samples/           pictures of generated images, one per `picture_every_steps`, from fixed latents
    traversals/        pictures in which one code moves, a folder per code
    metrics.json       scores, and report.html, the same to look at (keras_infogan.evaluate)

Reading and comparing config.json needs no TensorFlow; loading a model does.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import re
import sys

import numpy as np

from keras_infogan import models
from keras_infogan.config import UserError

# 2: checkpoints hold the count of steps apart from the optimizers' counts. Runs of version 1 load.
VERSION = 2
_KEPT_CHECKPOINTS = 3
_LOCK = ".lock"
_SEAL = b"sha256 of all before:"


@dataclasses.dataclass(frozen=True)
class Run:
    """What config.json says, and where things lie.

    Attributes:
      directory: the run directory.
      model: name in models.MODELS.
      dataset: name of the data set.
      data_dir: where its data was read from, or None.
      image_shape: (height, width, channels).
      config: the model's settings.
      fingerprint: tells a user's own images from others (see datasets.fingerprint), or None.
    """

    directory: pathlib.Path
    model: str
    dataset: str
    data_dir: str | None
    image_shape: tuple
    config: object
    fingerprint: str | None = None

    @property
    def checkpoints(self):
        return self.directory / "checkpoints"

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
            "settings": dataclasses.asdict(self.config),
        }


def write_atomically(path, data):
    """Writes bytes or text under a temporary name, then moves it into place: the file is never half-written."""
    temporary = path.with_name(f".writing_{os.getpid()}_{path.name}")
    try:
        with open(temporary, "wb") as file:
            # A file's name, which a table may hold, need not be valid UTF-8.
            file.write(data.encode(errors="surrogateescape") if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def output_directory(path):
    """Creates a directory for what a command writes, if it is not there, and returns its path; raises UserError if it cannot."""
    path = pathlib.Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {path}: {error.strerror}; give another --output_dir.") from None
    return path


def read(directory):
    """Reads a run directory's config.json.

    Returns:
      A Run.

    Raises:
      UserError: if there is none, it is damaged, or a newer version wrote it.
    """
    directory = pathlib.Path(directory)
    path = directory / "config.json"
    try:
        return from_json(directory, json.loads(path.read_text()))
    except FileNotFoundError:
        raise UserError(f"{directory} is not a run directory: it has no config.json; give the --run_dir that keras_infogan.train wrote.") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error!r}); restore it or train anew in another --run_dir.") from None


def from_json(directory, content):
    """Returns the Run that `Run.to_json` wrote.

    Raises:
      UserError: if a newer version wrote it.
      ValueError, KeyError, TypeError: if it is damaged.
    """
    version = int(content["version"])
    if version > VERSION:
        raise UserError(f"{directory} was written by a newer keras-infogan (run version {version}, this one reads up to {VERSION}); update keras-infogan.")
    settings = models.MODELS[content["model"]].Config(**content["settings"])
    shape, fingerprint = tuple(content["image_shape"]), content.get("fingerprint")
    return Run(directory, content["model"], content["dataset"], content["data_dir"], shape, settings, fingerprint)


def differences(run, other):
    """Returns what two runs do not share, as texts "name: one, not other". Where data lies and how long to train are not part of it."""
    mine, theirs = run.to_json(), other.to_json()
    ignored = {"data_dir", "settings", "version"}
    shown = {"fingerprint": "images (by name and size)"}
    found = [f"{shown.get(key, key)}: {theirs[key]}, not {mine[key]}" for key in mine if key not in ignored and mine[key] != theirs[key]]
    settings, others = mine["settings"], theirs["settings"]
    return found + [f"{key}: {others[key]!r}, not {settings[key]!r}" for key in settings if key != "steps" and settings[key] != others[key]]


def choose_directory(run, root=pathlib.Path("runs")):
    """Returns `run` with a directory: the newest of runs/<dataset>-<model>-<n> that holds the same configuration, or the next free number."""
    pattern = re.compile(rf"{re.escape(run.dataset)}-{re.escape(run.model)}-(\d+)")
    numbers = sorted(int(match[1]) for path in root.glob("*") if (match := pattern.fullmatch(path.name)))
    for number in reversed(numbers):
        directory = root / f"{run.dataset}-{run.model}-{number}"
        with contextlib.suppress(UserError):  # a damaged run, or one of a newer version, is not the one meant
            if not differences(run, read(directory)):
                return dataclasses.replace(run, directory=directory)
    return dataclasses.replace(run, directory=root / f"{run.dataset}-{run.model}-{(numbers or [0])[-1] + 1}")


def check(run):
    """Raises UserError unless the run's directory is free, or holds the same configuration (the number of steps may change), and can be written."""
    directory = run.directory
    try:
        if (directory / "config.json").exists():
            different = differences(run, read(directory))
            if different:
                raise UserError(f"{directory} holds a different run ({'; '.join(different)}); give another --run_dir or the same settings.")
        elif directory.is_dir() and any(path.name != _LOCK for path in directory.iterdir()):
            raise UserError(f"{directory} is not empty and not a run directory; give another --run_dir.")
        nearest = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    except OSError as error:
        raise UserError(f"cannot write to {directory}: {error.strerror}; give a --run_dir that can be written.") from None
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise UserError(f"cannot write to {directory} ({nearest} is no directory that can be written); give another --run_dir.")


def create(run):
    """Creates the run directory and writes config.json; an existing run with the same configuration goes on.

    Raises:
      UserError: as `check`. Nothing is overwritten then.
    """
    check(run)
    directory = run.directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # A run that has taken as many steps already is not trained again and keeps what it says of itself.
        if not any(step_of(path) >= run.config.steps for path in checkpoint_paths(run)):
            write_atomically(directory / "config.json", json.dumps(run.to_json(), indent=2) + "\n")
        for folder in (run.checkpoints, run.events, run.samples, run.traversals):
            folder.mkdir(exist_ok=True)
        # Of a process that was killed. Only checkpoints: another command may be writing into the run directory itself at this moment.
        for unfinished in run.checkpoints.glob(".writing_*"):
            unfinished.unlink()
    except OSError as error:
        raise UserError(f"cannot write to {directory}: {error.strerror}; give a --run_dir that can be written.") from None


@contextlib.contextmanager
def locked(run):
    """While it lasts no other process trains in the run's directory, which is created. The lock ends with the process, however that ends.

    Raises:
      UserError: if another process trains there, or the directory cannot be written.
    """
    check(run)
    with locked_directory(run.directory, "--run_dir", "training"):
        yield


@contextlib.contextmanager
def locked_directory(directory, flag, doing):
    """While it lasts no other process holds the directory, which is created, in this way.

    Raises:
      UserError: if another process does, which is said to be `doing` it, or the directory cannot be written; the remedy is another value of `flag`.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = open(directory / _LOCK, "a")  # noqa: SIM115, it stays open as long as the lock lasts
    except OSError as error:
        raise UserError(f"cannot write to {directory}: {error.strerror}; give a {flag} that can be written.") from None
    with file:
        if not _lock(file):
            raise UserError(f"another process is {doing} in {directory}; wait until it ends, or give another {flag}.")
        yield


def is_locked(run):
    """Whether a process trains in the run's directory."""
    try:
        with open(run.directory / _LOCK, "a") as file:
            return not _lock(file)
    except OSError:
        return False


def _lock(file):
    """Takes the lock that `file` stands for, if it is free, and returns whether it was. Systems without such locks (Windows) go without."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def read_log(run, last_bytes=None):
    """Returns the lines of metrics.jsonl as dicts, of its last bytes only where `last_bytes` is given. A line cut short by a kill is left out."""
    lines = []
    with contextlib.suppress(FileNotFoundError), open(run.metrics_log, "rb") as file:
        if last_bytes:
            file.seek(max(0, os.fstat(file.fileno()).st_size - last_bytes))
        for line in file:
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
    return [line for line in lines if isinstance(line, dict) and "step" in line]


def read_metrics(run):
    """Returns the content of the run's metrics.json, or None if it was not evaluated yet, or the file is damaged."""
    try:
        content = json.loads(run.metrics.read_text())
    except (FileNotFoundError, ValueError):
        return None
    known = {"evaluated", "commands", "scores", "protocols", "seconds", "skipped", "details", "counts", "alarms"}
    return content if isinstance(content, dict) and known <= content.keys() else None


def checkpoint_paths(run):
    """Returns the run's checkpoints, the newest first."""
    return sorted(run.checkpoints.glob("step_*.weights.h5"), reverse=True)


def step_of(path):
    """Returns the step that a checkpoint's name states."""
    return int(path.name.split(".")[0].removeprefix("step_"))


class _WeightsInMemory(io.BytesIO):
    """A file in memory that Keras takes for one of weights: it goes by the end of the name."""

    def __str__(self):
        return "memory.weights.h5"


def _seal(data):
    """Returns what is appended to a checkpoint, so that damage shows that HDF5 does not notice; HDF5 itself ignores it."""
    return _SEAL + hashlib.sha256(data).digest()


def _check_seal(path):
    """Raises ValueError if a checkpoint's bytes are not those that were written. Checkpoints of version 1 have no seal."""
    data = path.read_bytes()
    end = len(data) - len(_seal(b""))
    if data[max(end, 0) :].startswith(_SEAL) and data[end:] != _seal(data[:end]):
        raise ValueError("its bytes are not those that were written")


def save(run, model):
    """Writes a checkpoint: complete and sealed under its name, or not there. Older ones but the newest few are removed.

    Raises:
      UserError: if a weight is not finite; the checkpoints before stay.
    """
    for variable in model.trainable_variables:
        if not np.isfinite(variable.numpy()).all():
            raise UserError(f"the weights are no longer finite at step {model.step} ({variable.path}); the last good checkpoint in {run.checkpoints} is kept.")
    # In memory first: HDF5 ends the process with a signal where a disk is full.
    content = _WeightsInMemory()
    model.save_weights(content)
    data = content.getvalue()
    try:
        write_atomically(run.checkpoints / f"step_{model.step:08d}.weights.h5", data + _seal(data))
    except OSError as error:
        raise UserError(f"cannot write a checkpoint to {run.checkpoints}: {error.strerror}; mend that and run the same command again, it continues.") from None
    for old in checkpoint_paths(run)[_KEPT_CHECKPOINTS:]:
        old.unlink(missing_ok=True)


def restore(run, model):
    """Loads the newest checkpoint that can be read into a built model, and says on stderr which ones could not.

    Returns:
      The step of the checkpoint; 0 if the run has none yet.

    Raises:
      UserError: if there are checkpoints and none can be read.
    """
    paths = checkpoint_paths(run)
    for path in paths:
        try:
            _check_seal(path)
            model.load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            print(f"{path} cannot be read ({str(error).splitlines()[0]}); trying the one before.", file=sys.stderr)
            continue
        if not model.step:  # a checkpoint of version 1
            model.steps_taken.assign(step_of(path))
        return model.step
    if paths:
        raise UserError(f"none of the {len(paths)} checkpoints in {run.checkpoints} can be read; restore one or train anew in another --run_dir.")
    return 0


def check_trained(directory):
    """Returns the Run in a directory; raises UserError if it is none or has no checkpoint yet. Loads no TensorFlow."""
    if not directory:
        raise UserError("which run? Give --run_dir=DIR, the directory that keras_infogan.train wrote.")
    run = read(directory)
    if not checkpoint_paths(run):
        raise UserError(f"{directory} has no checkpoint yet; train first: python -m keras_infogan.train --dataset={run.dataset} --run_dir={directory}.")
    return run


def load(directory):
    """Loads a trained model: builds it from config.json and reads its newest checkpoint, moving averages in place of the generator's weights if kept.

    It computes in float32 whatever precision it was trained in, so that what is seen, scored and exported is the same.

    Returns:
      (Run, built keras.Model).

    Raises:
      UserError: if it is no run directory or has no checkpoint yet.
    """
    run = check_trained(directory)
    model = models.build(run.model, run.config, run.image_shape, precision="float32")
    restore(run, model)
    model.use_average()
    return run, model
