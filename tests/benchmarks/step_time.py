"""Measures a training step against its floor:

    python tests/benchmarks/step_time.py [data set] [precision] [preset]

The floor is the time that the step's convolutions and matrix products would take at the rate at
which this machine multiplies two 2048 x 2048 matrices, both measured in turn in one run, medians of
several. Everything else a step does (batch norm, optimizers, Python) is above the floor. Where
torch is installed and the preset is one of the paper's game, PyTorch's step on the same networks is
measured beside ours, eager and compiled. It prints, it asserts nothing.
"""

import dataclasses
import importlib.util
import os
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from keras_infogan import datasets, models

_ROUNDS = 15
_SIZE = 2048


def layer_operations(network):
    """Returns the operations (multiplications and additions) of one forward pass on one image, per
    layer with a kernel, in order.
    """
    operations = []
    for layer in network.layers:
        layer = getattr(layer, "layer", layer)
        if isinstance(layer, keras.layers.Conv2DTranspose):
            operations.append(2 * layer.kernel.numpy().size * np.prod(layer.input.shape[1:3]))
        elif isinstance(layer, keras.layers.Conv2D):
            operations.append(2 * layer.kernel.numpy().size * np.prod(layer.output.shape[1:3]))
        elif isinstance(layer, keras.layers.Dense):
            operations.append(2 * layer.kernel.numpy().size)
    return operations


def step_operations(model):
    """Returns the operations of one training step on one image.

    Forward: the generator once per batch of fakes; trunk and heads once on the real and once per
    batch of fakes. Backward costs once the forward for the weights and once for the inputs; a
    network's first layer needs no gradient of its inputs, except where the generator's gradient
    passes through it.
    """
    generator, trunk = layer_operations(model.generator), layer_operations(model.trunk)
    discriminator, recognizer = (
        sum(layer_operations(model.discriminator)),
        sum(layer_operations(model.recognizer)),
    )
    draws = 1 if model.settings.share_fakes else 2
    total = draws * sum(generator) + 2 * sum(generator) - generator[0]
    total += (1 + draws) * sum(trunk) + 2 * (2 * sum(trunk) - trunk[0]) + sum(trunk)
    total += (1 + draws) * discriminator + 2 * 2 * discriminator + discriminator
    total += draws * recognizer + 2 * recognizer + recognizer
    if model.settings.real_information_weight:
        # The changed copies through trunk and recognizer, the real images through the latter.
        total += 3 * sum(trunk) - trunk[0] + 2 * 3 * recognizer
    return total


def _pytorch_steps(settings, shape):
    """Returns PyTorch's step, as a user would write it and compiled, on as many threads as ours."""
    import torch  # pyright: ignore[reportMissingImports]
    from pytorch_infogan import build

    torch.set_num_threads(len(os.sched_getaffinity(0)))

    def detached(step):
        return lambda: [loss.detach() for loss in step()]

    return {
        "PyTorch": detached(build(settings, shape)),
        "PyTorch, compiled": detached(build(settings, shape, compiled=True)),
    }


def main(dataset="mnist", precision="float32", preset=None):
    shape = datasets.image_shape(dataset)
    preset = preset or models.preset_for("infogan", dataset)
    settings = dataclasses.replace(models.presets("infogan")[preset], precision=precision)
    strategy = tf.distribute.MirroredStrategy()
    with strategy.scope():
        shared = models.build("infogan", settings, shape)
        fresh = models.build("infogan", dataclasses.replace(settings, share_fakes=False), shape)
    images = tf.random.stateless_uniform((settings.batch_size, *shape), (0, 0), -1.0, 1.0)
    matrix = tf.cast(
        tf.random.stateless_normal((_SIZE, _SIZE), (0, 0)),
        keras.DTypePolicy(precision).compute_dtype,
    )

    def step(model):
        return tf.function(lambda: strategy.run(model.train_step, ({"image": images},)))

    measured = {
        "one batch of fakes": step(shared),
        "fresh batch for the generator": step(fresh),
        "matrix product": tf.function(lambda: matrix @ matrix),
    }
    comparable = preset.endswith("_paper") and precision == "float32"
    of_pytorch = {}
    if comparable and importlib.util.find_spec("torch"):
        of_pytorch = _pytorch_steps(settings, shape)
    measured |= of_pytorch
    seconds = {name: [] for name in measured}
    for turn in range(_ROUNDS + 2):
        for name, function in measured.items():
            start = time.perf_counter()
            results = strategy.experimental_local_results(function())[0]
            tf.nest.map_structure(lambda value: value.numpy(), results)
            if turn >= 2:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    rate = 2 * _SIZE**3 / medians["matrix product"]
    print(
        f"{preset}, {precision}, batch {settings.batch_size}, {strategy.num_replicas_in_sync} "
        f"replica(s); matrix product {rate / 1e9:.0f} GFLOP/s"
    )
    for name, model in (("one batch of fakes", shared), ("fresh batch for the generator", fresh)):
        operations = step_operations(model) * settings.batch_size
        floor = operations / rate
        print(
            f"{name}: {operations / 1e9:.1f} GFLOP, floor {floor * 1e3:.0f} ms, measured "
            f"{medians[name] * 1e3:.0f} ms = {medians[name] / floor:.1f} x the floor"
        )
    for name in of_pytorch:
        print(
            f"{name}: {medians[name] * 1e3:.0f} ms = "
            f"{medians[name] / medians['one batch of fakes']:.2f} x ours on one batch of fakes"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
