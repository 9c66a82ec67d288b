"""The client against a stand-in for TensorFlow Serving, over REST and gRPC, and against servers
that are down, slow or wrong.
"""

import base64
import contextlib
import gzip
import http.server
import io
import json
import socket
import threading
import time

import numpy as np
import pytest
from conftest import (
    PATIENCE,
    SHAPE,
    WITHOUT_TENSORFLOW,
    command,
    command_without,
    free_ports,
    refusal,
    sentence,
    wait_until,
)
from PIL import Image

from keras_infogan import loaded, onnx_model
from keras_infogan.config import UserError

pytest.importorskip("onnxruntime")
pytest.importorskip("tensorflow_serving")
client = pytest.importorskip("keras_infogan.serving.client")
double = pytest.importorskip("tensorflow_serving_double")


@pytest.fixture(scope="module")
def addresses(exported):
    with double.serve(exported / "digits-infogan") as (rest, grpc):
        yield {"rest": f"http://localhost:{rest}", "grpc": f"grpc://localhost:{grpc}"}


@pytest.fixture(params=["rest", "grpc"])
def connected(request, addresses, exported):
    return client.connect(addresses[request.param], exported, timeout=PATIENCE)


@pytest.fixture(scope="module")
def model(digits_run):
    return loaded.load_run(digits_run)[1]


def _expected(model, digit, tilt, seeds):
    """Images, uint8, of digits (count, 10), one tilt, and seeds."""
    spec = model.latent_spec
    noise = spec.noise.from_seeds(np.array(seeds, np.int64))
    latents = spec.pack(
        {
            "noise": noise,
            "digit": np.broadcast_to(digit, (len(noise), 10)),
            "slant": np.full((len(noise), 1), tilt),
        }
    )
    return np.round((model.generate(latents) + 1) * 127.5)


def test_codes_go_in_by_name(connected, model):
    images = connected.generate(digit=3, tilt=0.7, seed=5, num=70)
    assert (images.shape, images.dtype) == ((70, 16, 16, 1), np.uint8)
    # Half a level may fall on either side.
    assert np.abs(images - _expected(model, np.eye(10)[3], 0.7, range(5, 75))).max() <= 1
    each = connected.generate({"digit": np.arange(10)}, tilt=[0.1] * 10, seed=0, num=10)
    assert np.abs(each - _expected(model, np.eye(10), 0.1, range(10))).max() <= 1


def test_categories_blend(connected, model):
    images = connected.generate(digit={2: 0.25, 7: 0.75}, tilt=0, seed=1, num=3)
    assert (
        np.abs(
            images - _expected(model, 0.25 * np.eye(10)[2] + 0.75 * np.eye(10)[7], 0, [1, 2, 3])
        ).max()
        <= 1
    )


def test_codes_not_given_are_drawn_from_the_seed(connected):
    first, again, other = (connected.generate(num=4, seed=seed) for seed in (0, 0, 9))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_images_are_encoded(connected, exported):
    images = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 1), np.uint8)
    answers = connected.encode(images)
    assert set(answers) == {"digit", "digit_probabilities", "tilt", "tilt_std"}
    recognizer = onnx_model.load(exported / "recognizer.onnx", ("encode",))
    expected = recognizer.outputs(images / np.float32(127.5) - 1)
    for name, array in answers.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-4)
    assert answers["digit"].dtype == np.int64
    np.testing.assert_allclose(
        connected.encode(images[:2] / 255)["tilt"], answers["tilt"][:2], atol=1e-5
    )


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_without_a_contract_the_server_is_asked(addresses, kind):
    offer = client.connect(addresses[kind], model="digits-infogan", timeout=PATIENCE).offer
    assert [(code.name, code.kind, code.size) for code in offer.latent_spec.codes] == [
        ("digit", "categorical", 10),
        ("tilt", "uniform", 1),
    ]
    assert (offer.latent_spec.noise.size, offer.image_shape) == (16, (16, 16, 1))
    for wrong in ({"model": "other"}, {"model": "digits-infogan", "label": "canary"}):
        with pytest.raises(UserError, match=r"refused with .*Servable not found"):
            client.connect(addresses[kind], **wrong, timeout=PATIENCE)
    assert client.connect(
        addresses[kind], model="digits-infogan", label="stable", timeout=PATIENCE
    ).generate(num=1).shape == (1, 16, 16, 1)


