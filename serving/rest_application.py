"""The REST interface of TensorFlow Serving, for one exported model, as an ASGI application: state,
metadata, predict; and health and metrics for monitors.
"""

import asyncio
import contextlib
import functools
import math
import os
import time

import anyio
import prometheus_client
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keras_infogan.config import UserError
from keras_infogan.serving import rest_format
from keras_infogan.serving.predictor import Predictor

_BODY_SECONDS = 10.0  # in which a request must have arrived
# Requests that are there as a whole, and bytes of all bodies; beyond, the answer is 503.
_MOST_WAITING, _MOST_HELD = 64, 2**28
# What a number may take in JSON, and what is not of a single number.
_NUMBER_BYTES, _FRAME_BYTES = 32, 2**16
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_TYPES = {"float32": "DT_FLOAT", "int64": "DT_INT64", "string": "DT_STRING"}


class _RefusedError(Exception):
    """A request that is answered with an error, other than for what its body says (400)."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = status


def needed_body(model, max_batch):
    """Returns how many bytes a request for so many images needs at most, of an OnnxModel's
    signatures.
    """
    longest = max(
        sum(
            len(tensor.name) + _NUMBER_BYTES * math.prod((1, *tensor.shape))
            for tensor in graph.inputs
        )
        for graph in model.contract.signatures().values()
    )
    return _FRAME_BYTES + max_batch * longest


class RestApplication:
    def __init__(self, model, version="1", max_batch=256, max_body=2**24):
        """
        Args:
          model: OnnxModel with all that was exported.
          version: the version that the model goes by.
          max_batch: images in a request at most.
          max_body: bytes of a request at most.
        """
        self._predictor, self._name, self._version = Predictor(model), model.contract.name, version
        self._max_batch, self._max_body = max_batch, max_body
        self._limiter = anyio.CapacityLimiter(os.cpu_count() or 1)
        self._waiting, self._held = 0, 0  # requests; bytes of their bodies, and of those under way
        self._registry = registry = prometheus_client.CollectorRegistry()
        self._requests = prometheus_client.Counter(
            "predict_requests",
            "Answered predict requests.",
            ("signature", "status"),
            registry=registry,
        )
        self._images = prometheus_client.Counter(
            "images", "Images generated or encoded.", ("signature",), registry=registry
        )
        self._seconds = prometheus_client.Histogram(
            "predict_seconds", "Time from a request's arrival to its answer.", registry=registry
        )

    def starlette(self, cors=False):
        """Returns the application; with `cors` pages of all origins may ask it."""
        metrics = ("/metrics", "/monitoring/prometheus/metrics")
        routes = [Route("/health", self._health), *(Route(path, self._metrics) for path in metrics)]
        model = "/v1/models/{model}"
        for path in (model, f"{model}/versions/{{version}}", f"{model}/labels/{{label}}"):
            routes.append(Route(f"{path}:predict", self._predict, methods=["POST"]))
            routes.append(Route(f"{path}:{{call}}", self._on_malformed, methods=_METHODS))
            routes += [Route(f"{path}/metadata", self._metadata), Route(path, self._status)]
        anyone = Middleware(
            CORSMiddleware,
            allow_origins=["*"],
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type"],
        )
        return Starlette(
            routes=routes,
            middleware=[anyone] if cors else [],
            exception_handlers={
                _RefusedError: self._on_refused,
                HTTPException: self._on_other_path,
                Exception: self._on_fault,
            },
        )

    async def _health(self, request):
        return JSONResponse({"status": "ok"})

    async def _metrics(self, request):
        return Response(
            prometheus_client.generate_latest(self._registry),
            media_type="text/plain; version=0.0.4; charset=utf-8",
        )

    async def _status(self, request):
        self._check_model(request)
        state = {
            "version": self._version,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return JSONResponse({"model_version_status": [state]})

    async def _metadata(self, request):
        self._check_model(request)
        signatures = {
            name: {
                "inputs": _described(graph.inputs),
                "outputs": _described(graph.outputs),
                "method_name": "tensorflow/serving/predict",
            }
            for name, graph in self._predictor.signatures.items()
        }
        model = {"name": self._name, "signature_name": "", "version": self._version}
        return JSONResponse(
            {"model_spec": model, "metadata": {"signature_def": {"signature_def": signatures}}}
        )

    async def _predict(self, request):
        start, signature = time.perf_counter(), ""
        try:
            self._check_model(request)
            with self._body() as body:
                await self._read(request, body)
                signature, count, data = await self._wait_for_answer(body)
            self._images.labels(signature).inc(count)
            response = Response(data, media_type="application/json")
        except UserError as error:
            response = JSONResponse({"error": str(error)}, 400)
        except _RefusedError as refused:
            response = await self._on_refused(request, refused)
        except asyncio.CancelledError:
            response = await self._on_refused(
                request, _RefusedError(503, "the server ends; ask another one.")
            )
        self._requests.labels(signature, response.status_code).inc()
        self._seconds.observe(time.perf_counter() - start)
        return response

    def _answer(self, body):
        """Returns the signature and the number of images that a body asks for, and
        the answer's bytes.
        """
        signature, arrays, by_rows = rest_format.read_request(
            body, self._predictor.inputs, self._max_batch
        )
        outputs = self._predictor.predict(signature, arrays)
        return (
            signature,
            len(next(iter(arrays.values()))),
            rest_format.write_answer(outputs, by_rows),
        )

    async def _wait_for_answer(self, body):
        """Returns what `_answer` does; raises _RefusedError if too many wait for theirs."""
        if self._waiting >= _MOST_WAITING:
            raise _RefusedError(
                503, f"{_MOST_WAITING} requests are waiting; ask again in a moment."
            )
        self._waiting += 1
        try:
            return await anyio.to_thread.run_sync(
                functools.partial(self._answer, body), limiter=self._limiter
            )
        finally:
            self._waiting -= 1

    @contextlib.contextmanager
    def _body(self):
        """A bytearray for a body, which is counted among the bytes held while it lasts."""
        body = bytearray()
        try:
            yield body
        finally:
            self._held -= len(body)

    async def _read(self, request, body):
        """Reads a request's body into a bytearray; raises _RefusedError if it is too large, too
        slow or broken off.
        """
        too_large = _RefusedError(
            413,
            f"expected a body of at most {self._max_body:,} bytes; ask for fewer images at once.",
        )
        if int(request.headers.get("content-length", 0)) > self._max_body:
            raise too_large
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for part in request.stream():
                    body += part
                    self._held += len(part)
                    if len(body) > self._max_body:
                        raise too_large
                    if self._held > _MOST_HELD:
                        raise _RefusedError(
                            503,
                            f"{_MOST_HELD:,} bytes of requests are held; ask again in a moment.",
                        )
        except TimeoutError:
            raise _RefusedError(
                408, f"the request did not arrive within {_BODY_SECONDS:g} seconds."
            ) from None
        except ClientDisconnect:
            raise _RefusedError(
                400, "the connection was closed in the middle of the request."
            ) from None

    def _check_model(self, request):
        given = request.path_params
        name, version = given["model"], given.get("version", self._version)
        if (name, version) != (self._name, self._version):
            raise _RefusedError(
                404,
                f"there is no model {name[:100]!r} of version {version[:100]!r} here; ask for "
                f"/v1/models/{self._name}.",
            )
        if "label" in given:
            raise _RefusedError(
                404,
                f"there is no label {given['label'][:100]!r} here, nor any other: this server has "
                f"one version; ask for /v1/models/{self._name}, or the client without --label.",
            )

    async def _on_refused(self, request, refused):
        return JSONResponse({"error": str(refused)}, refused.status)

    async def _on_malformed(self, request):
        # TensorFlow Serving's answer to a method or a call that a path does not have.
        sentence = (
            f"Malformed request: {request.method} {request.url.path[:200]}; ask for "
            f"POST /v1/models/{self._name}:predict, or GET /v1/models/{self._name}."
        )
        return JSONResponse({"error": sentence}, 400)

    async def _on_other_path(self, request, error):
        if error.status_code == 405:
            return await self._on_malformed(request)
        sentence = (
            f"{request.method} {request.url.path[:200]}: {error.detail}; ask for "
            f"/v1/models/{self._name}, its /metadata or :predict."
        )
        return JSONResponse({"error": sentence}, error.status_code, error.headers)

    async def _on_fault(self, request, error):
        return JSONResponse(
            {"error": f"the server failed ({type(error).__name__}); its own output says how."}, 500
        )


def _described(tensors):
    """Returns named tensors as TensorFlow Serving's metadata have them."""
    return {
        tensor.name: {
            "dtype": _TYPES[tensor.type],
            "tensor_shape": {
                "dim": [{"size": str(size), "name": ""} for size in (-1, *tensor.shape)],
                "unknown_rank": False,
            },
            "name": tensor.name,
        }
        for tensor in tensors
    }
