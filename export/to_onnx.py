"""Writes a trained model as ONNX: generator.onnx (latents -> images) and recognizer.onnx (images -> parameters of Q(c|x)).

Both are float32 whatever the run was trained in, take any number of images at once, and carry in their metadata, under "keras_infogan", what the run was: a
program that has only the file knows its codes.
"""

import json

import onnx
import tensorflow as tf
import tf2onnx

from keras_infogan import runs

# The highest that tf2onnx 1.17 writes.
_OPSET = 18


def write(run, model, output_dir):
    """Writes generator.onnx and recognizer.onnx of a loaded model to a directory, each complete or not at all, and returns their paths."""
    # Where the data lay is no business of whoever gets the file.
    about = json.dumps({"run": run.to_json() | {"data_dir": None}, "step": model.step})
    networks = {
        "generator": ("latents", (model.latents.size,), "images", lambda latents: model.generator(latents, training=False)),
        "recognizer": ("images", run.image_shape, "parameters", lambda images: model.recognizer(model.trunk(images, training=False), training=False)),
    }
    paths = []
    for name, (inputs, shape, outputs, network) in networks.items():
        signature = [tf.TensorSpec((None, *shape), tf.float32, name=inputs)]
        function = tf.function(lambda values, network=network, outputs=outputs: {outputs: network(values)}, input_signature=signature)
        proto, _ = tf2onnx.convert.from_function(function, signature, opset=_OPSET)
        for value in (*proto.graph.input, *proto.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
        onnx.helper.set_model_props(proto, {"keras_infogan": about})
        onnx.checker.check_model(proto, full_check=True)
        runs.write_atomically(output_dir / f"{name}.onnx", proto.SerializeToString())
        paths.append(output_dir / f"{name}.onnx")
    return paths
