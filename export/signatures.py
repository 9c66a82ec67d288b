"""The exported functions, in TensorFlow: named codes and noise -> images, images -> what the recognizer says.

SavedModel and ONNX are made from the same functions and differ in what an invalid input does: a SavedModel can refuse it (`raise_unless`), an ONNX graph
cannot stop and marks the image (`blank_unless`).
"""

import functools

import tensorflow as tf

from keras_infogan.latents import NUM_SEEDS

_SUM_TOLERANCE = 1e-3  # of blending weights; images of other programs may round past 1 as far


def _all(condition):
    """Returns bool (batch,): whether all of an image's numbers meet the condition."""
    return tf.reduce_all(tf.reshape(condition, (tf.shape(condition)[0], -1)), axis=1)


def _finite(values):
    # Not tf.math.is_finite, which ONNX lacks; infinity minus itself is no number either.
    return tf.equal(values - values, 0.0)


def _within(values, low, high):
    return tf.logical_and(values >= low, values <= high)


def input_checks(contract, inputs):
    """Returns, for named inputs of the generator, a dict from name to (whether each image's is valid, bool (batch,); what is expected, text)."""
    codes = {code.name: code for code in contract.latents.codes}
    checks = {}
    for name, values in inputs.items():
        if name == "seed":
            checks[name] = _within(values, 0, NUM_SEEDS - 1), f"an integer from 0 to {NUM_SEEDS - 1}"
        elif name in ("noise", "latents") or codes[name].continuous:
            checks[name] = _all(_finite(values)), "finite numbers"
        elif values.dtype.is_integer:
            last = max(codes[name].size, 2) - 1
            checks[name] = _within(values, 0, last), f"an integer from 0 to {last}"
        elif codes[name].kind == "categorical":
            sums = _within(tf.reduce_sum(values, axis=1), 1 - _SUM_TOLERANCE, 1 + _SUM_TOLERANCE)
            checks[name] = tf.logical_and(sums, _all(_within(values, 0.0, 1.0))), "weights from 0 to 1 that sum to 1"
        else:
            checks[name] = _within(values, 0.0, 1.0), "a number from 0 to 1"
    return checks


def image_checks(images):
    """The same for images in [0, 1]."""
    return {"images": (_all(_within(images, -_SUM_TOLERANCE, 1 + _SUM_TOLERANCE)), "numbers from 0 to 1")}


def raise_unless(checks):
    """Returns the operations that fail, with the input's name, unless all is valid."""
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
