"""The REST interface of TensorFlow Serving, for one exported model, as an ASGI application: state,
metadata, predict; and health and metrics for monitors.
"""

import asyncio
import functools
import os
import time

import anyio
import prometheus_client
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keras_infogan.config import UserError
from keras_infogan.serving import rest_format
from keras_infogan.serving.predictor import Predictor

_BODY_SECONDS = 10.0  # in which a request must have arrived
_MOST_WAITING = 64  # requests; beyond, the answer is 503
_TYPES = {"float32": "DT_FLOAT", "int64": "DT_INT64", "string": "DT_STRING"}


class _RefusedError(Exception):
    """A request that is answered with an error, other than for what its body says (400)."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = status


class RestApplication:
    def __init__(self, model, version="1", max_batch=256, max_body=32 * 2**20):
        """
        Args:
          model: OnnxModel with all that was exported.
          version: the version that the model goes by.
          max_batch: images in a request at most.
          max_body: bytes of a request at most.
        """
        self._predictor, self._name, self._version = Predictor(model), model.contract.name, version
        self._max_batch, self._max_body = max_batch, max_body
        self._limiter, self._waiting = anyio.CapacityLimiter(os.cpu_count() or 1), 0
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

    def starlette(self):
        """Returns the application."""
        routes = [Route("/health", self._health), Route("/metrics", self._metrics)]
        for path in ("/v1/models/{model}", "/v1/models/{model}/versions/{version}"):
            routes.append(Route(f"{path}:predict", self._predict, methods=["POST"]))
            routes += [Route(f"{path}/metadata", self._metadata), Route(path, self._status)]
        return Starlette(
            routes=routes,
            exception_handlers={
                _RefusedError: self._on_refused,
                HTTPException: self._on_other_path,
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
            if self._waiting >= _MOST_WAITING:
                raise _RefusedError(
                    503, f"{_MOST_WAITING} requests are waiting; ask again in a moment."
                )
            self._waiting += 1
            try:
                body = await self._body(request)
                signature, count, data = await anyio.to_thread.run_sync(
                    functools.partial(self._answer, body), limiter=self._limiter
                )
            finally:
                self._waiting -= 1
            self._images.labels(signature).inc(count)
            response = Response(data, media_type="application/json")
        except UserError as error:
            response = JSONResponse({"error": str(error)}, 400)
        except _RefusedError as refused:
            response = await self._on_refused(request, refused)
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

    async def _body(self, request):
        """Returns a request's body; raises _RefusedError if it is too large, too
        slow or broken off.
        """
        too_large = _RefusedError(
            413,
            f"expected a body of at most {self._max_body:,} bytes; ask for fewer images at once.",
        )
        if int(request.headers.get("content-length", 0)) > self._max_body:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for part in request.stream():
                    body += part
                    if len(body) > self._max_body:
                        raise too_large
        except TimeoutError:
            raise _RefusedError(
                408, f"the request did not arrive within {_BODY_SECONDS:g} seconds."
            ) from None
        except ClientDisconnect:
            raise _RefusedError(
                400, "the connection was closed in the middle of the request."
            ) from None
        return bytes(body)

    def _check_model(self, request):
        name, version = (
            request.path_params["model"],
            request.path_params.get("version", self._version),
        )
        if (name, version) != (self._name, self._version):
            raise _RefusedError(
                404,
                f"there is no model {name[:100]!r} of version {version[:100]!r} here; ask for "
                f"/v1/models/{self._name}.",
            )

    async def _on_refused(self, request, refused):
        return JSONResponse({"error": str(refused)}, refused.status)

    async def _on_other_path(self, request, error):
        sentence = (
            f"{request.method} {request.url.path[:200]}: {error.detail}; ask for "
            f"/v1/models/{self._name}, its /metadata or :predict."
        )
        return JSONResponse({"error": sentence}, error.status_code, error.headers)


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
