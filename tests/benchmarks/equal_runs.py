"""Says whether two runs ended with equal bits: every array of their newest checkpoints (weights,
optimizers, step), and their logs.

    python tests/benchmarks/equal_runs.py RUNS_BEFORE RUNS_AFTER

Each is a folder with run directories of the same names.
"""

import pathlib
import sys

import h5py
import numpy as np


def arrays(run):
    """Returns every array of a run's newest checkpoint by its path."""
    found = {}
    with h5py.File(max((run / "checkpoints").glob("step_*.weights.h5"))) as file:
        file.visititems(
            lambda path, item: (
                found.__setitem__(path, item[()]) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found


def main(before, after):
    for run in sorted(path.parent for path in pathlib.Path(before).glob("*/config.json")):
        other = pathlib.Path(after, run.name)
        ours, theirs = arrays(run), arrays(other)
        different = [
            path
            for path in ours.keys() | theirs.keys()
            if path not in ours
            or path not in theirs
            or not np.array_equal(ours[path], theirs[path])
        ]
        log = (run / "metrics.jsonl").read_text() == (other / "metrics.jsonl").read_text()
        print(
            f"{run.name}: {len(ours)} arrays, {len(different)} different; log "
            f"{'equal' if log else 'different'}"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
