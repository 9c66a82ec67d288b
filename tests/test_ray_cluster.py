"""Commands on a cluster of three Ray nodes, all on this machine: what a node's death, Ctrl-C and
bad input do.
"""

import concurrent.futures
import contextlib
import functools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings

import grpc
import numpy as np
import pyarrow
import pytest
from conftest import (
    PATIENCE,
    checkpoint,
    command,
    free_ports,
    sentence,
    succeed_here,
    wait_until,
)
from PIL import Image
from pyarrow import parquet

from keras_infogan import checkpoints, files, ray_cluster, runs
from keras_infogan.config import UserError

# Three nodes and nine starts of TensorFlow.
starts_nodes = pytest.mark.slow
_NEEDS_RAY = "needs Ray: pip install '.[ray]'"

SWEEP = (
    "--seeds=0:6",
    "--batch_size=32",
    "--codes=digit=categorical(10), slant=uniform",
    "--log_every_steps=1",
    "--checkpoint_every_steps=5",
    "--metrics=read_back_r2",
)


@pytest.fixture(scope="module")
def cluster():
    """A head that takes no task, and two nodes of one CPU each."""
    pytest.importorskip("ray", reason=_NEEDS_RAY)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        from ray._private import services  # pyright: ignore[reportMissingImports]
        from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

        # Ray gives a node 30 seconds to start, which it exceeds on a busy machine.
        patch.setattr(services, "get_node", functools.partial(_patiently, services.get_node))
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        for _ in range(2):
            made.add_node(num_cpus=1)
        yield made
        made.shutdown()


def _patiently(get_node, *arguments):
    """Returns what Ray knows of a node once it knows anything."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return get_node(*arguments)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture
def losing(cluster):
    """A function that kills the node of a process, all of whose processes end as a machine's would;
    another node replaces it once the test has ended, as a node may take long to start.
    """
    lost = []

    def lose(process):
        ancestors = list(_ancestors(process))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            (dying,) = (node for node in cluster.worker_nodes if _raylet(node) in ancestors)
            below = ancestors[: ancestors.index(_raylet(dying))]
            cluster.remove_node(dying, allow_graceful=False)
            # From the top down, so that no task can say what became of its own processes.
            for ended in reversed(below):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(ended, signal.SIGKILL)
        lost.append(dying)

    yield lose
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in lost:
            cluster.add_node(num_cpus=1)


def _raylet(node):
    return node.all_processes["raylet"][0].process.pid


def _ancestors(process):
    while process > 1:
        yield process
        process = int(
            pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
        )


def _start(name, *arguments, first=""):
    """Starts a command, in a process that runs some code first."""
    code = f"{first}\nimport runpy\nrunpy.run_module('keras_infogan.{name}', run_name='__main__')"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _lines(path):
    return path.read_text().count("\n") if path.exists() else 0


# What the training of a run does on a node, by Python's sitecustomize: it stops before a checkpoint
# is in place, and says so in a file with its process's number, until another file is there.
_HOLD_TRAINING = """
import os, pathlib, sys, time

