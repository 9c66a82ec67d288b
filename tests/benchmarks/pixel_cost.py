"""What models cost that make an image pixel by pixel, as images grow: processor time of a training
step, and of an image drawn: taskset -c 0 python tests/benchmarks/pixel_cost.py --repeats=1

Prints a Markdown table, a row per architecture, of the networks of the presets for MNIST: gray
images of two levels, and the last size in color, of 256 levels. Each is the median of `repeats`
after a first one, which is compiled.
"""

import argparse
import dataclasses
import statistics
import time

import numpy as np
import tensorflow as tf

from keras_infogan import models, trained

_ARCHITECTURES = (
    ("pixelcnn", "plain"),
    ("pixelcnn", "gated"),
    ("pixelrnn", "row"),
    ("pixelrnn", "diagonal"),
)


def measured(function, repeats):
    """Returns the processor time of a call in seconds."""
    function()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def cost(name, architecture, shape, levels, batch_size, count, repeats):
    """Returns the seconds of a step of `batch_size` images, and of an image of `count` drawn."""
    settings = dataclasses.replace(
        models.presets(name)["mnist"], architecture=architecture, levels=levels
    )
    model = models.build(name, settings, shape)
    images = np.random.default_rng(0).uniform(-1, 1, (batch_size, *shape))
    batch = {"image": tf.constant(images, tf.float32)}
    step, face = tf.function(model.train_step), trained.TrainedLearner(model)
    return (
        measured(lambda: step(batch), repeats),
        measured(lambda: face.sample(count, 0), repeats) / count,
    )


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch_size", type=int, default=64, help="images of a step")
    parser.add_argument("--count", type=int, default=64, help="images drawn together")
    parser.add_argument("--sizes", default="8,16,28", help="of gray images")
    parser.add_argument("--color_size", type=int, default=32, help="0: none")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    shapes = [((size, size, 1), 2) for size in sizes]
    if arguments.color_size:
        shapes.append(((arguments.color_size, arguments.color_size, 3), 256))
    heads = [f"{height}x{width}{' in color' * (depth > 1)}" for (height, width, depth), _ in shapes]
    print(f"| seconds of a step; of an image drawn | {' | '.join(heads)} |")
    print("| --- " * (1 + len(shapes)) + "|")
    for name, architecture in _ARCHITECTURES:
        print(f"| {name}, {architecture}", end="", flush=True)
        for shape, levels in shapes:
            step, image = cost(
                name,
                architecture,
                shape,
                levels,
                arguments.batch_size,
                arguments.count,
                arguments.repeats,
            )
            print(f" | {step:.2g}; {image:.2g}", end="", flush=True)
        print(" |", flush=True)


if __name__ == "__main__":
    main()
