"""Writes a trained model as ONNX: generator.onnx (codes and noise -> images), the same in half precision, and recognizer.onnx (images -> codes).

The files are float32 whatever the run was trained in, take any number of images at once, and carry their contract in their metadata.
"""

import json

import onnx
import tensorflow as tf
import tf2onnx

from keras_infogan import models
from keras_infogan.contract import METADATA_KEY
from keras_infogan.export import signatures

# The highest that tf2onnx 1.17 writes.
_OPSET = 18


def write(contract, model, directory, fp16=True):
    """Writes generator.onnx, generator_fp16.onnx if wanted, and recognizer.onnx of a loaded model to a directory and returns their names."""
    run = contract.run
    files = {
        "generator.onnx": _convert(contract, "generator", lambda inputs: {"images": _generate(contract, model, inputs)}),
        "recognizer.onnx": _convert(contract, "recognizer", lambda inputs: _encode(contract, model, inputs["images"])),
    }
    if fp16:
        # Half precision as in training: the last layer, batch norm and all inputs and outputs stay float32, so that the same program loads either file.
        half = models.build(run.model, run.config, run.image_shape, precision="mixed_float16")
        half.generator.set_weights(model.generator.get_weights())
        files["generator_fp16.onnx"] = _convert(contract, "generator", lambda inputs: {"images": _generate(contract, half, inputs)})
    for name, proto in files.items():
        onnx.checker.check_model(proto, full_check=True)
        (directory / name).write_bytes(proto.SerializeToString())
    return list(files)


def _generate(contract, model, inputs):
    images = signatures.generate(model, signatures.latents_of(contract, inputs))
    images = signatures.blank_unless(signatures.all_valid(contract.checks(inputs)), images)
    if contract.image_type == "uint8":
        # What NaN becomes as an integer is anyone's guess.
        images = tf.where(tf.equal(images, images), tf.round(images * 255), 0.0)
    if contract.image_layout == "NCHW":
        images = tf.transpose(images, (0, 3, 1, 2))
    return tf.cast(images, contract.image_type)


def _encode(contract, model, images):
    if contract.image_layout == "NCHW":
        images = tf.transpose(images, (0, 2, 3, 1))
    if contract.image_type == "uint8":
        return signatures.encode(contract, model, tf.cast(images, tf.float32) / 255)
    valid = signatures.all_valid(contract.checks({"images": images}))
    return {name: signatures.blank_unless(valid, values) for name, values in signatures.encode(contract, model, images).items()}


def _convert(contract, name, function):
    """Returns the ONNX model of a function (dict of tensors -> dict of tensors)."""
    inputs, outputs = contract.onnx_graphs()[name]
    specs = [tf.TensorSpec((None, *tensor.shape), tensor.type, name=tensor.name) for tensor in inputs]
    traced = tf.function(lambda *values: function({tensor.name: value for tensor, value in zip(inputs, values, strict=True)}), input_signature=specs)
    proto, _ = tf2onnx.convert.from_function(traced, specs, opset=_OPSET)
    described = {entry["name"]: entry for entry in contract.to_json()["inputs"]}
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
        if value.name in described:
            value.doc_string = f"{described[value.name]['meaning']}; prior: {described[value.name]['prior']}"
    # tf2onnx sorts outputs by name.
    order = [tensor.name for tensor in outputs]
    ordered = sorted(proto.graph.output, key=lambda value: order.index(value.name))
    del proto.graph.output[:]
    proto.graph.output.extend(ordered)
    proto.doc_string = f"{name} of {contract.name}, step {contract.step}; the metadata {METADATA_KEY!r} describes inputs and outputs"
    onnx.helper.set_model_props(proto, {METADATA_KEY: json.dumps(contract.to_json())})
    return proto