def hold(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("seed_0/checkpoints/{checkpoint}"):
        pathlib.Path({held!r}).write_text(str(os.getpid()))
        while not os.path.exists({go_on!r}):
            time.sleep(0.1)

if "keras_infogan.train" in sys.orig_argv:
    sys.addaudithook(hold)
"""
_WITH_PATH = """
from keras_infogan import sweeps

begin = sweeps.Nodes.__init__

def begin_with_path(self, *arguments):
    begin(self, *arguments)
    self._environment["PYTHONPATH"] = {path!r}

sweeps.Nodes.__init__ = begin_with_path
"""


@starts_nodes
def test_a_sweep_ends_as_an_undisturbed_one_where_a_node_dies(cluster, losing, tmp_path):
    together, alone = tmp_path / "together", tmp_path / "alone"
    held, go_on = tmp_path / "held", tmp_path / "go_on"
    (tmp_path / "sitecustomize.py").write_text(
        _HOLD_TRAINING.format(
            checkpoint="step_00000020.weights.h5", held=str(held), go_on=str(go_on)
        )
    )
    process = _start(
        "sweep",
        *(f"--ray={cluster.address}", f"--sweep_dir={together}", "--steps=40", "--centrality"),
        *SWEEP,
        first=_WITH_PATH.format(
            path=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        ),
    )
    names = [f"seed_{seed}" for seed in range(6)]
    wait_until(lambda: held.exists() and held.read_text(), process)
    losing(int(held.read_text()))
    go_on.touch()
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "6 runs, 0 of them finished already" in output
    assert "Ray: 3 nodes; dashboard: " in errors
    assert "\nResuming" in (together / "logs" / "seed_0.log").read_text()

    # On one core, as a task has.
    device = f"--devices=CPU:{min(os.sched_getaffinity(0))}"
    options = (f"--sweep_dir={alone}", "--steps=40", "--centrality", *SWEEP)
    result = command("sweep", device, *options)
    assert result.returncode == 0, result.stderr
    for name in names:
        ours, theirs = checkpoint(together / name), checkpoint(alone / name)
        assert ours.keys() == theirs.keys()
        for path, array in ours.items():
            np.testing.assert_array_equal(array, theirs[path], err_msg=f"{name} {path}")
    # Computed on as many cores as there are, where sums are rounded in another order.
    agreements = [
        json.loads((path / "centrality.json").read_text())["agreements"]
        for path in (together, alone)
    ]
    np.testing.assert_allclose(*agreements, atol=0.01)
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


@starts_nodes
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


@starts_nodes
def test_a_cluster_that_is_started_here_listens_on_this_machine_alone(tmp_path):
    pytest.importorskip("ray", reason=_NEEDS_RAY)
    code = (
        "import pathlib, sys; from keras_infogan import ray_cluster\n"
        "with ray_cluster.Cluster('local', 1, 0, pathlib.Path(sys.argv[1]), '') as cluster:\n"
        "    print(*(node['NodeManagerAddress'] for node in cluster._ray.nodes()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert result.stdout == "127.0.0.1\n", result.stderr


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
@starts_nodes
def test_bad_input_is_one_sentence(cluster, tmp_path, arguments, part):
    (port,) = free_ports(1)
    places = {"CLOSED": f"localhost:{port}", "HEAD": cluster.address}
    for name, address in places.items():
        arguments = [argument.replace(name, address) for argument in arguments]
    result = command("sweep", f"--sweep_dir={tmp_path}", "--seeds=0", "--steps=1", *arguments)
    assert part in sentence(result)
    assert {path.name for path in tmp_path.iterdir()} <= {files.LOCK}


@pytest.mark.parametrize("host", ["a..b", ".head", 64 * "a", "a b"])
def test_an_address_that_is_no_host_is_one_sentence(host):
    with pytest.raises(UserError, match="there is no Ray cluster at"):
        ray_cluster._check_address(f"{host}:6379")


def test_an_address_is_asked_without_a_proxy(monkeypatch):
    (closed,) = free_ports(1)
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, f"http://localhost:{closed}")
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        ray_cluster._check_address(f"localhost:{port}")
    finally:
        server.stop(None)


def test_an_encrypted_cluster_is_left_to_ray(monkeypatch):
    monkeypatch.setattr(ray_cluster, "_TO_CONNECT", 0.5)
    with socket.create_server(("localhost", 0)) as silent:
        address = f"localhost:{silent.getsockname()[1]}"
        with pytest.raises(UserError, match="there is no Ray cluster at"):
            ray_cluster._check_address(address)
        monkeypatch.setenv("RAY_USE_TLS", "1")
        ray_cluster._check_address(address)


@pytest.mark.filterwarnings("ignore")
@starts_nodes
def test_nodes_that_are_not_as_this_machine_are_refused(cluster, tmp_path, monkeypatch):
    def connect(*paths):
        with ray_cluster.Cluster(
            cluster.address, 1, 0, tmp_path, "--sweep_dir", paths
        ) as connected:
            return connected.cpus

    assert connect() == 2
    with ray_cluster.Cluster(cluster.address, 1, 0, tmp_path, "") as connected:
        futures = [connected.submit("a number", abs, -number) for number in range(3)]
        assert [future.result(PATIENCE) for future in futures] == [0, 1, 2]
        wait_until(lambda: not connected._references)
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three thousand small images in two folders of kinds, two of which cannot be read."""
    made = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 256, (3000, 8, 8), np.uint8)
    for kind in ("a", "b"):
        (made / kind).mkdir()
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(made / "ab"[number % 2] / f"{number:04d}.png")
    for name in ("a/0000.png", "b/2999.png"):
        (made / name).write_text("no picture")
    return made


