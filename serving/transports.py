"""How a client reaches a server: TensorFlow Serving's predict and metadata calls, over
REST and over gRPC.

Both have metadata() -> dict and predict(signature, named arrays) -> named arrays, in which encoded
files are lists of bytes. predict is send(prepare(...)): what prepare returns can be sent more than
once, and over another connection to the same model. Connections stay open.
"""

import base64
import binascii
import contextlib
import json
import re
import time

import numpy as np
import urllib3

from keras_infogan.config import UserError
from keras_infogan.contract import LOG_LIKELIHOOD, PNG, RECONSTRUCTIONS

_TRANSIENT_STATUSES = (429, 502, 503, 504)
_BACKOFF, _LONGEST_BACKOFF = 0.2, 5.0  # seconds
_MOST_BYTES = 2**30  # of an answer
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
        return super().increment(method, url, response, error, _pool, _stacktrace)


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

    def metadata(self):
        return self._ask("GET", "/metadata")

    def predict(self, signature, inputs):
        return self.send(self.prepare(signature, inputs))

    def prepare(self, signature, inputs):
        body = {
            "signature_name": signature,
            "inputs": {name: array.tolist() for name, array in inputs.items()},
        }
        return signature, json.dumps(body, separators=(",", ":")).encode()

    def send(self, prepared):
        signature, body = prepared
        answer = self._ask(
            "POST", ":predict", body=body, headers={"Content-Type": "application/json"}
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

    def _ask(self, method, path, **body):
        """Returns the JSON that the server answers with status 200."""
        url = self._url + path
        late = UserError(
            f"{url} did not answer within {self._timeout:g} seconds; give a longer timeout, or "
            "ask for fewer images at once."
        )
        try:
            response = self._pool.request(
                method,
                url,
                timeout=urllib3.Timeout(self._timeout),
                retries=self._retry,
                redirect=False,
                preload_content=False,
                **body,
            )
            with contextlib.closing(response):
                parts, size, deadline = [], 0, time.monotonic() + self._timeout
                while part := response.read1(2**16, decode_content=True):
                    parts.append(part)
                    size += len(part)
                    if size > _MOST_BYTES:
                        raise UserError(
                            f"{url} answers more than {_MOST_BYTES:,} bytes; is the address right?"
                        )
                    # A server that sends a byte now and then would never be too late
                    # for a single read.
                    if time.monotonic() > deadline:
                        raise late
                response.release_conn()
        except urllib3.exceptions.ReadTimeoutError:
            raise late from None
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
            content = json.loads(b"".join(parts))
        except (ValueError, RecursionError):
            raise UserError(
                f"{url} answers what is no JSON (status {response.status}); is the address right?"
            ) from None
        if response.status != 200:
            said = content.get("error", content) if isinstance(content, dict) else content
            raise UserError(f"{url} refused with status {response.status}: {str(said)[:500]}")
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
    return re.sub(r"^.*?: |[)'\"]+$", "", str(error))[:200] or type(error).__name__


class Grpc:
    """The gRPC interface, of grpc:// addresses. Not encrypted."""

    def __init__(self, address, model, label, timeout, retries):
        try:
            import grpc
            from tensorflow_serving.apis import prediction_service_pb2_grpc
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
        options = [
            ("grpc.max_receive_message_length", _MOST_BYTES),
            ("grpc.service_config", json.dumps({"methodConfig": [method] if retries else []})),
            # Otherwise all of a process to one address would share one connection.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(
            grpc.insecure_channel(address, options)
        )

    def metadata(self):
        from google.protobuf import json_format
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name, request.model_spec.version_label = self._model, self._label or ""
        found = get_model_metadata_pb2.SignatureDefMap()
        self._call(self._stub.GetModelMetadata, request).metadata["signature_def"].Unpack(found)
        return {
            "metadata": {
                "signature_def": json_format.MessageToDict(found, preserving_proto_field_name=True)
            }
        }

    def predict(self, signature, inputs):
        return self.send(self.prepare(signature, inputs))

    def prepare(self, signature, inputs):
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
        return request

    def send(self, prepared):
        import tensorflow as tf

        return {
            name: tf.make_ndarray(proto)
            for name, proto in self._call(self._stub.Predict, prepared).outputs.items()
        }

    def _call(self, method, request):
        import grpc

        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            details = error.details() or "no reason given"
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                said = (
                    f"did not answer within {self._timeout:g} seconds; give a longer timeout, or "
                    "ask for fewer images at once."
                )
            elif error.code() == grpc.StatusCode.UNAVAILABLE:
                said = f"cannot be reached ({details[:200]}); is the server there?"
            else:
                said = f"refused with {error.code().name}: {details[:500]}"
            raise UserError(f"{self._address} {said}") from None
