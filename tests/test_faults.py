"""What may go wrong while a run trains, provoked: nothing is lost, and the same command continues.

The long ones run with `python -m pytest tests/test_faults.py -m slow`; they print what they did.
"""

import functools
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import forked
import numpy as np
import pytest
from conftest import (
    PATIENCE,
    checkpoint,
    free_ports,
    sentence,
    succeed_here,
    wait_for_lines,
    wait_until,
    worker_environment,
)

from keras_infogan import checkpoints, runs

SMALL_LAYERS = (
    # Not one whose rates fall by --steps, which changes here when a run goes on.
    "--preset=digits_paper",
    "--trunk_layers=conv 8/2, conv 16/2 bn",
    "--recognizer_layers=dense 16 bn",
    "--generator_layers=dense 4x4x16 bn, conv 8/2 bn, conv 1/2",
    "--noise_size=8",
    "--batch_size=32",
    "--log_every_steps=1",
)


def _start(directory, *arguments, index=None, ports=None, **kwargs):
    """Starts the train command, as worker `index` of those on `ports` if given, and
    returns the process.
    """
    env = worker_environment(ports, index) if ports else None
    return forked.Command(
        "train", f"--run_dir={directory}", *SMALL_LAYERS, *arguments, env=env, **kwargs
    )


def _finish(process):
    return process.finished(PATIENCE)


def _train(directory, *arguments, **kwargs):
    return _finish(_start(directory, *arguments, **kwargs))


def _train_here(directory, *arguments):
    """Trains as `_train` does, in this process, and returns what is printed.

    Here are two virtual devices, all of which would be taken.
    """
    return succeed_here(
        "train",
        f"--run_dir={directory}",
        *SMALL_LAYERS,
        "--checkpoint_every_steps=5",
        "--devices=CPU:0",
        *arguments,
    )


def _assert_same(directory, reference):
    ours, theirs = checkpoint(directory), checkpoint(reference)
    assert ours.keys() == theirs.keys()
    for path, value in ours.items():
        assert np.array_equal(value, theirs[path]), path


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A run of 60 steps that nothing disturbed."""
    directory = tmp_path_factory.mktemp("reference") / "run"
    result = _train(directory, "--steps=60", "--checkpoint_every_steps=5")
    assert result.returncode == 0, result.stderr
    return directory


def _kill_until_done(directory, reference, arguments, kills, log):
    """Starts the same command again and again and kills it, the first time while a checkpoint is
    being written, the second at a random moment, and so on.

    Where the run ends before, its end is compared with the reference and it begins anew.

    Returns:
      (number of kills that left a checkpoint half-written, number of ends compared).
    """
    random_moments, done, half_written, ends = random.Random(0), 0, 0, 0

    def compare():
        _assert_same(directory, reference)
        assert (directory / "metrics.jsonl").read_text() == (
            reference / "metrics.jsonl"
        ).read_text()
        shutil.rmtree(directory)

    while done < kills:
        process = _start(directory, *arguments, log=log)
        moment = time.monotonic() + random_moments.uniform(2, 15)
        while process.poll() is None:
            if (
                list(directory.glob("checkpoints/.writing_*"))
                if done % 2 == 0
                else time.monotonic() > moment
            ):
                process.kill()
                process.wait()
                done += 1
                half_written += bool(list(directory.glob("checkpoints/.writing_*")))
            time.sleep(0.0005)
        if process.returncode == 0:
            compare()
            ends += 1
    assert _start(directory, *arguments, log=log).wait() == 0
    compare()
    return half_written, ends + 1


# A train command that stays within the write of its third checkpoint, where another is there for a
# moment that a busy machine may not see.
_STAYS_WHILE_IT_SAVES = """
import os, runpy, threading
sync = os.fsync
def stay(descriptor):
    if "step_00000015" in os.readlink(f"/proc/self/fd/{descriptor}"):
        threading.Event().wait()
    sync(descriptor)
