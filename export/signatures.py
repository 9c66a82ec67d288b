"""The exported functions, in TensorFlow: named codes and noise -> images, images -> what the recognizer says.

SavedModel and ONNX are made from the same functions and differ in what an invalid input does: a SavedModel can refuse it (`raise_unless`), an ONNX graph
cannot stop and marks the image (`blank_unless`).
"""

import functools

import tensorflow as tf


def raise_unless(checks):
    """Returns the operations that fail, with the input's name, unless all is valid; see Contract.checks."""
    return [tf.debugging.Assert(tf.reduce_all(valid), [f"{name}: expected {expected}"]) for name, (valid, expected) in checks.items()]


def all_valid(checks):
    """Returns whether each image's inputs are valid, bool (batch,)."""
    return functools.reduce(tf.logical_and, [valid for valid, _ in checks.values()])


def blank_unless(valid, values):
    """Returns `values` (batch, ...) with those of invalid images NaN, or -1 if they are integers."""
    valid = tf.reshape(valid, (-1, *[1] * (len(values.shape) - 1)))
    return tf.where(valid, values, tf.constant(float("nan") if values.dtype.is_floating else -1, values.dtype))


def latents_of(contract, inputs):
    """Returns latent vectors, float32 (batch, latents.size), from named inputs; see Contract.inputs."""
    if "latents" in inputs:
        return inputs["latents"]
    noise = contract.latents.noise
    parts = [noise.from_seeds(inputs["seed"]) if "seed" in inputs else inputs["noise"]] if noise.size else []
    for code in contract.latents.codes:
        values = inputs[code.name]
        if code.kind == "categorical":
            # Not tf.one_hot: as ONNX it would take -1 for the last category, and not every runtime has it.
            parts.append(tf.cast(values[:, None] == tf.range(code.num_categories, dtype=tf.int64), tf.float32) if values.dtype.is_integer else values)
        else:
            parts.append(tf.cast(values, tf.float32)[:, None])
    return tf.concat(parts, axis=-1)


def generate(model, latents):
    """Returns images in [0, 1] of latent vectors."""
    return (model.generator(latents, training=False) + 1) / 2


def encode(contract, model, images):
    """Returns what the recognizer says of images in [0, 1], by the names of `Contract.answers`."""
    parameters = model.recognizer(model.trunk(images * 2 - 1, training=False), training=False)
    answers = {}
    for code, part in zip(contract.latents.codes, contract.latents.unpack_parameters(parameters).values(), strict=True):
        if code.continuous:
            answers[code.name] = part[:, 0]
            answers[f"{code.name}_std"] = tf.exp(contract.latents.posterior.log_std(part)[:, 0])
        else:
            probabilities = tf.nn.softmax(part) if code.kind == "categorical" else tf.concat([tf.sigmoid(-part), tf.sigmoid(part)], axis=-1)
            answers[code.name] = tf.argmax(probabilities, axis=-1)
            answers[f"{code.name}_probabilities"] = probabilities
    return answers | {"parameters": parameters}
