"""How a client reaches a server: TensorFlow Serving's predict and metadata calls, over
REST and over gRPC.

Both have metadata() -> dict and predict(signature, named arrays, most_bytes) -> named arrays, in
which encoded files are lists of bytes; an answer of more than `most_bytes` is refused. predict is
send(prepare(...)): what prepare returns can be sent more than once, and over another connection to
the same model. Connections stay open.
"""

import base64
import binascii
import contextlib
import http.client
import io
import json
import re
import time

import numpy as np
import urllib3
import urllib3.connection

from keras_infogan.config import UserError
from keras_infogan.contract import LOG_LIKELIHOOD, PNG, RECONSTRUCTIONS
from keras_infogan.untrusted import printable

_TRANSIENT_STATUSES = (429, 502, 503, 504)
_BACKOFF, _LONGEST_BACKOFF = 0.2, 5.0  # seconds
_MOST_METADATA = 2**22  # bytes
_SINGLE_OUTPUTS = {
    "png": PNG.name,
    "reconstruct": RECONSTRUCTIONS,
    "log_likelihood": LOG_LIKELIHOOD.name,
}


class _Retry(urllib3.Retry):
    """Tries again where a server cannot be reached, is busy or hangs up.

    One that took too long is not asked again: that would give it more to do.
    """

    def increment(
        self, method=None, url=None, response=None, error=None, _pool=None, _stacktrace=None
    ):
        if isinstance(error, urllib3.exceptions.ReadTimeoutError):
            raise error
        if isinstance(error, urllib3.exceptions.ProtocolError):
            for cause in error.args:
                if isinstance(cause, TimeoutError):  # the server did not take all of the request
                    raise cause
        return super().increment(method, url, response, error, _pool, _stacktrace)


class _TimedReader(io.RawIOBase):
    """Reads of a socket until a deadline: a socket's own timeout is that of each single read, which
    a server that sends a byte now and then never exceeds.
    """

    def __init__(self, raw, connection, deadline):
        self._raw, self._connection, self._deadline = raw, connection, deadline

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        self._connection.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self):
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """A response whose parts (status line, headers, body, trailers) come within one timeout, the
    one that its socket has at the beginning.
    """

    def __init__(self, sock, *arguments, **named):
        super().__init__(sock, *arguments, **named)
        deadline = time.monotonic() + sock.gettimeout()
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock, deadline))


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _TimedResponse

    def getresponse(self):
        response = super().getresponse()
        # Before it asks again urllib3 would read all that a busy server says, however long.
        response.drain_conn = response.close
        return response