os.fsync = stay
runpy.run_module("keras_infogan.train", run_name="__main__")
"""


@pytest.mark.skipif(not pathlib.Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_run_killed_while_it_saves_ends_with_the_same_weights(reference, tmp_path):
    directory = tmp_path / "run"
    arguments = ("--steps=60", "--checkpoint_every_steps=5")
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _STAYS_WHILE_IT_SAVES,
            f"--run_dir={directory}",
            *SMALL_LAYERS,
            *arguments,
        ],
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: list(directory.glob("checkpoints/.writing_*00000015*")), process)
    process.kill()
    process.wait()
    assert list(directory.glob("checkpoints/.writing_*"))
    result = _train(directory, *arguments)
    assert result.returncode == 0, result.stderr
    assert "step 10 of 60" in result.stdout
    _assert_same(directory, reference)
    assert (directory / "metrics.jsonl").read_text() == (reference / "metrics.jsonl").read_text()


@pytest.mark.slow
def test_fifty_kills(tmp_path):
    arguments, undisturbed = ["--steps=1500", "--checkpoint_every_steps=5"], tmp_path / "reference"
    assert _start(undisturbed, *arguments, log=tmp_path / "log").wait() == 0
    half_written, ends = _kill_until_done(
        tmp_path / "run", undisturbed, arguments, 50, tmp_path / "log"
    )
    print(
        f"50 kills, {half_written} of them left a half-written checkpoint; {ends} runs reached "
        "their end, all equal to the undisturbed one."
    )


def test_two_workers_of_which_one_is_killed_or_stopped(tmp_path):
    """One of two workers is killed, then one is asked to stop: each time both end with a status
    that asks for a restart, and go on from the checkpoint.
    """
    directory, ports = tmp_path / "run", free_ports(2)

    def both(steps, place=directory):
        arguments = (place, f"--steps={steps}", "--checkpoint_every_steps=5")
        return [
            _start(*arguments, index=index, ports=ports, log=tmp_path / f"log_{index}")
            for index in (0, 1)
        ]

    workers = both(100_000)
    wait_for_lines(directory / "metrics.jsonl", workers[0], 8)
    workers[1].kill()
    assert [worker.wait(timeout=PATIENCE) for worker in workers] == [75, -signal.SIGKILL]
    assert "another worker is gone" in (tmp_path / "log_0").read_text()
    killed_at = len((directory / "metrics.jsonl").read_text().splitlines())

    workers = both(100_000)
    wait_for_lines(directory / "metrics.jsonl", workers[0], killed_at + 8)
    workers[1].send_signal(signal.SIGTERM)
    assert [worker.wait(timeout=PATIENCE) for worker in workers] == [75, 75]
    stopped = [
        int(
            re.findall(
                r"Stopped by SIGTERM at step (\d+)", (tmp_path / f"log_{index}").read_text()
            )[0]
        )
        for index in (0, 1)
    ]
    assert (
        stopped[0] == stopped[1] == checkpoints.step_of(checkpoints.paths(runs.read(directory))[0])
    )

    workers = both(stopped[0] + 5)
    assert [worker.wait(timeout=PATIENCE) for worker in workers] == [0, 0]
    assert "Resuming" in (tmp_path / "log_1").read_text()
    workers = both(stopped[0] + 5, tmp_path / "undisturbed")
    assert [worker.wait(timeout=PATIENCE) for worker in workers] == [0, 0]
    _assert_same(directory, tmp_path / "undisturbed")


def test_workers_with_different_flags_are_refused(tmp_path):
    ports = free_ports(2)
    workers = [
        _start(tmp_path / "run", "--steps=5", f"--seed={index}", index=index, ports=ports)
        for index in (0, 1)
    ]
    assert {
        "workers were given different flags" in sentence(_finish(worker)) for worker in workers
    } == {True}
    assert not (tmp_path / "run" / "config.json").exists()


def test_workers_of_a_run_that_another_process_trains_are_turned_away_at_once(tmp_path, new_run):
    with runs.locked(new_run("run")):
        process = _start(tmp_path / "run", index=0, ports=free_ports(2))
        assert "another process is training" in sentence(_finish(process))


def _catches(process, number):
    """Whether a process has a handler of its own for a signal."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return bool(int(re.findall(r"SigCgt:\s*(\w+)", status)[0], 16) >> (number - 1) & 1)


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="needs /proc")
def test_ctrl_c_ends_the_wait_for_other_workers(tmp_path):
    process = _start(tmp_path / "run", index=0, ports=free_ports(2))
    wait_until(process.output.exists, process)
    wait_until(lambda: "waiting until all are there" in process.output.read_text(), process)
    wait_until(lambda: not _catches(process, signal.SIGINT), process)  # once it waits
    process.send_signal(signal.SIGINT)
    _finish(process)
    assert process.returncode == -signal.SIGINT