@pytest.mark.parametrize("kind", [0, 1], ids=["rest", "grpc"])
def test_a_model_without_noise_is_served_with_all_it_can_do(exported_untrained, kind):
    _, model, directory = exported_untrained("vae")
    with double.serve(directory / "digits-vae") as ports:
        url = f"{('http', 'grpc')[kind]}://localhost:{ports[kind]}"
        for connected in (
            client.connect(url, directory, timeout=PATIENCE),
            client.connect(url, model="digits-vae", timeout=PATIENCE),
        ):
            assert {"generate", "encode", "reconstruct"} <= set(connected.capabilities)
            images = connected.generate(slant=0.5, tilt=-1, num=70)
            expected = np.round((model.generate(np.array([[0.5, -1]], np.float32)) + 1) * 127.5)
            assert np.abs(images - expected).max() <= 1
            reconstructed = np.round(
                (model.reconstruct(images / np.float32(127.5) - 1) + 1) * 127.5
            )
            assert np.abs(connected.reconstruct(images) - reconstructed).max() <= 1
            assert set(connected.encode(images)) == {"slant", "slant_std", "tilt", "tilt_std"}


@pytest.mark.parametrize("kind", [0, 1], ids=["rest", "grpc"])
def test_vectors_are_encoded_and_decoded(exported_untrained, kind):
    _, model, directory = exported_untrained("sequence_autoencoder")
    images = np.random.default_rng(0).integers(0, 256, (70, *SHAPE), np.uint8)
    with double.serve(directory / "digits-sequence_autoencoder") as ports:
        url = f"{('http', 'grpc')[kind]}://localhost:{ports[kind]}"
        for connected in (
            client.connect(url, directory, timeout=PATIENCE),
            client.connect(url, model="digits-sequence_autoencoder", timeout=PATIENCE),
        ):
            vectors = connected.encode(images)
            assert {name: array.shape for name, array in vectors.items()} == {
                "phonetic": (70, 6),
                "speaker": (70, 3),
            }
            latents = model.encode(images / np.float32(127.5) - 1)
            expected = np.round((model.decode(latents) + 1) * 127.5)
            assert np.abs(connected.decode(**vectors) - expected).max() <= 1
            with pytest.raises(UserError, match="cannot generate from latents"):
                connected.generate()


@pytest.mark.parametrize("kind", [0, 1], ids=["rest", "grpc"])
def test_a_model_without_codes_is_served_from_seeds(exported_untrained, kind):
    _, model, directory = exported_untrained("dcgan")
    with double.serve(directory / "digits-dcgan") as ports:
        url = f"{('http', 'grpc')[kind]}://localhost:{ports[kind]}"
        for connected in (
            client.connect(url, directory, timeout=PATIENCE),
            client.connect(url, model="digits-dcgan", timeout=PATIENCE),
        ):
            noise = model.latent_spec.noise.from_seeds(np.arange(3, 10))
            assert (
                np.abs(
                    connected.generate(seed=3, num=7)
                    - np.round((model.generate(noise) + 1) * 127.5)
                ).max()
                <= 1
            )
            with pytest.raises(UserError, match=r"cannot encode; it can generate from latents\."):
                connected.encode(np.zeros((1, 8, 8, 1)))
            with pytest.raises(UserError, match="there is no code 'digit'; the codes are none"):
                connected.generate(digit=3)


class _Nowhere:
    def predict(self, *arguments):
        raise AssertionError("something was sent")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"dgit": 3}, "there is no code 'dgit' .did you mean 'digit'"),
        ({"digit": 10}, "digit: expected a number from 0 to 9, received 10"),
        ({"digit": -1}, "digit: expected a number from 0 to 9"),
        ({"digit": 2.5}, "digit: expected an integer from 0 to 9, received 2.5; to blend"),
        ({"digit": "three"}, "digit: expected a number or 2 of them, received 'three'"),
        ({"digit": 10**400}, "digit: expected a number or 2 of them"),
        ({"digit": np.nan}, "digit: expected a number from 0 to 9"),
        ({"digit": {3: 0.5}}, "digit: expected weights of at least 0 that sum to 1"),
        ({"digit": {3: 1.5, 4: -0.5}}, "digit: expected weights"),
        ({"digit": {3: np.nan}}, "digit: expected weights"),
        ({"digit": {11: 1.0}}, "digit: expected a category from 0 to 9"),
        ({"digit": {True: 1.0}}, "digit: expected a category from 0 to 9"),
        ({"digit": {3: "all"}}, "digit: expected a category from 0 to 9 and its weight"),
        ({"tilt": {0: 1.0}}, "tilt: expected a number, received weights"),
        ({"tilt": np.inf}, "tilt: expected finite numbers"),
        ({"tilt": 1e300}, "tilt: expected finite numbers"),
        ({"tilt": [0.1, 0.2, 0.3]}, "tilt: expected one value or 2, received the shape"),
        ({"num": 0}, "num: expected a number of images"),
        ({"num": 2.0}, "num: expected a number of images"),
        ({"seed": -1}, "seed: expected an integer from 0 to 4294967294"),
        ({"seed": 2**32 - 1}, "seed: expected an integer"),
    ],
)
def test_arguments_are_checked_before_anything_is_sent(exported, arguments, part):
    unsent = client.Client(_Nowhere(), client.read_contract(exported))
    with pytest.raises(UserError, match=part):
        unsent.generate(**{"num": 2, **arguments})


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((0, 16, 16, 1)),
        np.zeros((16, 16, 1)),
        np.zeros((2, 8, 8, 1)),
        np.full((1, 16, 16, 1), np.nan),
    ],
)
def test_images_are_checked_before_anything_is_sent(exported, images):
    with pytest.raises(UserError, match="images: expected"):
        client.Client(_Nowhere(), client.read_contract(exported)).encode(images)


