"""Writes a trained model as a SavedModel that TensorFlow Serving loads: one signature per use, and
requests that warm it up.

Only core TensorFlow operations, and every weight once: the signatures share the
networks' variables.
"""

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from keras_infogan.config import UserError
from keras_infogan.contract import PNG
from keras_infogan.export.graphs import EXPORTED, raise_unless

# Where TensorFlow Serving looks for requests to replay when it loads a model,
# https://www.tensorflow.org/tfx/serving/saved_model_warmup; at most 1,000.
WARM_UP = "assets.extra/tf_serving_warmup_requests"
_WARM_UP_BATCHES = (1, 4, 16, 64)


class _Exported(tf.Module):
    """Holds the variables that the functions use, which they may only capture from what the
    SavedModel saves; those of training alone stay behind.
    """

    def __init__(self, name, functions):
        super().__init__(name=name)
        used = {
            id(variable): variable
            for function in functions.values()
            for variable in function.get_concrete_function().variables
        }
        self.weights = list(used.values())


class _DrawingOnce:
    """A Learner whose `generate` is traced once, not by each of the signatures that draw."""

    def __init__(self, learner):
        self._learner = learner
        vectors = tf.TensorSpec((None, learner.latent_spec.size))
        self.generate = tf.function(learner.generate, input_signature=[vectors], autograph=False)

    def __getattr__(self, name):
        return getattr(self._learner, name)


def write(contract, learner, directory):
    """Writes the SavedModel of a loaded Learner to a directory, with warm-up requests.

    Raises:
      UserError: if it cannot be written.
    """
    functions = {}
    if "generate" in contract.capabilities:
        learner = _DrawingOnce(learner)
    for name, graph in contract.signatures().items():
        specs = [
            tf.TensorSpec((None, *tensor.shape), tensor.type, name=tensor.name)
            for tensor in graph.inputs
        ]
        functions[name] = tf.function(
            _function(contract, learner, graph), input_signature=specs, autograph=False
        )
    try:
        tf.saved_model.save(
            _Exported(learner.name, functions), str(directory), signatures=functions
        )
        _write_warm_up(contract, directory)
    except tf.errors.OpError as error:  # TensorFlow's own class for a full disk
        raise UserError(
            f"the SavedModel cannot be written ({error.message.splitlines()[0][:200]}); "
            "nothing was exported."
        ) from None


def _function(contract, learner, graph):
    """Returns the function of a signature: tensors in the order of its inputs ->
    dict of tensors.
    """
    names = [tensor.name for tensor in graph.inputs]

    def function(*values):
        named = dict(zip(names, values, strict=True))
        with tf.control_dependencies(raise_unless(contract.checks(named, graph.capability))):
            named = {key: tf.identity(value) for key, value in named.items()}
        outputs = EXPORTED[graph.capability].function(contract.latent_spec, learner, named)
        return (
            {PNG.name: tf.io.encode_png(to_uint8(outputs["images"]))}
            if graph.outputs == (PNG,)
            else outputs
        )

    return function


def to_uint8(images):
    """Returns images in [0, 1] as uint8."""
    return tf.cast(tf.round(images * 255), tf.uint8)


def _write_warm_up(contract, directory):
    """Asks every signature for batches of several sizes, and records what was asked.

    A request that fails would keep the server from loading the model.
    """
    path = directory / WARM_UP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for count in _WARM_UP_BATCHES:
            images, seeds = (
                np.ones((count, *contract.image_shape), np.float32),
                np.arange(count, dtype=np.int64),
            )
            latents, noise = (
                contract.latent_spec.sample(count, count),
                contract.likelihood_noise.from_seeds(seeds),
            )
            gains = np.ones((count, *contract.units.gain.shape)) if contract.units else None
            for name in contract.signatures():
                request = predict_pb2.PredictRequest()
                request.model_spec.name, request.model_spec.signature_name = contract.name, name
                for key, array in contract.feeds(
                    name,
                    latents=latents,
                    seeds=seeds,
                    images=images,
                    noise=noise,
                    unit_gain=gains,
                ).items():
                    request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                writer.write(log.SerializeToString())


def warm_up_requests(directory):
    """Yields the signature and the named inputs, numpy arrays, of every recorded warm-up request
    of a SavedModel.
    """
    for record in tf.data.TFRecordDataset(str(directory / WARM_UP)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        yield (
            request.model_spec.signature_name,
            {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()},
        )
