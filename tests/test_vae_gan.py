"""What is the VAE/GAN's own: likeness in the discriminator's features, and who is moved by what."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, TINY

from keras_infogan import models, networks
from keras_infogan.config import UserError
from keras_infogan.settings.vae_gan import VAEGANSettings

SETTINGS = TINY["vae_gan"]


def _last_layer(model):
    """Returns the discriminator's last layer, which the game alone sees."""
    dense = [layer for layer in model.discriminator.layers if isinstance(layer, keras.layers.Dense)]
    return dense[-1]


def test_the_game_moves_no_encoder(batch):
    """Its gradient is the same whatever the discriminator's last layer, which the game alone sees,
    makes of the images.
    """
    model = models.build("vae_gan", SETTINGS, SHAPE)
    last = _last_layer(model)

    def gradient():
        with tf.GradientTape() as tape:
            encoder = model.objectives(batch)[0]["encoder"]
        return tape.gradient(encoder, model.encoder.trainable_variables)

    before = gradient()
    last.kernel.assign(10 * last.kernel)
    for one, other in zip(before, gradient(), strict=True):
        assert np.array_equal(one.numpy(), other.numpy())


def test_gamma_weighs_likeness_for_the_decoder_alone(batch):
    objectives = {}
    for gamma in (0.0, 2.0):
        model = models.build("vae_gan", dataclasses.replace(SETTINGS, gamma=gamma), SHAPE)
        objectives[gamma] = model.objectives(batch)
    (without, logged), (weighted, _) = objectives[0.0], objectives[2.0]
    assert weighted["decoder"].numpy() - without["decoder"].numpy() == pytest.approx(
        2 * logged["dissimilarity"].numpy(), rel=1e-3
    )
    assert without["encoder"].numpy() == pytest.approx(weighted["encoder"].numpy(), rel=1e-5)
    expected = logged["encoder_divergence"].numpy() + logged["dissimilarity"].numpy()
    assert without["encoder"].numpy() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("three_classes", "classes"), [(False, 2), (True, 3)])
def test_an_undecided_discriminator_gives_every_class_the_same(three_classes, classes, batch):
    settings = dataclasses.replace(SETTINGS, three_classes=three_classes)
    model = models.build("vae_gan", settings, SHAPE)
    logits = _last_layer(model)
    logits.kernel.assign(tf.zeros_like(logits.kernel))
    _, logged = model.objectives(batch)
    assert logged["discriminator_loss"].numpy() == pytest.approx(3 * np.log(classes))
    assert logged["decoder_loss"].numpy() == pytest.approx(2 * np.log(classes))


def test_hidden_features_are_those_before_batch_norm(batch):
    network = networks.image_encoder("x", SHAPE, "conv 4/2, conv 8/2 bn, dense 8", 0.2, 1)
    output, hidden = networks.with_hidden(network, 2)(batch["image"])
    first = network.layers[1](batch["image"])
    expected = network.layers[3](tf.where(first < 0, 0.2 * first, first))
    assert hidden.numpy() == pytest.approx(expected.numpy().reshape(16, -1), abs=1e-5)
    assert np.array_equal(output.numpy(), network(batch["image"]).numpy())


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"codes": "a=uniform"}, "the latents of a VAE/GAN are gaussian, and a is uniform"),
        ({"gamma": -1.0}, "--gamma must be at least 0"),
        (
            {"similarity_layer": 3, "discriminator_layers": "conv 4/2, dense 8"},
            "--similarity_layer=3: the discriminator has 2 layers (conv 4/2, dense 8)",
        ),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(settings, part):
    with pytest.raises(UserError) as error:
        VAEGANSettings(**settings).for_images(SHAPE)
    assert part in str(error.value)


def test_the_last_layer_is_compared_in_unless_another_is_asked_for():
    settings = VAEGANSettings(discriminator_layers="conv 4/2, dense 8, dense 8")
    assert settings.for_images(SHAPE).similarity_layer == 3
