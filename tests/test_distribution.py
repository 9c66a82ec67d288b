"""Devices and workers: what is asked for is checked, and training does not depend on
how many there are.
"""

import json

import forked
import numpy as np
import pytest
from conftest import (
    PATIENCE,
    SHAPE,
    checkpoint,
    free_ports,
    refusal,
    succeed_here,
    worker_environment,
)

from keras_infogan import datasets, distribution
from keras_infogan.config import UserError
from keras_infogan.datasets import ImageSet

TWO_WORKERS = {"worker": ["a:1", "b:2"]}


def _cluster(jobs, kind, index):
    return distribution.cluster(
        {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})}
    )


def test_tf_config_says_which_worker_this_is():
    assert distribution.cluster({}) == distribution.ALONE
    assert _cluster(TWO_WORKERS, "worker", 1) == distribution.Cluster(2, 1)
    assert _cluster(TWO_WORKERS, "worker", 0).is_chief
    chief_apart = {"chief": ["a:1"], "worker": ["b:2", "c:3"]}
    assert _cluster(chief_apart, "chief", 0) == distribution.Cluster(3, 0)
    assert _cluster(chief_apart, "worker", 0) == distribution.Cluster(3, 1)


@pytest.mark.parametrize(
    ("jobs", "kind", "index", "part"),
    [
        (TWO_WORKERS, "worker", 2, "no worker 2"),
        (TWO_WORKERS, "worker", "first", "should look like"),
        (TWO_WORKERS, "chief", 0, "this task among them"),
        ({**TWO_WORKERS, "ps": ["c:3"]}, "worker", 0, "may name workers"),
        ({"worker": ["a:1", "a:1"]}, "worker", 0, "different host:port"),
        ({"worker": ["a", "b"]}, "worker", 0, "different host:port"),
        ({"worker": ["a:1", "b:65536"]}, "worker", 0, "different host:port"),
        ({"worker": ["a:1", "b:0"]}, "worker", 0, "different host:port"),
        ({"worker": ["a:1", 2]}, "worker", 0, "should look like"),
        ({"worker": "a:1"}, "worker", 0, "should look like"),
        ({"worker": {"a:1": 0}}, "worker", 0, "should look like"),
        (TWO_WORKERS, "worker", None, "should look like"),
        (TWO_WORKERS, "worker", 0.5, "should look like"),
        (TWO_WORKERS, "worker", True, "should look like"),
        (TWO_WORKERS, "worker", float("inf"), "should look like"),
        (TWO_WORKERS, "worker", [0], "should look like"),
        (TWO_WORKERS, ["worker"], 0, "should look like"),
        (TWO_WORKERS, None, 0, "should look like"),
        (TWO_WORKERS, "worker", -1, "no worker -1"),
        (["a:1"], "worker", 0, "should look like"),
    ],
)
def test_a_tf_config_that_cannot_be_is_one_sentence(jobs, kind, index, part):
    with pytest.raises(UserError, match=part):
        _cluster(jobs, kind, index)


@pytest.mark.parametrize("text", ["{", "[]", "5", "null", '{"cluster": 5}', "[" * 100_000])
def test_a_tf_config_that_is_none_is_one_sentence(text):
    with pytest.raises(UserError, match="should look like") as error:
        distribution.cluster({"TF_CONFIG": text})
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("devices", "part"),
    [
        ("TPU:0", "expected devices such as"),
        ("CPU:999999999", "expected devices such as"),
        ("CPU:0,CPU:0", "names a device twice"),
        ("CPU:0,GPU:0", "mixes GPUs and CPUs"),
        ("GPU:99", "TensorFlow sees"),
    ],
)
def test_devices_that_cannot_be_are_one_sentence(tmp_path, monkeypatch, devices, part):
    monkeypatch.chdir(tmp_path)
    assert part in refusal("train", f"--devices={devices}", without=())
    assert not list(tmp_path.rglob("config.json"))


def test_workers_read_parts_of_each_batch_that_do_not_overlap():
    images = np.arange(40, dtype=np.uint8).reshape(40, 1, 1, 1)
    image_set = ImageSet(np.broadcast_to(images, (40, *SHAPE)))

    def rows(steps, start=0, **workers):
        batches = datasets.batches(image_set, 8, seed=3, start_step=start, **workers).take(steps)
        return np.concatenate([batch["image"].numpy()[:, 0, 0, 0] for batch in batches])

    whole = rows(10, start=1).reshape(10, 2, 4)  # steps, workers, rows of one worker
    for worker in (0, 1):
        assert np.array_equal(
            rows(5, start=1, num_workers=2, worker=worker).reshape(10, 4), whole[:, worker]
        )
    one_pass = rows(5)
    assert len(np.unique(one_pass)) == 40


FLAGS = (
    "--steps=4",
    "--batch_size=30",
    "--log_every_steps=1",
    "--checkpoint_every_steps=4",
    "--instance_noise_std=0.1",
)
# Where rounding moves a value across a kink (of a leaky ReLU, or of a learned deviation at its
# limit) the gradient jumps, and the digits' equal backgrounds jump together. Without kinks only
# rounding remains.
SMOOTH = ("--posterior_std=1", "--leaky_relu_slope=1", "--generator_average_decay=0.9")


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    """The checkpoint and the log of a run on one device."""
    directory = tmp_path_factory.mktemp("one") / "run"
    succeed_here("train", f"--run_dir={directory}", "--devices=CPU:0", *FLAGS, *SMOOTH)
    return directory


def _assert_equal(directory, reference):
    ours, theirs = checkpoint(directory), checkpoint(reference)
    assert ours.keys() == theirs.keys()
    for path, value in ours.items():
        # As a whole: a weight whose gradient is nothing but rounding moves by Adam's full step
        # size all the same.
        assert np.linalg.norm(value - theirs[path]) <= 5e-3 * np.linalg.norm(theirs[path]) + 1e-3, (
            path
        )
    logs = [
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        for run in (directory, reference)
    ]
    assert len(logs[0]) == 4
    for line, expected in zip(*logs, strict=True):
        assert line == pytest.approx(expected, abs=1e-5)


def test_devices_train_the_weights_that_one_would(one_device, tmp_path):
    """Three, a number that neither two workers nor tests of two replicas stand for."""
    devices = "--devices=CPU:0,CPU:1,CPU:2"
    process = forked.Command("train", f"--run_dir={tmp_path / 'run'}", devices, *FLAGS, *SMOOTH)
    result = process.finished(PATIENCE)
    assert result.returncode == 0, result.stderr
    assert "on 3 devices" in result.stdout
    _assert_equal(tmp_path / "run", one_device)


def test_two_workers_train_the_weights_that_one_device_would(one_device, tmp_path):
    ports, processes = free_ports(2), []
    for index in (0, 1):
        # The other worker has no part in the run directory: it need not even share the disk.
        arguments = [
            f"--run_dir={tmp_path / ('run' if index == 0 else 'elsewhere')}",
            *FLAGS,
            *SMOOTH,
        ]
        env = worker_environment(ports, index)
        processes.append(forked.Command("train", *arguments, env=env))
    results = [process.finished(PATIENCE) for process in processes]
    assert [result.returncode for result in results] == [0, 0], results
    assert not (tmp_path / "elsewhere").exists()
    _assert_equal(tmp_path / "run", one_device)
