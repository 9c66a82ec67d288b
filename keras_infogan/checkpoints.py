"""Checkpoints: weights, optimizers and the step, saved whole and sealed, restored from the newest
one that can be read.
"""

import hashlib
import io
import pathlib
import re
import sys
import warnings

import numpy as np

from keras_infogan import files
from keras_infogan.config import UserError
from keras_infogan.untrusted import printable

_KEPT = 3
# What h5py and Keras raise for a file that is not what it was.
_DAMAGES = (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, UserWarning)
_NAME = re.compile(r"step_([0-9]{1,18})\.weights\.h5")
_SEAL = b"sha256 of all before:"


def paths(run):
    """Returns the run's checkpoints, the newest first; other files in their folder are none."""
    found = [path for path in run.checkpoints.glob("step_*") if _NAME.fullmatch(path.name)]
    return sorted(filter(pathlib.Path.is_file, found), key=step_of, reverse=True)


def step_of(path):
    """Returns the step that a checkpoint's name states."""
    match = _NAME.fullmatch(path.name)
    assert match
    return int(match[1])


class _WeightsInMemory(io.BytesIO):
    """A file in memory that Keras takes for one of weights: it goes by the end of the name."""

    def __str__(self):
        return "memory.weights.h5"


def _seal(data):
    """Returns what is appended to a checkpoint, so that damage shows that HDF5 does not notice;
    HDF5 itself ignores it.
    """
    return _SEAL + hashlib.sha256(data).digest()


def _check_seal(path):
    """Raises ValueError if a checkpoint's bytes are not those that were written.

    Checkpoints of version 1 have no seal.
    """
    data = path.read_bytes()
    end = len(data) - len(_seal(b""))
    if data[max(end, 0) :].startswith(_SEAL) and data[end:] != _seal(data[:end]):
        raise ValueError("its bytes are not those that were written")


def save(run, model):
    """Writes a checkpoint: complete and sealed under its name, or not there.

    Older ones but the newest few are removed.

    Raises:
      UserError: if a weight is not finite; the checkpoints before stay.
    """
    for variable in model.trainable_variables:
        if not np.isfinite(variable.numpy()).all():
            raise UserError(
                f"the weights are no longer finite at step {model.step} ({variable.path}); the "
                f"last good checkpoint in {run.checkpoints} is kept."
            )
    # In memory first: HDF5 ends the process with a signal where a disk is full.
    content = _WeightsInMemory()
    model.save_weights(content)
    data = content.getvalue()
    try:
        files.write_atomically(
            run.checkpoints / f"step_{model.step:08d}.weights.h5", data + _seal(data)
        )
    except OSError as error:
        raise UserError(
            f"cannot write a checkpoint to {run.checkpoints}: {error.strerror}; mend that and run "
            "the same command again, it continues."
        ) from None
    for old in paths(run)[_KEPT:]:
        old.unlink(missing_ok=True)


def restore(run, model):
    """Loads the newest checkpoint that can be read into a built model, and says on stderr
    which ones could not.

    Returns:
      The step of the checkpoint; 0 if the run has none yet.

    Raises:
      UserError: if there are checkpoints and none can be read.
    """
    found = paths(run)
    for path in found:
        try:
            _check_seal(path)
            with warnings.catch_warnings():
                # Of an optimizer that the file does not hold whole Keras only warns, and it would
                # begin anew.
                warnings.simplefilter("error", UserWarning)
                model.load_weights(path)
        except _DAMAGES as error:
            fault = next(iter(str(error).splitlines()), type(error).__name__)
            said = f"{path} cannot be read ({fault}); trying the one before."
            print(printable(said), file=sys.stderr)
            continue
        if not model.step:  # a checkpoint of version 1
            model.steps_taken.assign(step_of(path))
        return model.step
    if found:
        raise UserError(
            f"none of the {len(found)} checkpoints in {run.checkpoints} can be read; restore one "
            "or train anew in another --run_dir."
        )
    return 0
