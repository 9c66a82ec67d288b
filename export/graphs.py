"""The exported functions, in TensorFlow, by capability: named tensors -> named tensors, and how far
a file may differ from the Keras model.

SavedModel and ONNX are made from the same functions and differ in what an invalid input does: a
SavedModel can refuse it (`raise_unless`), an ONNX graph cannot stop and marks the image
(`blank_unless`). Images are float32 NHWC in [0, 1].
"""

import dataclasses
import functools
from collections.abc import Callable

import tensorflow as tf

from keras_infogan import capabilities
from keras_infogan.contract import CLASS, CLASS_PROBABILITIES, LOG_LIKELIHOOD, RECONSTRUCTIONS
from keras_infogan.units import UNIT_GAIN


@dataclasses.dataclass(frozen=True)
class Exported:
    """What a capability is outside.

    Attributes:
      function: function (LatentSpec, Learner, dict of tensors) -> dict of tensors.
      tolerance: largest difference allowed from the Keras model, in float32 on a CPU.
    """

    function: Callable
    tolerance: float


def _generate(spec, model, inputs):
    return {"images": (model.generate(spec.vectors(inputs)) + 1) / 2}


def _decode(spec, model, inputs):
    return {"images": (model.decode(spec.vectors(inputs)) + 1) / 2}


def _edit(spec, model, inputs):
    return {"images": (model.edit(spec.vectors(inputs), inputs[UNIT_GAIN]) + 1) / 2}


def _encode(spec, model, inputs):
    parameters = model.encode(inputs["images"] * 2 - 1)
    return spec.outputs(parameters) | {"parameters": parameters}


def _reconstruct(spec, model, inputs):
    return {
        RECONSTRUCTIONS: (capabilities.function(model, "reconstruct")(inputs["images"] * 2 - 1) + 1)
        / 2
    }


def _log_likelihood(spec, model, inputs):
    noise = [inputs["noise"]] if "noise" in inputs else []
    return {LOG_LIKELIHOOD.name: model.log_likelihood(inputs["images"] * 2 - 1, *noise)}


def _classify(spec, model, inputs):
    probabilities = model.classify(inputs["images"] * 2 - 1)
    return {CLASS.name: tf.argmax(probabilities, axis=-1), CLASS_PROBABILITIES: probabilities}


EXPORTED = {
    "generate": Exported(_generate, 1e-5),
    "decode": Exported(_decode, 1e-5),
    "encode": Exported(_encode, 1e-4),
    "reconstruct": Exported(_reconstruct, 1e-4),
    "log_likelihood": Exported(_log_likelihood, 1e-4),  # of its size
    "classify": Exported(_classify, 1e-4),
    "edit": Exported(_edit, 1e-5),
}


def raise_unless(checks):
    """Returns the operations that fail, with the input's name, unless all is valid; see
    Contract.checks.
    """
    return [
        tf.debugging.Assert(tf.reduce_all(valid), [f"{name}: expected {expected}"])
        for name, (valid, expected) in checks.items()
    ]


def all_valid(checks):
    """Returns whether each image's inputs are valid, bool (batch,)."""
    return functools.reduce(tf.logical_and, [valid for valid, _ in checks.values()])


def blank_unless(valid, values):
    """Returns `values` (batch, ...) with those of invalid images NaN, or -1 if
    they are integers.
    """
    valid = tf.reshape(valid, (-1, *[1] * (len(values.shape) - 1)))
    return tf.where(
        valid, values, tf.constant(float("nan") if values.dtype.is_floating else -1, values.dtype)
    )
