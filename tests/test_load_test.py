"""The load test against the local server, the stand-in for TensorFlow Serving over gRPC, and
servers whose latency and errors are known.
"""

import base64
import contextlib
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import (
    PATIENCE,
    WITHOUT_TENSORFLOW,
    command,
    command_without,
    free_ports,
    refusal,
    sentence,
    serve_locally,
)
from PIL import Image

from keras_infogan.config import UserError

pytest.importorskip("onnxruntime")
pytest.importorskip("uvicorn")
client = pytest.importorskip("keras_infogan.serving.client")
load_test = pytest.importorskip("keras_infogan.serving.load_test")

LATENCY = 0.05  # seconds


@pytest.fixture(scope="module")
def url(exported):
    with serve_locally(exported, max_batch=50) as url:
        yield url


@contextlib.contextmanager
def _slow_server(statuses=(200,), images=None, before=lambda index: None):
    """Answers each predict request after LATENCY, with the statuses in turn; gives the address and
    a list of (connection, body), as they arrive.

    An answer has as many PNG files as were asked for, or `images`; they are no pictures. Request
    `index` waits until `before(index)` returns.
    """
    requests, arriving = [], threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in two packets waits 40 ms for an acknowledgement of the first

        def log_message(self, *arguments):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with arriving:
                index = len(requests)
                requests.append((self.client_address, body))
            before(index)
            time.sleep(LATENCY)
            status = statuses[index % len(statuses)]
            files = [{"b64": base64.b64encode(b"picture").decode()}] * (
                images or len(body["inputs"]["seed"])
            )
            data = json.dumps({"outputs": files} if status == 200 else {"error": "busy"}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://localhost:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def measure(exported, monkeypatch):
    """A function that measures a server, each time until so many requests of each connection have
    ended, however long that takes here; gives the rows.
    """
    ended, each = threading.Semaphore(0), 0

    class Counted(load_test._Outcome):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            ended.release()

    def wait(loops, seconds, return_when):
        # The warm-up, and what is measured.
        assert (seconds, return_when) in ((0.2, "FIRST_EXCEPTION"), (1.0, "FIRST_EXCEPTION"))
        for _ in range(each * len(loops)):
            assert ended.acquire(timeout=PATIENCE)

    monkeypatch.setattr(load_test, "_Outcome", Counted)
    monkeypatch.setattr(load_test.concurrent.futures, "wait", wait)

    def measure(url, batch_sizes, concurrencies, requests=5, signature="png"):
        nonlocal each
        rows, each = [], requests
        load_test.measure_all(
            lambda: client.connect(url, exported, timeout=PATIENCE, retries=0),
            signature,
            batch_sizes,
            concurrencies,
            1.0,
            rows,
        )
        return rows

    return measure


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_known_latency_is_what_is_measured(measure, concurrency):
    # The first requests of the warm-up, and then of the loops, are answered once as many are under
    # way as there should be.
    together = threading.Barrier(concurrency)
    with _slow_server(
        before=lambda index: together.wait(PATIENCE) if index < 2 * concurrency else None
    ) as (url, requests):
        start = time.perf_counter()
        (row,) = measure(url, [3], [concurrency], requests=15)
        seconds = time.perf_counter() - start
    assert (row["batch_size"], row["concurrency"], row["errors"], row["first_error"]) == (
        3,
        concurrency,
        0,
        None,
    )
    latency = row["latency_ms"]
    assert (
        1000 * LATENCY
        <= latency["p50"]
        <= latency["p90"]
        <= latency["p95"]
        <= latency["p99"]
        <= latency["max"]
    )
    assert row["images"] == 3 * row["requests"]
    assert row["images_per_second"] == pytest.approx(row["images"] / row["seconds"], rel=0.01)
    # Of those that were waited for, each connection may have had one that ended before
    # the clock started.
    assert 14 * concurrency <= row["requests"] <= len(requests)
    assert row["requests_per_second"] == pytest.approx(row["requests"] / row["seconds"], rel=0.01)
    assert row["requests_per_second"] <= 1.1 * concurrency / LATENCY
    assert row["seconds"] <= seconds
    assert len({connection for connection, _ in requests}) == concurrency


def test_requests_differ_and_are_the_same_in_each_run(measure):
    seeds = []
    for _ in range(2):
        with _slow_server() as (url, requests):
            measure(url, [2], [1])
        bodies = [body["inputs"] for _, body in requests]
        assert len({json.dumps(body) for body in bodies}) == len(bodies) > 3
        assert all(0 <= digit <= 9 for body in bodies for digit in body["digit"])
        assert all(-1 <= tilt <= 1 for body in bodies for tilt in body["tilt"])
        seeds.append([body["seed"] for body in bodies[:4]])
    assert seeds[0] == seeds[1]


def test_errors_are_counted_apart(measure):
    with _slow_server(statuses=(200, 503)) as (url, _):
        (row,) = measure(url, [1], [1], requests=10)
    assert abs(row["errors"] - row["requests"]) <= 1
    assert row["errors"] > 3
    assert "refused with status 503: busy" in row["first_error"]
    assert row["requests_per_second"] < 0.6 / LATENCY
    assert "errors, the first: http://localhost" in load_test.table([row])


def test_answers_that_were_not_asked_for_and_none_at_all_are_told(measure):
    with _slow_server(images=2) as (url, _):
        (row,) = measure(url, [1], [1])
    assert (row["requests"], row["latency_ms"], row["images_per_second"]) == (0, None, 0)
    assert "is not what was asked for, 1 of image_bytes" in row["first_error"]
    silent = row | {"errors": 0, "first_error": None, "seconds": 0.3}
    assert "nothing was answered within 0.3" in load_test.table([silent])


def test_what_is_no_servers_fault_ends_the_measurement(exported):
    class Broken:
        def send(self, prepared):
            if threading.current_thread() is not threading.main_thread() and prepared == 0:
                raise RuntimeError("a bug")
            return {"image_bytes": [b""]}

    load = load_test.Load("png", 1, client.read_contract(exported))
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="a bug"):
        load_test.measure(load, [1, 1, 1, 0, 1], [Broken(), Broken()], seconds=2 * PATIENCE)
    assert time.monotonic() - start < PATIENCE