class _HttpsConnection(_Connection, urllib3.connection.HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection  # pyright: ignore[reportAssignmentType]  # urllib3's own is none


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection  # pyright: ignore[reportAssignmentType]


class Rest:
    """The REST interface, https://www.tensorflow.org/tfx/serving/api_rest, of http:// and
    https:// addresses.
    """

    def __init__(self, url, model, label, timeout, retries):
        self._url, self._timeout = (
            f"{url}/v1/models/{model}" + (f"/labels/{label}" if label else ""),
            timeout,
        )
        self._retry = _Retry(
            retries,
            status_forcelist=_TRANSIENT_STATUSES,
            allowed_methods=None,
            backoff_factor=_BACKOFF,
            backoff_max=_LONGEST_BACKOFF,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        self._pool = urllib3.PoolManager()
        self._pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def metadata(self):
        return self._ask("GET", "/metadata", _MOST_METADATA)

    def predict(self, signature, inputs, most_bytes):
        return self.send(self.prepare(signature, inputs, most_bytes))

    def prepare(self, signature, inputs, most_bytes):
        body = {
            "signature_name": signature,
            "inputs": {name: array.tolist() for name, array in inputs.items()},
        }
        return signature, json.dumps(body, separators=(",", ":")).encode(), most_bytes

    def send(self, prepared):
        signature, body, most_bytes = prepared
        answer = self._ask(
            "POST", ":predict", most_bytes, body=body, headers={"Content-Type": "application/json"}
        )
        try:
            outputs = answer["outputs"]
            # A single output comes without its name.
            outputs = (
                outputs
                if isinstance(outputs, dict)
                else {_SINGLE_OUTPUTS.get(signature, "images"): outputs}
            )
            return {name: _array(values) for name, values in outputs.items()}
        except (KeyError, TypeError, ValueError, OverflowError, binascii.Error) as error:
            raise UserError(
                f"{self._url} answers what TensorFlow Serving would not ({error!r}); "
                "is the address right?"
            ) from None

    def _ask(self, method, path, most_bytes, **body):
        """Returns the JSON that the server answers with status 200, in at most so many bytes."""
        url = self._url + path
        try:
            response = self._pool.request(
                method,
                url,
                timeout=urllib3.Timeout(total=self._timeout),
                retries=self._retry,
                redirect=False,
                preload_content=False,
                **body,
            )
            with contextlib.closing(response):
                answer = bytearray()
                # As it came: what is compressed, unasked, could be any size.
                while part := response.read1(2**16, decode_content=False):
                    answer += part
                    if len(answer) > most_bytes:
                        raise UserError(
                            f"{url} answers more than {most_bytes:,} bytes, which is more than was "
                            "asked for; is its model that of this contract?"
                        )
                response.release_conn()
        except (urllib3.exceptions.ReadTimeoutError, TimeoutError):
            raise UserError(
                f"{url} did not answer within {self._timeout:g} seconds; give a longer timeout, or "
                "ask for fewer images at once."
            ) from None
        except (
            urllib3.exceptions.MaxRetryError,
            urllib3.exceptions.NewConnectionError,
            urllib3.exceptions.LocationValueError,
        ) as error:
            raise UserError(
                f"{url} cannot be reached ({_reason(error)}); is the server there?"
            ) from None
        except urllib3.exceptions.HTTPError as error:
            raise UserError(
                f"{url} broke off its answer, or does not speak HTTP ({_reason(error)}); "
                "is the address right?"
            ) from None
        try:
            content = json.loads(answer)
        except (ValueError, RecursionError):
            raise UserError(
                f"{url} answers what is no JSON (status {response.status}); is the address right?"
            ) from None
        if response.status != 200:
            said = content.get("error", content) if isinstance(content, dict) else content
            raise UserError(f"{url} refused with status {response.status}: {_in_a_line(said)}")
        return content


def _array(values):
    if values and isinstance(values[0], dict):
        return [base64.b64decode(value["b64"], validate=True) for value in values]
    array = np.asarray(values)
    return array.astype(np.int64 if array.dtype.kind == "i" else np.float32)


def _reason(error):
    """Returns the innermost of the exceptions that urllib3 wraps into each
    other, in a few words.
    """
    while isinstance(getattr(error, "reason", None), Exception):
        error = error.reason
    return re.sub(r"^.*?: |[)'\"]+$", "", _in_a_line(error, 200)) or type(error).__name__


def _in_a_line(said, most=500):
    """Returns what a server says as a part of a sentence, of at most so many characters."""
    return printable(" ".join(str(said).split())[:most])


class Grpc:
    """The gRPC interface, of grpc:// addresses. Not encrypted."""

    def __init__(self, address, model, label, timeout, retries):
        try:
            import grpc  # noqa: F401, looked for before anything is sent
            import tensorflow_serving.apis  # noqa: F401
        except ImportError as error:
            raise UserError(
                f"gRPC needs {error.name}, which is not installed; install keras-infogan with its "
                "extra: pip install '.[export]'."
            ) from None
        self._address, self._model, self._label, self._timeout = address, model, label, timeout
        # The library sends a call again by itself only when the server has certainly not seen it;
        # these rules add a server that says it is not available.
        policy = {
            "maxAttempts": min(retries, 4) + 1,
            "initialBackoff": f"{_BACKOFF}s",
            "maxBackoff": f"{_LONGEST_BACKOFF}s",
            "backoffMultiplier": 2,
        }
        method = {
            "name": [{"service": "tensorflow.serving.PredictionService"}],
            "retryPolicy": policy | {"retryableStatusCodes": ["UNAVAILABLE"]},
        }
        self._options = [
            ("grpc.service_config", json.dumps({"methodConfig": [method] if retries else []})),
            # Otherwise all of a process to one address would share one connection.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        self._most_bytes, self._stub = 0, None

    def _stub_for(self, most_bytes):
        """Returns the stub of a channel, which is what bounds answers, that takes so many bytes."""
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        if self._stub is None or most_bytes > self._most_bytes:
            limit = ("grpc.max_receive_message_length", most_bytes)
            self._most_bytes, self._stub = (
                most_bytes,
                prediction_service_pb2_grpc.PredictionServiceStub(
                    grpc.insecure_channel(self._address, [*self._options, limit])
                ),
            )
        return self._stub

    def metadata(self):
        from google.protobuf import json_format
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name, request.model_spec.version_label = self._model, self._label or ""
        found = get_model_metadata_pb2.SignatureDefMap()
        self._call("GetModelMetadata", request, _MOST_METADATA).metadata["signature_def"].Unpack(
            found
        )
        return {
            "metadata": {
                "signature_def": json_format.MessageToDict(found, preserving_proto_field_name=True)
            }
        }

    def predict(self, signature, inputs, most_bytes):
        return self.send(self.prepare(signature, inputs, most_bytes))

    def prepare(self, signature, inputs, most_bytes):
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        (
            request.model_spec.name,
            request.model_spec.version_label,
            request.model_spec.signature_name,
        ) = self._model, self._label or "", signature
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        return request, most_bytes

    def send(self, prepared):
        import tensorflow as tf

        request, most_bytes = prepared
        return {
            name: tf.make_ndarray(proto)
            for name, proto in self._call("Predict", request, most_bytes).outputs.items()
        }

    def _call(self, method, request, most_bytes):
        import grpc

        try:
            return getattr(self._stub_for(most_bytes), method)(request, timeout=self._timeout)
        except grpc.RpcError as error:
            details = _in_a_line(error.details() or "no reason given")
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                said = (
                    f"did not answer within {self._timeout:g} seconds; give a longer timeout, or "
                    "ask for fewer images at once."
                )
            elif error.code() == grpc.StatusCode.UNAVAILABLE:
                said = f"cannot be reached ({details[:200]}); is the server there?"
            else:
                said = f"refused with {error.code().name}: {details}"
            raise UserError(f"{self._address} {said}") from None
