"""Measures a training command's memory over its steps:

    python tests/benchmarks/training_memory.py RUN_DIR [flags of keras_infogan.train]

Prints the resident memory at every 500th step, pictures and checkpoints included. It prints, it
asserts nothing. Linux only.
"""

import pathlib
import subprocess
import sys
import time

_EVERY = 500


def resident_mib(pid):
    """Returns the resident memory of a process in MiB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main(run_dir, *arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_infogan.train", f"--run_dir={run_dir}", *arguments]
    )
    log, shown = pathlib.Path(run_dir) / "metrics.jsonl", 0
    while process.poll() is None:
        steps = log.read_text().count("\n") * 10 if log.exists() else 0
        if steps >= shown + _EVERY:
            shown = steps // _EVERY * _EVERY
            print(f"step {shown:6,}: {resident_mib(process.pid):7.0f} MiB", flush=True)
        time.sleep(0.2)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