@pytest.mark.parametrize("signature", ["png", "from_seed", "encode"])
def test_every_signature_is_measured_on_the_local_server(url, measure, signature):
    small, large = measure(url, [1, 51], [2], signature=signature)
    assert small["requests"] > 0
    assert (small["errors"], large["requests"]) == (0, 0)
    assert "expected at most 50 images at once, received 51" in large["first_error"]


@pytest.fixture(scope="module")
def grpc_address(exported):
    pytest.importorskip("tensorflow_serving")
    with pytest.importorskip("tensorflow_serving_double").serve(exported / "digits-infogan") as (
        _,
        port,
    ):
        yield f"grpc://localhost:{port}"


@pytest.mark.parametrize("signature", ["png", "from_seed", "encode"])
def test_every_signature_is_measured_over_grpc(grpc_address, measure, signature):
    (row,) = measure(grpc_address, [4], [2], signature=signature)
    assert (row["errors"], row["first_error"]) == (0, None)
    assert row["requests"] > 0


def test_every_grpc_client_has_a_connection_of_its_own(grpc_address, exported):
    table = pathlib.Path("/proc/self/net/tcp")
    if not table.exists():
        pytest.skip("needs /proc")
    port = f":{int(grpc_address.rpartition(':')[2]):04X}"

    def connections():
        files = [path for path in (table, table.with_name("tcp6")) if path.exists()]
        lines = [line.split() for path in files for line in path.read_text().splitlines()[1:]]
        # 01: established.
        return sum(remote.endswith(port) and state == "01" for _, _, remote, state, *_ in lines)

    before = connections()
    clients = [client.connect(grpc_address, exported, timeout=PATIENCE) for _ in range(3)]
    for one in clients:
        one.generate()
    assert connections() == before + 3


