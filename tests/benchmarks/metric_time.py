"""Measures the time and memory of every score on 10,000 points:

    python tests/benchmarks/metric_time.py [SCORE ...]

Each score runs in a process of its own; what it imports counts for its memory but not for its time.
The points: 10,000 for training and 5,000 for test of ten codes and five factors with dSprites'
numbers of values, 10,000 labels and categories, 10,000 real and generated features of 64
dimensions, 1,000 moves of 28x28 images by ten codes; 60,000 training images of 28x28 for neighbors,
10,000 of 32x32 in color for one attribute.
"""

import inspect
import json
import resource
import subprocess
import sys
import time

import numpy as np
from sklearn.metrics.cluster import contingency_matrix

from keras_infogan.metrics import METRICS


def points():
    """Returns what the scores ask for by name."""
    generator = np.random.default_rng(0)
    factors = np.stack(
        [generator.integers(size, size=15_000) for size in (3, 6, 40, 32, 32)], axis=1
    ).astype(float)
    codes = np.concatenate(
        [
            factors / factors.max(axis=0) + generator.normal(size=factors.shape) / 5,
            generator.normal(size=factors.shape),
        ],
        axis=1,
    )
    categories, images = (
        generator.integers(10, size=(2, 10_000)),
        generator.normal(size=(2, 1000, 28, 28, 1)).astype(np.float32),
    )
    values, features = (
        generator.normal(size=(2, 10_000)),
        generator.normal(size=(2, 10_000, 64)).astype(np.float32),
    )
    training = generator.normal(size=(10_000, 32, 32, 3)).astype(np.float32)
    changes = {
        f"code_{index}": generator.normal(size=(1000, 784)).astype(np.float32)
        for index in range(10)
    }
    return {
        "codes": codes,
        "factors": factors,
        "labels": categories[0],
        "categories": categories[0],
        "categories_of_copies": categories[1],
        "category_counts": contingency_matrix(*categories),
        "class_counts": contingency_matrix(*categories),
        "information": values[0],
        "drawn_values": values[0],
        "read_values": values[1],
        "drawn_categories": categories[0],
        "read_categories": categories[1],
        "start_images": images[0],
        "moved_images": images[1],
        "code_changes": changes,
        "real_features": features[0],
        "generated_features": features[1],
        "real_labels": categories[0],
        "real_images": images[0],
        "reconstructions": images[1],
        "reconstructed_features": features[1],
        "read_vectors": generator.normal(size=(10_000, 50)).astype(np.float32),
        "training_labels": generator.integers(10, size=60_000),
        "representations": [
            (
                "pixels",
                *(generator.random((count, 784), np.float32) for count in (60_000, 10_000)),
            )
        ],
        "training_images": training,
        "training_attributes": {"bright": training[:, 0, 0, 0] > 0},
        "attribute_moves": [("bright", *(training[first : first + 200] for first in (0, 1, 2)))],
        "likelihoods": {"exact": values[0]},
        "likelihood_images": images[0],
    }


def measure(name):
    """Prints the seconds and the mebibytes beyond the points that a score takes, as JSON."""
    function, given = METRICS[name].function, points()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    function(
        **{
            argument: given[argument]
            for argument in inspect.signature(function).parameters
            if argument != "seed"
        }
    )
    seconds = time.perf_counter() - started
    print(
        json.dumps([seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024])
    )


def main(*names):
    print("| score | seconds | MiB beyond the points |\n| --- | --- | --- |")
    for name in names or METRICS:
        result = subprocess.run(
            [sys.executable, __file__, "--measure", name],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds, memory = json.loads(result.stdout)
        print(f"| {name} | {seconds:.2f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    measure(sys.argv[2]) if sys.argv[1:2] == ["--measure"] else main(*sys.argv[1:])