def _encode_arguments(address, exported, folder, output):
    return (
        f"--ray={address}",
        f"--onnx={exported / 'recognizer.onnx'}",
        f"--images={folder}",
        f"--output={output}",
    )


# What the tasks of a folder of small shards do: once some tables are there, they stop before theirs
# and say so in a file with the shard's name and their process's number, until another is there.
_HOLD_SHARDS = """
from keras_infogan import encoding

encoding.IMAGES_AT_A_TIME = 100

def write_held(path, *arguments):
    import os, pathlib, time
    from keras_infogan import encoding

    if len(list(path.parent.glob("part-*.parquet"))) >= {tables}:
        pathlib.Path({held!r}, f"{{path.stem}}-{{os.getpid()}}").touch()
        while not os.path.exists({go_on!r}):
            time.sleep(0.1)
    encoding._write(path, *arguments)  # of the node, which is as it was

encoding._write = write_held
"""


@starts_nodes
def test_every_image_has_one_row_where_a_node_dies_and_another_command_goes_on(
    cluster, losing, exported, folder, tmp_path
):
    output = tmp_path / "codes"
    arguments = _encode_arguments(cluster.address, exported, folder, output)
    held, go_on = tmp_path / "held", tmp_path / "go_on"
    held.mkdir()

    def start(tables):
        hold = _HOLD_SHARDS.format(tables=tables, held=str(held), go_on=str(go_on))
        return _start("encode", *arguments, first=hold)

    process = start(tables=4)
    wait_until(lambda: list(held.iterdir()), process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, errors
    assert "the same command continues" in errors
    before = {path: path.stat().st_mtime_ns for path in output.glob("part-*.parquet")}
    next(iter(before)).write_bytes(b"damaged")
    (output / ".writing_elsewhere_1_part-00000.parquet").touch()

    for path in held.iterdir():
        path.unlink()
    process = start(tables=len(before) + 3)
    wait_until(lambda: list(held.iterdir()), process)
    shard, _, number = next(held.iterdir()).name.rpartition("-")
    losing(int(number))
    go_on.touch()
    printed, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, errors
    assert "2,998 of 3,000 images have a row, in 30 tables." in printed
    assert (output / "unreadable_images.txt").read_text().count("(it is none of") == 2
    assert not list(output.glob(".writing_*"))
    assert len(list(held.glob(f"{shard}-*"))) > 1
    kept = [path for path, time in before.items() if path.stat().st_mtime_ns == time]
    assert len(kept) == len(before) - 1

    table = pyarrow.concat_tables(map(parquet.read_table, sorted(output.glob("part-*.parquet"))))
    names = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.png"))
    broken = ["a/0000.png", "b/2999.png"]
    assert table.column("image").to_pylist() == [name for name in names if name not in broken]

    # The plain command, of the images that can be read.
    whole, alone = tmp_path / "whole", tmp_path / "alone.parquet"
    shutil.copytree(folder, whole)
    for name in broken:
        (whole / name).unlink()
    succeed_here("encode", arguments[1], f"--images={whole}", f"--output={alone}")
    expected = parquet.read_table(alone)
    assert table.schema.equals(expected.schema)
    assert table.column("label").to_pylist() == expected.column("label").to_pylist()
    assert table.column("digit").to_pylist() == expected.column("digit").to_pylist()
    np.testing.assert_allclose(table.column("tilt"), expected.column("tilt"), atol=1e-5)
