"""Measures the memory that a training step takes by batch size:

    python tests/benchmarks/batch_memory.py [preset] [precision]

Each batch size in a process of its own, three steps; the most memory the process held. It prints,
it asserts nothing. Linux only.
"""

import dataclasses
import os
import resource
import subprocess
import sys

_BATCH_SIZES = (32, 128, 512, 1024)


def steps(preset, precision, batch_size):
    """Takes three steps on random images and prints this process's largest
    resident memory in MiB.
    """
    import tensorflow as tf

    from keras_infogan import datasets, models

    shape = datasets.image_shape(preset)
    settings = dataclasses.replace(
        models.presets("infogan")[models.preset_for("infogan", preset)],
        precision=precision,
        batch_size=batch_size,
    )
    strategy = tf.distribute.MirroredStrategy()
    with strategy.scope():
        model = models.build("infogan", settings, shape)
    images = tf.random.stateless_uniform((batch_size, *shape), (0, 0), -1.0, 1.0)
    train = tf.function(lambda: strategy.run(model.train_step, ({"image": images},)))
    for _ in range(3):
        train()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(preset="mnist", precision="float32"):
    measured = {}
    for batch_size in _BATCH_SIZES:
        command = [sys.executable, __file__, "measure", preset, precision, str(batch_size)]
        output = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        ).stdout
        measured[batch_size] = float(output.split()[-1])
        print(
            f"{preset}, {precision}, batch {batch_size:5}: {measured[batch_size]:6.0f} MiB",
            flush=True,
        )
    smallest, largest = min(measured), max(measured)
    print(
        f"that is {(measured[largest] - measured[smallest]) / (largest - smallest):.2f} MiB "
        "for each image more"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        steps(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(*sys.argv[1:])
