"""Measures what the codes of a run on CelebA say about faces:

    python docs/results/face_codes.py RUN_DIR ...

Mutual information in nats between each code, as the recognizer reads it from the test images, and
each of the 40 attributes and six statistics of the image; and between each code, as it is drawn,
and the statistics of 5,000 generated images. Continuous codes and statistics are cut into ten
classes of equal size. What shuffled pairs have, the mean of twenty shuffles, is taken off.

The statistics, of pixels in [-1, 1], defined before a run was measured:
  brightness   mean of all pixels
  contrast     standard deviation of all pixels
  saturation   root mean square distance of red, green and blue from their mean
  warmth       mean of red minus blue
  side_light   mean of the right half minus the left half
  backdrop     mean of the outermost tenth at the left, the right and the top
"""

import sys

import numpy as np
from sklearn.metrics import mutual_info_score

from keras_infogan import datasets, loaded

NUM_IMAGES, NUM_CLASSES, NUM_SHUFFLES, ENOUGH = 5_000, 10, 20, 0.1


def statistics(images):
    """Returns a dict of (count,) of images (count, height, width, 3) in [-1, 1]."""
    _, height, width, _ = images.shape
    rim, half = max(height // 10, 1), width // 2
    backdrop = np.ones((height, width), bool)
    backdrop[rim:, rim:-rim] = False
    gray = images.mean(axis=3)
    return {
        "brightness": images.mean(axis=(1, 2, 3)),
        "contrast": images.std(axis=(1, 2, 3)),
        "saturation": np.sqrt(((images - gray[..., None]) ** 2).mean(axis=(1, 2, 3))),
        "warmth": (images[..., 0] - images[..., 2]).mean(axis=(1, 2)),
        "side_light": gray[:, :, half:].mean(axis=(1, 2)) - gray[:, :, :half].mean(axis=(1, 2)),
        "backdrop": gray[:, backdrop].mean(axis=1),
    }


def classes(values):
    """Returns classes of (count,), of equal size where the values are many."""
    if len(np.unique(values)) <= NUM_CLASSES:
        return values
    return np.argsort(np.argsort(values)) * NUM_CLASSES // len(values)


def information(one, other, generator):
    """Returns nats that two columns have in common, less those of shuffled pairs."""
    one, other = classes(one), classes(other)
    chance = [mutual_info_score(generator.permutation(one), other) for _ in range(NUM_SHUFFLES)]
    return mutual_info_score(one, other) - np.mean(chance)


def tables(directory):
    """Returns two tables of a run, dicts from code to a dict from attribute or statistic to nats:
    of real and of generated images.
    """
    run, model = loaded.load_run(directory)
    spec, generator = model.latent_spec, np.random.default_rng(0)
    image_set = datasets.load(run.dataset, "test", run.image_shape, run.data_dir, run.framing)
    images = datasets.to_float(np.asarray(image_set.images))
    known = dict(zip(image_set.factor_names, np.asarray(image_set.factors).T, strict=True))
    latents = spec.sample(NUM_IMAGES, seed=0)
    pairs = (
        (spec.answers(model.encode(images)), known | statistics(images)),
        (spec.values(latents), statistics(model.generate(latents))),
    )
    return [
        {
            code: {name: information(column, values, generator) for name, values in about.items()}
            for code, column in codes.items()
        }
        for codes, about in pairs
    ]


if __name__ == "__main__":
    for directory in sys.argv[1:]:
        for kind, table in zip(("real", "generated"), tables(directory), strict=True):
            for code, about in table.items():
                best = sorted(about.items(), key=lambda item: -item[1])[:5]
                print(
                    f"{directory} {kind} {code}: "
                    + ", ".join(f"{name} {nats:.2f}" for name, nats in best)
                )
            telling = sum(max(about.values()) >= ENOUGH for about in table.values())
            print(f"{directory} {kind}: {telling} of {len(table)} codes tell {ENOUGH} nats or more")
