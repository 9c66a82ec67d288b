"""What is the autoencoder's own: its errors, what it hides from the encoder, and latents of mean 0
and variance 1.
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, TINY

from keras_infogan import models, trained
from keras_infogan.config import UserError
from keras_infogan.settings.autoencoder import AutoencoderSettings

SETTINGS = TINY["autoencoder"]


@pytest.mark.parametrize("error", ["cross_entropy", "squared"])
def test_it_minimizes_the_error_of_its_reconstructions(error, batch):
    model = models.build("autoencoder", dataclasses.replace(SETTINGS, error=error), SHAPE)
    latents = model.encoder(batch["image"], training=True)
    images, made = batch["image"].numpy(), model.generate(latents).numpy()
    gray, shares = (images + 1) / 2, (made + 1) / 2
    per_pixel = {
        "cross_entropy": -(gray * np.log(shares) + (1 - gray) * np.log(1 - shares)),
        "squared": (images - made) ** 2,
    }[error]
    minimized, logged = model.objectives(batch)
    assert minimized["autoencoder"].numpy() == pytest.approx(
        per_pixel.sum(axis=(1, 2, 3)), rel=1e-4
    )
    assert logged["reconstruction"] is minimized["autoencoder"]


def test_latents_have_mean_0_and_variance_1(batch):
    model = models.build("autoencoder", SETTINGS, SHAPE)
    latents = model.encoder(batch["image"], training=True).numpy()
    assert latents.mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert latents.var(axis=0) == pytest.approx(1, abs=0.05)


def test_corruption_blackens_pixels_of_what_the_encoder_sees(batch):
    corrupted = dataclasses.replace(
        SETTINGS, corruption=0.3, decoder_layers="dense 4x4x8, conv 3/2"
    )
    model = models.build("autoencoder", corrupted, (8, 8, 3))
    images = tf.repeat(batch["image"], 3, axis=3)
    seen = model._corrupted(images).numpy()
    black = (seen == -1).all(axis=3)
    assert black.mean() == pytest.approx(0.3, abs=0.05)
    assert np.array_equal(seen[~black], images.numpy()[~black])
    model.steps_taken.assign(1)
    assert not np.array_equal(seen, model._corrupted(images).numpy())
    assert models.build("autoencoder", SETTINGS, SHAPE)._corrupted(images) is images


def test_it_reconstructs_and_has_no_likelihood(batch):
    model = models.build("autoencoder", SETTINGS, SHAPE)
    face = trained.TrainedLearner(model)
    assert face.capabilities == ("generate", "encode", "reconstruct")
    assert face.reconstruct(batch["image"].numpy()) == pytest.approx(
        model.generate(model.encode(batch["image"])).numpy(), abs=1e-6
    )


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"codes": "a=uniform"}, "the latents of an autoencoder are gaussian, and a is uniform"),
        ({"codes": ""}, "there are none"),
        ({"corruption": 1.5}, "--corruption must be at most 1"),
        ({"error": "l2"}, "--error must be one of cross_entropy, squared"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(settings, part):
    with pytest.raises(UserError) as error:
        AutoencoderSettings(**settings)
    assert part in str(error.value)
