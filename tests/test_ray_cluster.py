"""Commands on a cluster of three Ray nodes, all on this machine: what a node's death, Ctrl-C and
bad input do.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from conftest import (
    PATIENCE,
    checkpoint,
    command,
    free_ports,
    sentence,
    wait_until,
)

from keras_infogan import checkpoints, files, runs
from keras_infogan.config import UserError

pytest.importorskip("ray", reason="needs Ray: pip install '.[ray]'")

SWEEP = (
    "--seeds=0:2",
    "--batch_size=32",
    "--codes=digit=categorical(10), slant=uniform",
    "--log_every_steps=1",
    "--checkpoint_every_steps=5",
    "--metrics=read_back_r2",
)


@pytest.fixture(scope="module")
def cluster():
    """A head that takes no task, and two nodes of one CPU each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        for _ in range(2):
            made.add_node(num_cpus=1)
        yield made
        made.shutdown()


@pytest.fixture
def losing(cluster):
    """A function that kills the node of a process, None: any; another replaces it."""

    def lose(process=None):
        ancestors = list(_ancestors(process)) if process else []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = list(cluster.worker_nodes)
            dying = [node for node in nodes if _raylet(node) in ancestors] if process else nodes
            cluster.remove_node(dying[0], allow_graceful=False)
            cluster.add_node(num_cpus=1)

    return lose


def _raylet(node):
    return node.all_processes["raylet"][0].process.pid


def _ancestors(process):
    while process > 1:
        yield process
        process = int(
            pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
        )


def _process_with(argument):
    """Returns the number of the process that was started with an argument."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if argument.encode() in path.read_bytes().split(b"\0"):
                return int(path.parent.name)
    raise LookupError(argument)


def _start(name, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", f"keras_infogan.{name}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _lines(path):
    return path.read_text().count("\n") if path.exists() else 0


def test_a_sweep_ends_as_an_undisturbed_one_where_a_node_dies(cluster, losing, tmp_path):
    together, alone = tmp_path / "together", tmp_path / "alone"
    process = _start(
        "sweep", f"--ray={cluster.address}", f"--sweep_dir={together}", "--steps=40", *SWEEP
    )
    names = ("seed_0", "seed_1")
    wait_until(lambda: _lines(together / "seed_0" / "metrics.jsonl") > 10, process)
    losing(_process_with(f"--run_dir={together / 'seed_0'}"))
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "2 runs, 0 of them finished already" in output
    assert "Ray: 3 nodes; dashboard: " in errors
    assert "\nResuming" in (together / "logs" / "seed_0.log").read_text()

    # On one core, as a task has.
    device = f"--devices=CPU:{min(os.sched_getaffinity(0))}"
    result = command("sweep", device, f"--sweep_dir={alone}", "--steps=40", *SWEEP)
    assert result.returncode == 0, result.stderr
    for name in names:
        ours, theirs = checkpoint(together / name), checkpoint(alone / name)
        assert ours.keys() == theirs.keys()
        for path, array in ours.items():
            np.testing.assert_array_equal(array, theirs[path], err_msg=f"{name} {path}")
    summaries = [json.loads((path / "summary.json").read_text()) for path in (together, alone)]
    assert [
        [(row["name"], row["status"], row["scores"]) for row in summary["runs"]]
        for summary in summaries
    ] == [
        [
            (name, "finished", row["scores"])
            for name, row in zip(names, summaries[1]["runs"], strict=True)
        ]
    ] * 2


def test_a_signal_stops_the_runs_on_nodes_which_save(cluster, tmp_path):
    process = _start(
        "sweep", f"--ray={cluster.address}", f"--sweep_dir={tmp_path}", "--steps=100000", *SWEEP
    )
    wait_until(lambda: _lines(tmp_path / "seed_0" / "metrics.jsonl") > 3, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert "The runs under way are saved; the same command continues." in errors
    run = runs.read(tmp_path / "seed_0")
    assert not files.is_locked(run.directory)
    step = json.loads((tmp_path / "seed_0" / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    assert checkpoints.paths(run)[0].name == f"step_{step:08d}.weights.h5"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--ray=head"], "expected HOST:PORT"),
        (["--ray=CLOSED"], "there is no Ray cluster at localhost:"),
        (["--ray=HEAD", "--cpus_per_run=64"], "has 64 CPUs and 0 GPUs for a task: they have"),
        (
            ["--ray=HEAD", "--gpus_per_run=0.5"],
            "they have 0 CPUs and 0 GPUs; 1 CPUs and 0 GPUs; ask",
        ),
        (["--ray=HEAD", "--devices=CPU:0"], "--devices or --ray, not both"),
        (["--cpus_per_run=2"], "give --ray too"),
        (["--ray=HEAD", "--gpus_per_run=1.5"], "must be a whole number, or below 1 to share one"),
    ],
)
def test_bad_input_is_one_sentence(cluster, tmp_path, arguments, part):
    (port,) = free_ports(1)
    places = {"CLOSED": f"localhost:{port}", "HEAD": cluster.address}
    for name, address in places.items():
        arguments = [argument.replace(name, address) for argument in arguments]
    result = command("sweep", f"--sweep_dir={tmp_path}", "--seeds=0", "--steps=1", *arguments)
    assert part in sentence(result)
    assert {path.name for path in tmp_path.iterdir()} <= {files.LOCK}


@pytest.mark.filterwarnings("ignore")
def test_nodes_that_are_not_as_this_machine_are_refused(cluster, tmp_path, monkeypatch):
    from keras_infogan import ray_cluster

    def connect(*paths):
        with ray_cluster.Cluster(
            cluster.address, 1, 0, tmp_path, "--sweep_dir", paths
        ) as connected:
            return connected.cpus

    assert connect() == 2
    with pytest.raises(UserError, match="cannot read /no/such/model"):
        connect(pathlib.Path("/no/such/model"))
    with monkeypatch.context() as patch:
        patch.setattr(ray_cluster.files, "write_atomically", lambda *arguments: None)
        with pytest.raises(UserError, match="give a --sweep_dir on a disk that all nodes share"):
            connect()
    monkeypatch.setattr(ray_cluster, "__version__", "9.9")
    with pytest.raises(UserError, match="install the same version on all of them"):
        connect()
    assert list(tmp_path.iterdir()) == []
