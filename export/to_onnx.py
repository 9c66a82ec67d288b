"""Writes a trained model as ONNX, a file per capability: generator.onnx (codes and noise -> images,
in half precision too), recognizer.onnx (images -> codes).

The files are float32 whatever the run was trained in, take any number of images at once, and carry
their contract in their metadata.
"""

import json

import onnx
import tensorflow as tf
import tf2onnx

from keras_infogan import models
from keras_infogan.contract import METADATA_KEY, RECONSTRUCTIONS
from keras_infogan.export.graphs import EXPORTED, all_valid, blank_unless

# The highest that tf2onnx 1.17 writes.
_OPSET = 18


def write(contract, run, learner, directory, fp16=True):
    """Writes a loaded Learner of a run to a directory, generator_fp16.onnx too if wanted, and
    returns the files' names.
    """
    protos = {f"{name}.onnx": _convert(contract, name, learner) for name in contract.onnx_graphs()}
    # Rounded so coarsely, an image drawn pixel by pixel soon is another one.
    if fp16 and "generate" in contract.capabilities and not contract.latent_spec.noise.picks_pixels:
        # Half precision as in training: the last layer, batch norm and all inputs and outputs stay
        # float32, so that the same program loads either file.
        half = models.build(run.model, run.settings, run.image_shape, precision="mixed_float16")
        half.set_weights(learner.get_weights())
        protos["generator_fp16.onnx"] = _convert(contract, "generator", half)
    for name, proto in protos.items():
        onnx.checker.check_model(proto, full_check=True)
        (directory / name).write_bytes(proto.SerializeToString())
    return list(protos)


def _function(contract, learner, capability):
    """Returns the function of a graph: dict of tensors -> dict of tensors, images in the files'
    type and layout.
    """

    def function(inputs):
        floats = {
            name: _from_onnx_images(contract, values) if name == "images" else values
            for name, values in inputs.items()
        }
        outputs = EXPORTED[capability].function(contract.latent_spec, learner, floats)
        valid = all_valid(contract.checks(floats, capability))
        outputs = {name: blank_unless(valid, values) for name, values in outputs.items()}
        return {
            name: _to_onnx_images(contract, values)
            if name in ("images", RECONSTRUCTIONS)
            else values
            for name, values in outputs.items()
        }

    return function


def _from_onnx_images(contract, images):
    if contract.image_layout == "NCHW":
        images = tf.transpose(images, (0, 2, 3, 1))
    return tf.cast(images, tf.float32) / 255 if contract.image_type == "uint8" else images


def _to_onnx_images(contract, images):
    if contract.image_type == "uint8":
        # What NaN becomes as an integer is anyone's guess.
        images = tf.where(tf.equal(images, images), tf.round(images * 255), 0.0)
    if contract.image_layout == "NCHW":
        images = tf.transpose(images, (0, 3, 1, 2))
    return tf.cast(images, contract.image_type)


def _convert(contract, name, learner):
    """Returns a graph of the contract as an ONNX model."""
    graph = contract.onnx_graphs()[name]
    names, function = (
        [tensor.name for tensor in graph.inputs],
        _function(contract, learner, graph.capability),
    )
    specs = [
        tf.TensorSpec((None, *tensor.shape), tensor.type, name=tensor.name)
        for tensor in graph.inputs
    ]
    traced = tf.function(
        lambda *values: function(dict(zip(names, values, strict=True))),
        input_signature=specs,
        autograph=False,
    )
    proto, _ = tf2onnx.convert.from_function(traced, specs, opset=_OPSET)
    described = {entry["name"]: entry for entry in contract.to_json()["inputs"]}
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
        if value.name in described:
            value.doc_string = (
                f"{described[value.name]['meaning']}; prior: {described[value.name]['prior']}"
            )
    # tf2onnx sorts outputs by name.
    order = [tensor.name for tensor in graph.outputs]
    ordered = sorted(proto.graph.output, key=lambda value: order.index(value.name))
    del proto.graph.output[:]
    proto.graph.output.extend(ordered)
    proto.doc_string = (
        f"{name} of {contract.name}, step {contract.step}; the metadata {METADATA_KEY!r} "
        "describes inputs and outputs"
    )
    onnx.helper.set_model_props(proto, {METADATA_KEY: json.dumps(contract.to_json())})
    return proto