def test_a_second_process_is_turned_away_and_sigterm_saves_and_asks_for_a_restart(tmp_path):
    process = _start(tmp_path / "run", "--steps=100000")
    wait_for_lines(tmp_path / "run" / "metrics.jsonl", process)
    assert "another process is training" in sentence(_train(tmp_path / "run", "--steps=100000"))
    process.send_signal(signal.SIGTERM)
    result = _finish(process)
    assert result.returncode == 75
    step = int(re.findall(r"Stopped by SIGTERM at step (\d+)", result.stderr)[0])
    assert checkpoints.step_of(checkpoints.paths(runs.read(tmp_path / "run"))[0]) == step


def test_a_disk_that_is_full_loses_nothing(reference, tmp_path):
    """No file may grow beyond what the checkpoints need less a little: what a full disk
    does, without one.
    """
    directory = tmp_path / "run"
    _train_here(directory, "--steps=5")
    before = {path: path.read_bytes() for path in directory.glob("checkpoints/*")}
    limit = len(next(iter(before.values()))) - 1000
    result = _train(
        directory,
        "--steps=60",
        "--checkpoint_every_steps=5",
        before=functools.partial(
            resource.setrlimit, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)
        ),
    )
    assert "cannot write a checkpoint" in sentence(result)
    assert {path: path.read_bytes() for path in directory.glob("checkpoints/*")} == before
    _train_here(directory, "--steps=60")
    _assert_same(directory, reference)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a tmpfs")
def test_a_full_tmpfs_and_a_directory_that_becomes_read_only(tmp_path):
    mount, directory = tmp_path / "small", tmp_path / "small" / "run"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], check=True)
    try:
        print("full:", sentence(_train(directory, "--steps=60", "--checkpoint_every_steps=5")))
        saved = checkpoints.paths(runs.read(directory))
        subprocess.run(["mount", "-o", "remount,size=100m", mount], check=True)
        print(f"{len(saved)} checkpoints were kept; space is made, the same command continues")
        process = _start(directory, "--steps=100000", "--checkpoint_every_steps=5")
        wait_for_lines(directory / "metrics.jsonl", process, 40)
        folder = directory / "checkpoints"
        subprocess.run(["mount", "--bind", "-o", "ro", folder, folder], check=True)
        print("read-only:", sentence(_finish(process)))
        subprocess.run(["umount", folder], check=True)
        steps = checkpoints.step_of(checkpoints.paths(runs.read(directory))[0]) + 10
        for place in (directory, tmp_path / "undisturbed"):
            assert _train(place, f"--steps={steps}", "--checkpoint_every_steps=5").returncode == 0
        _assert_same(directory, tmp_path / "undisturbed")
    finally:
        subprocess.run(["umount", mount], check=True)


@pytest.mark.parametrize("damage", ["cut", "garbage", "one bit", "deleted"])
def test_a_damaged_newest_checkpoint_costs_its_steps_only(reference, tmp_path, capsys, damage):
    directory = tmp_path / "run"
    shutil.copytree(reference, directory)
    newest = checkpoints.paths(runs.read(directory))[0]
    content = newest.read_bytes()
    if damage == "deleted":
        newest.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        newest.write_bytes(
            {"cut": content[:middle], "garbage": os.urandom(len(content)), "one bit": flipped}[
                damage
            ]
        )
    assert "step 55 of 60" in _train_here(directory, "--steps=60")
    assert (f"{newest} cannot be read" in capsys.readouterr().err) == (damage != "deleted")
    _assert_same(directory, reference)
