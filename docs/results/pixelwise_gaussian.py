"""Scores a generator that draws every pixel by itself, from a Gaussian with the mean and deviation
of training images: the floor under a generator's scores.

python docs/results/pixelwise_gaussian.py mnist [DATA_DIR]
"""

import sys

import numpy as np

from keras_infogan import datasets, evidence, features, metrics, scoring
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.trained import Trained


class PixelwiseGaussian(Trained):
    def __init__(self, images):
        values = datasets.to_float(np.asarray(images[:10_000]))
        self._mean, self._std = values.mean(axis=0), values.std(axis=0)
        super().__init__(
            "pixelwise Gaussian",
            LatentSpec(Noise(self._mean.size, "normal"), ()),
            self._mean.shape,
            0,
            ("generate",),
        )

    def _compute(self, capability, latents):
        return np.clip(
            self._mean + self._std * latents.reshape(-1, *self.image_shape), -1, 1
        ).astype(np.float32)


def main(dataset, data_dir=None):
    shape = datasets.image_shape(dataset, data_dir)
    model = PixelwiseGaussian(datasets.load(dataset, "train", shape, data_dir).images)
    split = datasets.evaluation_split(dataset, data_dir)
    found = evidence.Evidence(
        model,
        lambda: datasets.load(dataset, split, shape, data_dir),
        lambda: features.build("learned", dataset, shape, data_dir),
        num_images=10_000,
    )
    scoring.score_all(metrics.chosen("images"), found)


if __name__ == "__main__":
    main(*sys.argv[1:])