@contextlib.contextmanager
def _server(*answers):
    """Serves on localhost: answer i to request i, the last one from then on; an answer is a
    function of the request's handler. Gives port and requests.
    """
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments):
            pass

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            requests.append(self.client_address)
            answers[min(len(requests), len(answers)) - 1](self)

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    # It looks every 10 ms, not every half a second, whether it is to shut down.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.server_address[1], requests
    finally:
        server.shutdown()
        server.server_close()


def _say(status, body, **headers):
    def answer(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def _hang_up(handler):
    handler.close_connection = True
    handler.connection.close()


def _drip(beginning, piece):
    """Sends raw bytes, then a piece of them every 0.1 s for 10 s, or until nobody listens."""

    def answer(handler):
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.wfile.write(beginning)
            for _ in range(100):
                handler.wfile.write(piece)
                time.sleep(0.1)

    return answer


_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"


def _picture():
    file = io.BytesIO()
    Image.fromarray(np.full((16, 16), 7, np.uint8)).save(file, "PNG")
    return json.dumps({"outputs": [{"b64": base64.b64encode(file.getvalue()).decode()}]}).encode()


def _ask(port, exported, timeout=float(PATIENCE)):
    return client.connect(f"http://localhost:{port}", exported, timeout=timeout).generate()


def test_transient_failures_are_tried_again_on_one_connection(exported):
    busy = _say(503, b"{}", Retry_After="3600")
    with _server(busy, busy, _say(200, _picture())) as (port, requests):
        start = time.monotonic()
        assert (_ask(port, exported) == 7).all()
        # 0, then 0.4 s of backoff, whatever Retry-After says.
        assert 0.4 < time.monotonic() - start < PATIENCE
        assert len(requests) == 3
    with _server(_hang_up, _say(200, _picture())) as (port, requests):
        assert (_ask(port, exported) == 7).all()
    with _server(_say(200, _picture())) as (port, requests):
        connected = client.connect(f"http://localhost:{port}", exported, timeout=PATIENCE)
        for _ in range(5):
            connected.generate()
        assert len(set(requests)) == 1


def test_what_a_busy_server_says_is_not_read_before_it_is_asked_again(exported):
    taken, ended = [], threading.Event()

    def say_much(handler):
        handler.close_connection = True
        handler.send_response(503)
        handler.send_header("Content-Length", "1000000000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                handler.wfile.write(b" " * 1_000_000)
                taken.append(1_000_000)
        ended.set()

    with _server(say_much, _say(200, _picture())) as (port, _):
        assert (_ask(port, exported) == 7).all()
        assert ended.wait(PATIENCE)
    assert sum(taken) < 100_000_000  # no more than the buffers between the two hold


@pytest.mark.parametrize(
    ("answer", "part", "count"),
    [
        (_say(503, b'{"error": "busy"}'), "refused with status 503: busy", 4),
        (_say(400, b'{"error": "no"}'), "refused with status 400: no", 1),
        (_say(500, b'{"error": "broken"}'), "refused with status 500: broken", 1),
        (_say(404, b"<html>"), "answers what is no JSON .status 404", 1),
        (_say(302, b"{}", Location="http://localhost:1/"), "refused with status 302", 1),
        (_say(200, b"[]"), "answers what TensorFlow Serving would not", 1),
        (_say(200, b'{"outputs": [{"b64": "!"}]}'), "answers what TensorFlow Serving would not", 1),
        (_say(200, b'{"outputs": [{"b64": "AAAA"}]}'), "no PNG image", 1),
        (_say(200, b'{"outputs": []}'), "not what was asked for, 1 of image_bytes", 1),
        (_say(200, b'{"outputs": {"other": [1]}}'), "not what was asked for", 1),
        (_say(200, b"[" * 60_000), "answers what is no JSON", 1),
        (_hang_up, "cannot be reached", 4),
        (lambda handler: time.sleep(1), "did not answer within 0.3 seconds", 1),
        (_drip(_OK + b"Content-Length: 1000\r\n\r\n", b" "), "not answer within 0.3 seconds", 1),
        (_drip(b"HTTP/1.1 200 ", b"x"), "not answer within 0.3 seconds", 1),
        (_drip(_OK + b"X: ", b"x"), "not answer within 0.3 seconds", 1),
        (_drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "not answer within 0.3 seconds", 1),
        (_drip(_CHUNKED + b"2;", b"x"), "not answer within 0.3 seconds", 1),
        (_drip(_CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: 1\r\n"), "not answer within 0.3 seconds", 1),
        (_say(200, b"[]," * 30_000), "answers more than 67,072 bytes, which is more than was", 1),
        (_say(200, gzip.compress(b"[" * 10_000_000), Content_Encoding="gzip"), "is no JSON", 1),
    ],
)
def test_a_server_that_is_busy_slow_or_wrong_is_one_sentence(exported, answer, part, count):
    with _server(answer) as (port, requests):
        with pytest.raises(UserError, match=part):
            _ask(port, exported, timeout=0.3 if "0.3 seconds" in part else PATIENCE)
        # The server may get to a request after it was given up.
        wait_until(lambda: len(requests) >= count)
        assert len(requests) == count


def test_a_server_that_does_not_take_the_request_is_given_up_at_the_same_time(exported):
    with socket.create_server(("localhost", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        url = f"http://localhost:{listener.getsockname()[1]}"
        connected = client.connect(url, exported, timeout=0.3)
        # More than that and the buffer on this side, of at most 4 MB, hold: 10 MB of text.
        large = np.zeros((8, 512, 512, 1), np.float32)
        with pytest.raises(UserError, match=r"did not answer within 0\.3 seconds"):
            connected.transport.predict("encode", {"images": large}, 1000)


def test_an_answer_is_bounded_by_what_was_asked_for(addresses, exported):
    offer = client.read_contract(exported)
    assert offer.most_bytes("png", 3) == 2**16 + 3 * (2 * 256 + 1024)
    assert offer.most_bytes("from_seed", 3) == 2**16 + 3 * 32 * 256
    # digit, its ten probabilities, tilt, its deviation, and the parameters of Q: 10 and 2.
    assert offer.most_bytes("encode", 3) == 2**16 + 3 * 32 * (13 + 12)
    for kind, part in (("rest", "more than 100 bytes"), ("grpc", "larger than max")):
        transport = client.connect(addresses[kind], exported, timeout=PATIENCE).transport
        images = {"images": np.zeros((2, 16, 16, 1), np.float32)}
        with pytest.raises(UserError, match=part):
            transport.predict("encode", images, 100)
        assert len(transport.predict("encode", images, 10_000)["digit"]) == 2


@pytest.mark.parametrize(
    ("noise", "images"),
    [
        ((3, 4), (8, 8, 1)),
        ((3,), (2**20, 2**20, 3)),
        ((2**40,), (8, 8, 1)),
        ((3,), (-1, -1, 1)),
        ((float("inf"),), (8, 8, 1)),
        ((3,), ("9" * 5000, 8, 1)),
    ],
)
def test_a_model_of_shapes_that_ours_do_not_have_is_not_ours(noise, images):
    def tensor(shape):
        return {
            "dtype": "DT_FLOAT",
            "tensor_shape": {"dim": [{"size": size} for size in (-1, *shape)]},
        }

    signatures = {
        "serving_default": {
            "inputs": {"noise": tensor(noise)},
            "outputs": {"images": tensor(images)},
        }
    }
    with pytest.raises(UserError, match="model m is not one of keras_infogan"):
        client.read_metadata("m", {"metadata": {"signature_def": {"signature_def": signatures}}})


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        [],
        {"digit": None},
        {"digit": [3], "digit_probabilities": [[0.1] * 10], "tilt": [0.5]},
        {"digit": [3], "digit_probabilities": [[0.1] * 9], "tilt": [0.5], "tilt_std": [0.1]},
        {"digit": [3, 4], "digit_probabilities": [[0.1] * 10], "tilt": [0.5], "tilt_std": [0.1]},
        {"digit": ["three"], "digit_probabilities": [[0.1] * 10], "tilt": [0.5], "tilt_std": [0.1]},
        {
            "digit": [{"b64": "AAAA"}],
            "digit_probabilities": [[0.1] * 10],
            "tilt": [0.5],
            "tilt_std": [0.1],
        },
    ],
)
def test_a_wrong_answer_about_images_is_one_sentence(exported, outputs):
    with (
        _server(_say(200, json.dumps({"outputs": outputs}).encode())) as (port, _),
        pytest.raises(UserError),
    ):
        client.connect(f"http://localhost:{port}", exported, timeout=PATIENCE).encode(
            np.zeros((1, 16, 16, 1))
        )


def test_answers_have_the_types_of_the_contract(exported):
    outputs = {
        "digit": [3, 4],
        "digit_probabilities": [[0] * 10] * 2,
        "tilt": [0, 0.7],
        "tilt_std": [1, 1],
    }
    with _server(_say(200, json.dumps({"outputs": outputs}).encode())) as (port, _):
        answers = client.connect(f"http://localhost:{port}", exported, timeout=PATIENCE).encode(
            np.zeros((2, 16, 16, 1))
        )
    assert {name: array.dtype for name, array in answers.items()} == {
        "digit": np.int64
    } | dict.fromkeys(("digit_probabilities", "tilt", "tilt_std"), np.float32)
    np.testing.assert_allclose(answers["tilt"], [0, 0.7])


@pytest.mark.parametrize(
    "address",
    [
        "http://user:secret@localhost:8501",
        "https://secret@localhost",
        "grpc://user:secret@localhost:8500",
        "htp://user:secret@localhost",
        "http://user:sec/ret@localhost",
        "user:secret@localhost:8501",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_shown(exported, address):
    said = refusal("serving.client", f"--url={address}", f"--export_dir={exported}")
    assert "expected an address without a user's name and password" in said
    assert "sec" not in said


def test_what_a_server_says_does_not_reach_the_terminal_as_control_characters(exported):
    text = "\x1b[2Jgone\r\nerror: false\x9b1m\N{RIGHT-TO-LEFT OVERRIDE} \N{SNOWMAN}"
    with _server(_say(400, json.dumps({"error": text}).encode())) as (port, _):
        result = command(
            "serving.client", f"--url=http://localhost:{port}", f"--export_dir={exported}"
        )
    assert sentence(result).endswith(
        r"status 400: \x1b[2Jgone error: false\x9b1m\u202e " + "\N{SNOWMAN}"
    )


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_is_down_is_one_sentence(exported, scheme):
    (port,) = free_ports(1)
    with pytest.raises(UserError, match=r"cannot be reached .*is the server there\?"):
        client.connect(
            f"{scheme}://localhost:{port}", exported, timeout=PATIENCE, retries=1
        ).generate()


def test_the_command_writes_a_picture_without_tensorflow(addresses, exported, tmp_path):
    flags = [
        f"--url={addresses['rest']}",
        f"--export_dir={exported}",
        "--codes=digit=3,tilt=0.5",
        "--num=12",
        f"--output={tmp_path / 'twelve.png'}",
    ]
    result = command_without(WITHOUT_TENSORFLOW, "serving.client", *flags)
    assert (result.returncode, result.stdout[:12]) == (0, "12 images in"), result.stderr
    with Image.open(tmp_path / "twelve.png") as picture:
        assert picture.size == (10 * 50 - 2, 2 * 50 - 2)


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--url=localhost:8501"], "is no address; write it like"),
        (["--url=http://"], "is no address"),
        ([], "which model?"),
        (["--export_dir=nowhere"], "nowhere is not there"),
        (["--model=a/b"], "--model='a/b' is no name"),
        (["--model=m", "--label=a b"], "--label='a b' is no name"),
        (["--model=m", "--codes=digit"], "cannot read 'digit'"),
        (["--model=m", "--codes=digit=3:a"], "cannot read 'digit=3:a'"),
        (["--model=m", "--codes=digit=3,digit=4"], "names 'digit' twice"),
        (["--model=m", "--output=/dev/null"], "--output=/dev/null is a directory or device"),
        (["--model=m", "--output=nowhere/x.png"], "does not exist"),
        (["--model=m", "--output="], "--output= is a directory or device"),
    ],
)
def test_bad_flags_are_one_sentence(tmp_path, monkeypatch, flags, part):
    monkeypatch.chdir(tmp_path)
    assert part in refusal("serving.client", *flags)
    assert list(tmp_path.iterdir()) == []
