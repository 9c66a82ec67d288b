"""The local REST server: the same answers as TensorFlow Serving's stand-in, limits, and hundreds of
malformed requests.
"""

import asyncio
import concurrent.futures
import contextlib
import gc
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import urllib3
from conftest import (
    PATIENCE,
    command,
    free_ports,
    refusal,
    sentence,
    serve_application,
    serve_locally,
    succeed_here,
    wait_for_lines,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_infogan import contract, onnx_model
from keras_infogan.config import UserError
from keras_infogan.serving import listening

pytest.importorskip("onnxruntime")
pytest.importorskip("uvicorn")
http_server = pytest.importorskip("keras_infogan.serving.http_server")
predictor = pytest.importorskip("keras_infogan.serving.predictor")
rest_application = pytest.importorskip("keras_infogan.serving.rest_application")
client = pytest.importorskip("keras_infogan.serving.client")

MODEL = "/v1/models/digits-infogan"
NAMES = ("digit", "tilt", "seed")
GOOD = {"digit": 3, "tilt": 0.5, "seed": 7}


@pytest.fixture(scope="module")
def url(exported):
    with serve_locally(exported, max_batch=50, max_body=200_000) as url:
        yield url


def _post(url, body, path=f"{MODEL}:predict"):
    """Returns status and answer of a predict request, `body` as JSON unless it is bytes."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = urllib3.request("POST", url + path, body=body, timeout=PATIENCE, retries=False)
    return response.status, response.json()


def test_it_answers_as_tensorflow_serving_does(url, exported):
    pytest.importorskip("tensorflow_serving")
    double = pytest.importorskip("tensorflow_serving_double")
    model = double.Model(exported / "digits-infogan")
    images = np.random.default_rng(0).random((2, 16, 16, 1)).tolist()
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 16)).tolist()
    rows = [GOOD, GOOD | {"digit": 9, "tilt": -1, "seed": 2**32 - 1}]
    bodies = [
        {
            "instances": [
                {"digit": 1, "tilt": 1, "noise": noise[0]},
                {"digit": 2, "tilt": 0.5, "noise": noise[1]},
            ]
        },
        {
            "signature_name": "serving_default",
            "inputs": {"digit": [1, 2], "tilt": [1, 0.5], "noise": noise},
        },
        {"signature_name": "from_seed", "instances": rows},
        {"signature_name": "png", "inputs": {name: [row[name] for row in rows] for name in NAMES}},
        {"signature_name": "png", "instances": rows},
        {"signature_name": "encode", "instances": images},
        {"signature_name": "encode", "instances": [{"images": image} for image in images]},
        {"signature_name": "encode", "inputs": images},
        {"signature_name": "encode", "inputs": {"images": images}},
    ]
    for body in bodies:
        status, answer = _post(url, body)
        _assert_alike(answer, double.rest_predict(model, json.dumps(body)))
        assert status == 200
    own = urllib3.request("GET", f"{url}{MODEL}/metadata").json()["metadata"]["signature_def"][
        "signature_def"
    ]
    theirs = model.metadata()["metadata"]["signature_def"]["signature_def"]
    assert set(own) == {"serving_default", "from_seed", "png", "encode"}
    for name, signature in own.items():
        for side in ("inputs", "outputs"):
            listed = [
                {
                    key: (tensor["dtype"], tensor["tensor_shape"]["dim"])
                    for key, tensor in one[name][side].items()
                }
                for one in (own, theirs)
            ]
            assert listed[0] == listed[1], signature


@pytest.mark.parametrize(
    ("name", "signatures"), [("dcgan", set()), ("vae", {"encode", "reconstruct", "log_likelihood"})]
)
def test_other_models_are_answered_for_as_tensorflow_serving_does(
    exported_untrained, name, signatures
):
    pytest.importorskip("tensorflow_serving")
    double = pytest.importorskip("tensorflow_serving_double")
    _, model, directory = exported_untrained(name)
    served, agreed = (
        double.Model(directory / f"digits-{name}"),
        contract.read(directory / "generator.json")[1],
    )
    latents, seeds = model.latent_spec.sample(2, 0), np.arange(2)
    images = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    given = {
        "latents": latents,
        "seeds": seeds,
        "images": images,
        "noise": agreed.likelihood_noise.from_seeds(seeds),
    }
    with serve_locally(directory) as url:
        own = urllib3.request("GET", f"{url}/v1/models/digits-{name}/metadata").json()["metadata"][
            "signature_def"
        ]["signature_def"]
        assert set(own) == {"serving_default", "from_seed", "latents", "png"} | signatures
        for signature in own:
            body = {
                "signature_name": signature,
                "inputs": {
                    key: array.tolist() for key, array in agreed.feeds(signature, **given).items()
                },
            }
            status, answer = _post(url, body, f"/v1/models/digits-{name}:predict")
            assert status == 200, answer
            _assert_alike(answer, double.rest_predict(served, json.dumps(body)))


def _assert_alike(own, theirs):
    """Asserts that two JSON values have one structure, equal texts, and numbers within 1e-4; of
    encoded files, that both are PNG.
    """
    assert type(own) is type(theirs)
    if isinstance(own, dict):
        assert own.keys() == theirs.keys()
        for key in own:
            _assert_alike(own[key], theirs[key])
    elif isinstance(own, list):
        assert len(own) == len(theirs)
        for one, other in zip(own, theirs, strict=True):
            _assert_alike(one, other)
    elif isinstance(own, str):
        assert own[:8] == theirs[:8] == "iVBORw0K"
    else:
        assert own == pytest.approx(theirs, abs=1e-4)


def test_weights_are_taken_where_the_file_takes_them(digits_run, few_latents, tmp_path):
    flags = ["--formats=onnx", "--nofp16", "--onnx_categories=weights", f"--export_dir={tmp_path}"]
    succeed_here("export", f"--run_dir={digits_run}", *flags)
    with serve_locally(tmp_path) as url:
        connected = client.connect(url, model="digits-infogan", timeout=PATIENCE)
        half = connected.generate(digit={2: 0.5, 7: 0.5}, slant=0.0, num=3)
        assert half.shape == (3, 16, 16, 1)
        np.testing.assert_array_equal(
            connected.generate(digit={2: 1.0}, slant=0.0), connected.generate(digit=2, slant=0.0)
        )
        latents = np.zeros((1, 27)).tolist()
        assert _post(url, {"signature_name": "latents", "inputs": latents})[0] == 200


def test_state_health_and_metrics(url):
    def get(path):
        response = urllib3.request("GET", url + path)
        return response.status, response.data.decode()

    assert json.loads(get(MODEL)[1])["model_version_status"][0]["state"] == "AVAILABLE"
    assert get(f"{MODEL}/versions/1")[0] == 200
    assert json.loads(get("/health")[1]) == {"status": "ok"}

    def count():
        return [
            line
            for line in get("/metrics")[1].splitlines()
            if line.startswith('images_total{signature="from_seed"}')
        ]

    _post(url, {"signature_name": "from_seed", "instances": [GOOD] * 5})
    before = float(count()[0].split()[1])
    _post(url, {"signature_name": "from_seed", "instances": [GOOD] * 5})
    assert float(count()[0].split()[1]) == before + 5
    for path in (
        "/",
        "/v1/models/other",
        f"{MODEL}/versions/2",
        "/v1/models/..%2f..%2fetc%2fpasswd",
        "/../../etc/passwd",
    ):
        status, text = get(path)
        assert status == 404, path
        assert "error" in json.loads(text)
        assert "root:" not in text
    assert get("/monitoring/prometheus/metrics")[1].startswith("# HELP")


def test_paths_that_tensorflow_serving_has_are_answered_with_its_kinds_of_errors(url):
    for method, path in (
        ("GET", f"{MODEL}:predict"),
        ("POST", f"{MODEL}/metadata"),
        ("POST", f"{MODEL}:classify"),
        ("GET", f"{MODEL}/versions/1:predict"),
    ):
        answer = urllib3.request(method, url + path)
        assert answer.status == 400, path
        assert answer.json()["error"].startswith(f"Malformed request: {method} {path}; ")
    for path in ("", "/metadata"):
        answer = urllib3.request("GET", f"{url}{MODEL}/labels/stable{path}")
        assert (answer.status, "no label 'stable' here" in answer.json()["error"]) == (404, True)
    assert _post(url, {"instances": [GOOD]}, f"{MODEL}/labels/stable:predict")[0] == 404
    labelled = client.connect(url, model="digits-infogan", timeout=PATIENCE)
    with pytest.raises(UserError, match="or the client without --label"):
        client.connect(url, labelled.offer, label="stable", timeout=PATIENCE).generate()
    noise = {"digit": 3, "tilt": 0.5, "noise": [0.5] * 16}
    answers = [
        _post(url, {"instances": [noise]} | name)
        for name in ({}, {"signature_name": ""}, {"signature_name": "serving_default"})
    ]
    assert answers[0][0] == 200
    assert answers[1:] == answers[:1] * 2


def _raw(url, request):
    """Returns the first line that answers to raw bytes."""
    host = ("localhost", int(url.rpartition(":")[2]))
    with socket.create_connection(host, timeout=PATIENCE) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as answer:
            return answer.readline()


@pytest.mark.parametrize(
    ("host", "listened_on", "status"),
    [
        ("localhost", "localhost", 200),
        ("LocalHost:99", "localhost", 200),
        ("127.0.0.1:8501", "localhost", 200),
        ("[::1]:8501", "localhost", 200),
        ("own.example", "own.example", 200),
        ("proxy.example:80", "localhost", 200),
        ("[fe80::1]", "fe80::1", 200),
        ("192.0.2.1:8501", "0.0.0.0", 200),
        ("[fe80::2]", "::", 200),
        ("192.0.2.1:8501", "localhost", 421),
        ("evil.example", "localhost", 421),
        ("evil.example", "0.0.0.0", 421),
        ("localhost.evil.example", "localhost", 421),
        ("localhost:80@evil.example", "localhost", 421),
        ("", "localhost", 421),
    ],
)
def test_only_who_asks_for_this_machine_is_answered(host, listened_on, status):
    passed, sent = [], []

    async def app(*arguments):
        passed.append(arguments)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "http_version": "1.1", "headers": [(b"host", host.encode())]}
    asyncio.run(http_server.Gate(app, listened_on, ["Proxy.example"])(scope, None, send))
    assert len(passed) == (status == 200)
    assert [message["status"] for message in sent[:1]] == [status] * (status != 200)


def test_a_version_of_http_that_there_is_not_is_refused(url):
    for version, status in (("1.0", 200), ("1.1", 200), ("9.9", 505)):
        request = f"GET /health HTTP/{version}\r\nHost: localhost\r\n\r\n"
        assert _raw(url, request.encode()).split()[1] == str(status).encode()


def test_another_name_than_its_own_is_refused_by_the_server_too(url):
    assert b" 421 " in _raw(url, b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n")


@pytest.mark.parametrize("cors", [False, True])
def test_pages_of_other_addresses_ask_only_if_they_are_let(exported, cors):
    app = rest_application.RestApplication(onnx_model.load(exported / "generator.onnx"))
    page = {"Origin": "http://page.example"}
    preflight = page | {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    with serve_application(app.starlette(cors)) as url:
        answer = urllib3.request("GET", url + MODEL, headers=page)
        assert answer.headers.get("access-control-allow-origin") == ("*" if cors else None)
        answer = urllib3.request("OPTIONS", f"{url}{MODEL}:predict", headers=preflight)
        assert answer.status == (200 if cors else 400)


def _bad(**changes):
    return {"signature_name": "from_seed", "instances": [GOOD, GOOD | changes]}


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "is no JSON"),
        (b'{"instances": [', "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"inputs": {"digit": [' + b"9" * 5000 + b"]}}", "is no JSON"),
        ([], "expected a JSON object, received []"),
        ({}, 'expected either "instances" or "inputs"'),
        ({"instances": [], "inputs": {}}, 'either "instances" or "inputs"'),
        (
            {"signature_name": "serving", "instances": [GOOD]},
            "the signature 'serving' is not known (did you mean 'serving_default'?)",
        ),
        ({"signature_name": "blend", "instances": [GOOD]}, "export with --onnx_categories=weights"),
        ({"signature_name": 3, "instances": [GOOD]}, "signature_name: expected a text, received 3"),
        (
            {"instances": [GOOD]},
            (
                "instance 0: expected an object with digit, tilt, noise, "
                "received 'digit', 'tilt', 'seed'"
            ),
        ),
        ({"signature_name": "from_seed", "instances": []}, "instances: expected a list"),
        ({"signature_name": "from_seed", "instances": 3}, "instances: expected a list"),
        (
            {"signature_name": "from_seed", "instances": [3]},
            "instance 0: expected an object with digit, tilt, seed, received 3",
        ),
        (
            {"signature_name": "from_seed", "inputs": {"digit": 3, "tilt": 0.5, "seed": 7}},
            "digit: expected a list",
        ),
        (
            {"signature_name": "from_seed", "inputs": {"digit": [3], "tilt": [0.5], "seed": []}},
            "seed: expected a list",
        ),
        (
            {
                "signature_name": "from_seed",
                "inputs": {"digit": [3, 4], "tilt": [0.5], "seed": [7]},
            },
            "2 of digit, 1 of tilt, 1 of seed",
        ),
        (
            {"signature_name": "from_seed", "instances": [GOOD] * 51},
            "digit: expected at most 50 images at once, received 51",
        ),
        (_bad(digit=10), "digit: expected an integer from 0 to 9, and number 1 is not"),
        (_bad(digit=-1), "digit: expected an integer from 0 to 9"),
        (_bad(digit=3.0), "digit: expected int64 numbers, received 3.0"),
        (_bad(digit=True), "digit: expected int64 numbers, received True"),
        (_bad(digit="3"), "digit: expected int64 numbers, received '3'"),
        (_bad(digit=None), "digit: expected int64 numbers, received None"),
        (
            _bad(digit=10**30),
            (
                "digit: expected int64 of the shape (batch), "
                "received uneven lists or a number too large"
            ),
        ),
        (_bad(digit=[3]), "digit: expected int64 of the shape (batch), received uneven lists"),
        (_bad(tilt=float("nan")), "tilt: expected finite numbers, and number 1 is not"),
        (_bad(tilt=1e300), "tilt: expected finite numbers"),
        (_bad(seed=2**32), "seed: expected an integer from 0 to 4294967295"),
        (
            _bad(color=3),
            (
                "instance 1: expected an object with digit, tilt, seed, received 'digit', "
                "'tilt', 'seed', 'color'"
            ),
        ),
        (
            {"signature_name": "encode", "instances": [[[0.5]]]},
            "images: expected the shape (batch, 16, 16, 1), received (1, 1, 1)",
        ),
        (
            {"signature_name": "encode", "instances": [[[[2.0]] * 16] * 16]},
            "images: expected numbers from 0 to 1",
        ),
    ],
)
def test_a_bad_request_is_refused_with_a_sentence(url, body, part):
    status, answer = _post(url, body)
    assert (status, list(answer)) == (400, ["error"])
    assert part in answer["error"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from((*NAMES, "noise", "images", "b64")) | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
VALUE = st.integers(-2, 12) | st.floats() | st.integers() | JSON
ROW = (
    st.fixed_dictionaries({"digit": VALUE, "tilt": VALUE, "seed": VALUE})
    | st.dictionaries(st.sampled_from(NAMES), VALUE)
    | JSON
)
SIGNATURES = ("serving_default", "from_seed", "png", "encode", "blend", "latents", "")
BODY = st.fixed_dictionaries(
    {},
    optional={
        "signature_name": st.sampled_from(SIGNATURES) | JSON,
        "instances": st.lists(ROW, max_size=3) | JSON,
        "inputs": st.dictionaries(st.sampled_from(NAMES), st.lists(VALUE, max_size=3)) | JSON,
    },
)


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]  # its metaclass iterates
)
@given(body=BODY.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=50))
def test_no_request_breaks_it(url, body):
    status, answer = _post(url, body)
    assert status == 200 or (status == 400 and list(answer) == ["error"]), (body, answer)


def test_bodies_that_are_too_large_broken_off_or_slow(url, monkeypatch):
    status, answer = _post(url, b" " * 200_001)
    assert (status, "at most 200,000 bytes" in answer["error"]) == (413, True)
    host = ("localhost", int(url.rpartition(":")[2]))
    head = f"POST {MODEL}:predict HTTP/1.1\r\nHost: localhost\r\n".encode()

    def first_line(connection):
        with connection, connection.makefile("rb") as answer:
            return answer.readline()

    endless = socket.create_connection(host, timeout=PATIENCE)
    endless.sendall(
        head + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    )
    with contextlib.suppress(OSError):  # it may be closed while we are sending
        for _ in range(10):
            endless.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
    assert b" 413 " in first_line(endless)
    for _ in range(20):
        with socket.create_connection(host, timeout=PATIENCE) as broken:
            broken.sendall(head + b"Content-Length: 1000\r\n\r\n{")
    with monkeypatch.context() as patch:
        patch.setattr(rest_application, "_BODY_SECONDS", 0.3)
        slow = socket.create_connection(host, timeout=PATIENCE)
        slow.sendall(head + b"Content-Length: 1000\r\n\r\n{")
        assert b" 408 " in first_line(slow)
    assert _post(url, {"signature_name": "png", "instances": [GOOD]})[0] == 200


def _half_sent(host, count, stack):
    """Opens connections, each with a request of which the body's end is missing."""
    head = f"POST {MODEL}:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
    for _ in range(count):
        waiting = stack.enter_context(socket.create_connection(host, timeout=PATIENCE))
        waiting.sendall(head.encode() + b"{")


def test_more_requests_than_can_wait_are_sent_away_and_health_still_answers(exported, monkeypatch):
    monkeypatch.setattr(rest_application, "_MOST_WAITING", 2)
    monkeypatch.setattr(rest_application, "_BODY_SECONDS", PATIENCE)
    entered, go_on = threading.Semaphore(0), threading.Event()
    predict = predictor.Predictor.predict

    def wait(*arguments):
        entered.release()
        assert go_on.wait(PATIENCE)
        return predict(*arguments)

    monkeypatch.setattr(predictor.Predictor, "predict", wait)

    def ask(url):
        return _post(url, {"signature_name": "png", "instances": [GOOD]})

    with (
        serve_locally(exported) as url,
        contextlib.ExitStack() as stack,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        # Whoever does not send all of a request keeps nobody away.
        _half_sent(("localhost", int(url.rpartition(":")[2])), 5, stack)
        waiting = [pool.submit(ask, url) for _ in range(2)]
        try:
            assert all(entered.acquire(timeout=PATIENCE) for _ in waiting)
            assert ask(url) == (503, {"error": "2 requests are waiting; ask again in a moment."})
            assert urllib3.request("GET", f"{url}/health").status == 200
        finally:
            go_on.set()
        assert [future.result()[0] for future in waiting] == [200, 200]
        assert ask(url)[0] == 200


def test_bytes_of_bodies_are_counted_before_they_are_read_as_json(exported, monkeypatch):
    monkeypatch.setattr(rest_application, "_MOST_HELD", 1000)
    monkeypatch.setattr(rest_application, "_BODY_SECONDS", PATIENCE)
    with serve_locally(exported) as url:
        status, answer = _post(url, b" " * 2000)
        assert (status, answer["error"]) == (
            503,
            "1,000 bytes of requests are held; ask again in a moment.",
        )
        # What was held is not counted any more.
        for _ in range(20):
            assert _post(url, b" " * 100)[0] == 400


def test_a_request_may_be_as_long_as_the_images_of_one_need(exported):
    model = onnx_model.load(exported / "generator.onnx")
    most = rest_application.needed_body(model, 7)
    # encode: 256 pixels, which are more numbers than any other signature takes.
    assert most == 2**16 + 7 * (32 * 256 + len("images"))
    images = np.random.default_rng(0).random((7, 16, 16, 1), np.float32)
    body = json.dumps({"signature_name": "encode", "inputs": {"images": images.tolist()}})
    assert len(body) < most


@pytest.mark.parametrize(
    "sent", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"]
)
def test_a_connection_without_a_request_is_closed(exported, monkeypatch, sent):
    monkeypatch.setattr(http_server, "_HEAD_SECONDS", 0.3)
    with serve_locally(exported) as url:
        host = ("localhost", int(url.rpartition(":")[2]))
        with socket.create_connection(host, timeout=PATIENCE) as idle:
            idle.sendall(sent)
            with idle.makefile("rb") as answer:
                assert (b"200 OK" in answer.read()) == sent.endswith(b"\r\n\r\n")
        # The head's time is not the answer's.
        assert _post(url, {"signature_name": "png", "instances": [GOOD]})[0] == 200


def test_a_head_that_drips_is_given_up(exported, monkeypatch):
    monkeypatch.setattr(http_server, "_HEAD_SECONDS", 0.3)

    def drip(connection):
        for _ in range(PATIENCE * 10):
            connection.sendall(b"G")
            time.sleep(0.1)

    with (
        serve_locally(exported) as url,
        socket.create_connection(("localhost", int(url.rpartition(":")[2]))) as dripping,
        pytest.raises(ConnectionError),
    ):
        drip(dripping)


def test_a_fault_of_the_model_is_a_sentence_in_json(exported, monkeypatch):
    def fail(*arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(predictor.Predictor, "predict", fail)
    with serve_locally(exported) as url:
        assert _post(url, {"signature_name": "png", "instances": [GOOD]}) == (
            500,
            {"error": "the server failed (ZeroDivisionError); its own output says how."},
        )


def test_memory_stays_flat(url):
    statm = pathlib.Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs /proc")

    def resident():
        gc.collect()
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def ask(count):
        for index in range(count):
            _post(
                url,
                {"signature_name": "from_seed", "instances": [GOOD] * 20}
                if index % 2
                else b"[" * 50_000,
            )

    ask(200)
    before = resident()
    ask(600)
    assert resident() < before + 10


def test_the_command_serves_without_tensorflow_until_it_is_told_to_stop(exported, tmp_path):
    (port,) = free_ports(1)
    code = (
        "import sys, runpy; sys.modules.update(tensorflow=None, keras=None); "
        "runpy.run_module('keras_infogan.serving.local', run_name='__main__')"
    )
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", code, f"--export_dir={exported}", f"--port={port}"],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_lines(log, process, 2)
        images = client.connect(f"http://localhost:{port}", exported, timeout=PATIENCE).generate(
            digit=3, num=2
        )
        assert images.shape == (2, 16, 16, 1)
        assert "error: cannot listen on localhost" in sentence(
            command("serving.local", f"--export_dir={exported}", f"--port={port}")
        )
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((_own_address(), port), timeout=5)
        with contextlib.ExitStack() as stack:
            _half_sent(("localhost", port), 1, stack)
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
    finally:
        process.kill()
    assert "Traceback" not in log.read_text()


def _own_address():
    """An address of this machine other than localhost."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("has no network")
        return probe.getsockname()[0]


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        ([], "which export?"),
        (["--export_dir=nowhere"], "is not an export"),
        (["--export_dir=.", "--port=1"], "is not an export"),
    ],
)
def test_bad_flags_are_one_sentence(tmp_path, monkeypatch, flags, part):
    monkeypatch.chdir(tmp_path)
    assert part in refusal("serving.local", *flags)


def test_no_host_is_not_every_host(exported):
    for host, part in (
        ("", "--host is empty"),
        ("a" * 300, "cannot listen on aaaa"),
        ("no.such.host.invalid", "cannot listen on no.such.host.invalid"),
    ):
        said = refusal("serving.local", f"--export_dir={exported}", f"--host={host}")
        assert part in said
    with listening.listen("::1", 0) as listener:
        assert listener.family == socket.AF_INET6


def test_an_export_without_onnx_is_one_sentence(exported, tmp_path):
    (tmp_path / "generator.json").write_bytes((exported / "generator.json").read_bytes())
    said = refusal("serving.local", f"--export_dir={tmp_path}")
    assert "generator.onnx is not there" in said
