"""Stands in for TensorFlow Serving, which cannot be installed with pip: its REST and gRPC
interfaces on top of an exported SavedModel.

Written from https://www.tensorflow.org/tfx/serving/api_rest and the protos of
tensorflow-serving-api, apart from keras_infogan.serving. To measure against it:

    python tests/tensorflow_serving_double.py EXPORT_DIR     (REST on port 8501, gRPC on 8500)
"""

import base64
import concurrent.futures
import contextlib
import http.server
import json
import pathlib
import re
import sys
import threading

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc


class Model:
    """The newest version of a SavedModel, which has the label "stable", and what every
    interface needs of it.
    """

    def __init__(self, directory):
        self.name = directory.name
        versions = [path for path in directory.iterdir() if path.name.isdecimal()]
        self.path = max(versions, key=lambda path: int(path.name))
        self._loaded = tf.saved_model.load(str(self.path))
        graph = saved_model_pb2.SavedModel.FromString(
            (self.path / "saved_model.pb").read_bytes()
        ).meta_graphs[0]
        self.signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=graph.signature_def)

    def inputs(self, signature):
        if signature not in self.signatures.signature_def:
            raise ValueError(f'Serving signature name: "{signature}" not found in signature def')
        return {
            name: tf.as_dtype(info.dtype)
            for name, info in self.signatures.signature_def[signature].inputs.items()
        }

    def predict(self, signature, tensors):
        """Returns named numpy arrays for named tensors; raises ValueError with a
        message for bad ones.
        """
        try:
            return {
                name: value.numpy()
                for name, value in self._loaded.signatures[signature](**tensors).items()
            }
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise ValueError(str(error)) from None

    def metadata(self):
        return {
            "model_spec": {"name": self.name, "signature_name": "", "version": self.path.name},
            "metadata": {
                "signature_def": {
                    "@type": "type.googleapis.com/tensorflow.serving.SignatureDefMap",
                    **json_format.MessageToDict(
                        self.signatures,
                        preserving_proto_field_name=True,
                        always_print_fields_with_no_presence=True,
                    ),
                }
            },
        }


def _tensor(values, dtype):
    def check(value):
        if isinstance(value, list):
            for one in value:
                check(one)
        elif (
            isinstance(value, (bool, str, dict))
            or value is None
            or (dtype == tf.int64 and not isinstance(value, int))
        ):
            raise ValueError(
                f"JSON Value: {value!r} Type: {type(value).__name__} is not of expected "
                f"type: {dtype.name}"
            )

    check(values)
    return tf.constant(np.array(values, dtype.as_numpy_dtype))


def rest_predict(model, body):
    """Returns the JSON that answers a predict request."""
    request = json.loads(body)
    signature = request.get("signature_name", "serving_default")
    inputs = model.inputs(signature)
    if ("instances" in request) == ("inputs" in request):
        raise ValueError(
            "Missing 'inputs' or 'instances' key"
            if "inputs" not in request
            else "expecting only one of 'inputs' or 'instances'"
        )
    if "inputs" in request:
        given = request["inputs"]
        given = given if isinstance(given, dict) else {next(iter(inputs)): given}
        if missing := inputs.keys() - given.keys():
            raise ValueError(f"Missing named input: {missing.pop()} in 'inputs' object.")
        columns = {name: given[name] for name in inputs}
    else:
        rows = request["instances"]
        rows = rows if isinstance(rows[0], dict) else [{next(iter(inputs)): row} for row in rows]
        if any(row.keys() != inputs.keys() for row in rows):
            raise ValueError(f"keys must be equal to: {','.join(inputs)}")
        columns = {name: [row[name] for row in rows] for name in inputs}
    outputs = model.predict(
        signature, {name: _tensor(columns[name], dtype) for name, dtype in inputs.items()}
    )
    listed = {name: _listed(name, array) for name, array in outputs.items()}
    if "inputs" in request:
        return {"outputs": next(iter(listed.values())) if len(listed) == 1 else listed}
    rows = [dict(zip(listed, row, strict=True)) for row in zip(*listed.values(), strict=True)]
    return {"predictions": next(iter(listed.values())) if len(listed) == 1 else rows}


def _listed(name, array):
    if array.dtype == object:
        assert name.endswith("_bytes")  # only such names are encoded, and PNG files are no text
        return [{"b64": base64.b64encode(value).decode()} for value in array]
    return array.tolist()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    model: Model


class _Rest(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Otherwise an answer in two packets waits 40 ms for an acknowledgement of the first.
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def _answer(self, status, content):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _model(self):
        match = re.fullmatch(
            r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/stable)?(:predict|/metadata)?",
            self.path,
        )
        model = self.server.model
        if not match or match[1] != model.name or match[2] not in (None, model.path.name):
            self._answer(404, {"error": f"Servable not found for request: {self.path}"})
            return None, None
        return model, match[3]

    def do_GET(self):
        model, what = self._model()
        if model:
            state = {
                "version": model.path.name,
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
            self._answer(200, model.metadata() if what else {"model_version_status": [state]})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        model, what = self._model()
        if model and what == ":predict":
            try:
                self._answer(200, rest_predict(model, body))
            except (ValueError, TypeError, LookupError) as error:
                self._answer(400, {"error": str(error)})


class _Grpc(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, model):
        self._model = model

    def _check_name(self, request, context):
        if request.model_spec.name != self._model.name or request.model_spec.version_label not in (
            "",
            "stable",
        ):
            context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: Latest({request.model_spec.name})",
            )

    def Predict(self, request, context):  # noqa: N802, the proto's name
        self._check_name(request, context)
        signature = request.model_spec.signature_name or "serving_default"
        try:
            outputs = self._model.predict(
                signature,
                {
                    name: tf.constant(tf.make_ndarray(proto))
                    for name, proto in request.inputs.items()
                },
            )
        except (ValueError, KeyError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        response = predict_pb2.PredictResponse()
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return response

    def GetModelMetadata(self, request, context):  # noqa: N802
        self._check_name(request, context)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(self._model.signatures)
        return response


@contextlib.contextmanager
def serve(directory, rest_port=0, grpc_port=0):
    """Serves a model's directory of versions on localhost while the `with` statement lasts; gives
    the ports of REST and gRPC.
    """
    model = Model(directory)
    rest = _Server(("localhost", rest_port), _Rest)
    rest.model = model
    thread = threading.Thread(target=rest.serve_forever, args=(0.01,))
    thread.start()
    calls = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Grpc(model), calls)
    port = calls.add_insecure_port(f"localhost:{grpc_port}")
    calls.start()
    try:
        yield rest.server_address[1], port
    finally:
        rest.shutdown()
        rest.server_close()
        thread.join()
        calls.stop(None).wait()


if __name__ == "__main__":
    (found,) = (path.parents[1] for path in pathlib.Path(sys.argv[1]).glob("*/1/saved_model.pb"))
    with serve(found, 8501, 8500) as ports:
        print(f"REST on port {ports[0]}, gRPC on {ports[1]}; Ctrl-C ends it", flush=True)
        threading.Event().wait()