def test_the_command_writes_its_files_without_tensorflow(url, exported, tmp_path):
    directory = tmp_path / "new" / "measured"
    flags = [
        f"--url={url}",
        f"--export_dir={exported}",
        "--batch_sizes=1, 8",
        "--concurrency=1,2",
        f"--output_dir={directory}",
    ]
    for seconds in (0.2, 2.0, 20.0):  # a busy machine may need more until something is answered
        result = command_without(
            WITHOUT_TENSORFLOW, "serving.load_test", *flags, f"--seconds={seconds}"
        )
        assert result.returncode == 0, result.stderr
        if "nothing was answered" not in result.stdout:
            break
    lines = result.stdout.splitlines()
    assert lines[0].split()[:4] == ["batch", "size", "concurrency", "images/s"]
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["1", "1"],
        ["1", "2"],
        ["8", "1"],
        ["8", "2"],
    ]
    assert lines[5:] == [str(directory)]
    assert sorted(path.name for path in directory.iterdir()) == ["load_test.json", "load_test.png"]
    content = json.loads((directory / "load_test.json").read_text())
    assert content["settings"] == {
        "url": url,
        "label": None,
        "timeout": 10.0,
        "signature": "png",
        "seconds": seconds,
        "model": "digits-infogan",
        "batch_sizes": [1, 8],
        "concurrency": [1, 2],
    }
    assert content["client"]["cpu_count"] == os.cpu_count()
    assert set(content["client"]["versions"]) == {"keras_infogan", "python", "numpy", "urllib3"}
    assert [(row["batch_size"], row["concurrency"]) for row in content["results"]] == [
        (1, 1),
        (1, 2),
        (8, 1),
        (8, 2),
    ]
    assert all(
        set(row["latency_ms"]) == {"p50", "p90", "p95", "p99", "max"} for row in content["results"]
    )
    with Image.open(directory / "load_test.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5


def test_ctrl_c_writes_what_was_measured(exported, tmp_path):
    interrupted = threading.Event()

    def before(index):
        # The command's own first request has a connection, and so has the first pair: the others
        # are the second pair's, which must not end too early.
        if len({connection for connection, _ in requests[: index + 1]}) > 2:
            interrupted.wait(PATIENCE)

    with _slow_server(before=before) as (url, requests):
        flags = [
            f"--url={url}",
            f"--export_dir={exported}",
            "--batch_sizes=1",
            "--concurrency=1,2",
            "--seconds=1",
            f"--timeout={PATIENCE}",
        ]
        arguments = [
            sys.executable,
            "-m",
            "keras_infogan.serving.load_test",
            *flags,
            f"--output_dir={tmp_path}",
        ]
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr
        text = ""
        while "1/2" not in text:  # the bar: one pair of two is measured
            text += process.stderr.read(1)
            assert process.poll() is None, text
        process.send_signal(signal.SIGINT)
        interrupted.set()
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors.splitlines()[-1]) == (130, "Interrupted.")
    assert str(tmp_path) in output
    assert [
        row["concurrency"]
        for row in json.loads((tmp_path / "load_test.json").read_text())["results"]
    ] == [1]


def test_nothing_is_written_where_nothing_was_answered(url, exported, tmp_path):
    (port,) = free_ports(1)
    known = [f"--export_dir={exported}", "--seconds=0.1"]
    for flags, part in (
        ([f"--url=http://localhost:{port}"], "cannot be reached"),
        ([f"--url={url}", "--model=other"], "there is no model 'other'"),
        ([f"--url={url}", "--batch_sizes=51"], "expected at most 50 images"),
    ):
        assert part in sentence(command("serving.load_test", *known, *flags, cwd=tmp_path))
        assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert "give another --output_dir" in sentence(
        command("serving.load_test", *known, f"--url={url}", "--output_dir=file/x", cwd=tmp_path)
    )


@pytest.mark.parametrize(
    "text", ["", "1,", "0", "-1", "1.5", "x", "10001", "9" * 5000, "²", "1,2,1"]
)
def test_lists_are_checked(text):
    with pytest.raises(UserError, match="--batch_sizes"):
        load_test._integers("batch_sizes", text, 10_000)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (
            ["--batch_sizes=0"],
            "--batch_sizes: expected integers from 1 to 10,000 separated by commas, received '0'",
        ),
        (["--seconds=nan"], "--seconds: expected a number from 0.1 to 3600, received nan"),
        (
            ["--timeout=nan", "--model=m"],
            "--timeout: expected seconds from 0.01 to 86,400, received nan",
        ),
        ([], "which model?"),
    ],
)
def test_bad_flags_are_one_sentence(tmp_path, monkeypatch, flags, part):
    monkeypatch.chdir(tmp_path)
    assert part in refusal("serving.load_test", *flags)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_signature_is_told_with_the_known_ones():
    said = refusal("serving.load_test", "--signature=blend")
    assert "<png|from_seed|encode|classify>" in said


def test_help_needs_neither_tensorflow_nor_matplotlib():
    result = command_without((*WITHOUT_TENSORFLOW, "matplotlib"), "serving.load_test", "--help")
    for flag in (
        "--url",
        "--export_dir",
        "--batch_sizes",
        "--concurrency",
        "--seconds",
        "--output_dir",
    ):
        assert flag in result.stdout
