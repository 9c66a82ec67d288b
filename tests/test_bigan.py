"""What is BiGAN's own: pairs, both halves of the loss for both sides, and its two encoders."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, TINY

from keras_infogan import models, trained
from keras_infogan.config import UserError
from keras_infogan.settings.bigan import BiGANSettings

SETTINGS = TINY["bigan"]


def test_encoder_and_generator_minimize_the_discriminators_loss_with_labels_swapped(batch):
    model = models.build("bigan", SETTINGS, SHAPE)
    # Without batch norm's statistics of the batch, so that both passes are the same.
    latents = model.draw(model.latent_spec.draw, batch["image"], use=0)
    real = model._pair_logits(batch["image"], model.encoder(batch["image"], training=True))
    generated = model._pair_logits(model.generator(latents, training=True), latents)
    real, generated = (logits.numpy()[:, 0].astype(float) for logits in (real, generated))
    minimized, logged = model.objectives(batch)
    share = {name: 1 / (1 + np.exp(-logits)) for name, logits in (("x", real), ("z", generated))}
    expected = {
        "discriminator": -np.log(share["x"]) - np.log(1 - share["z"]),
        "encoder": -np.log(1 - share["x"]),
        "generator": -np.log(share["z"]),
    }
    assert minimized.keys() == expected.keys()
    for player, values in expected.items():
        assert minimized[player].numpy() == pytest.approx(values, rel=1e-4)
        assert logged[f"{player}_loss"] is minimized[player]


def test_the_discriminator_sees_images_and_latents_together(batch):
    model = models.build("bigan", SETTINGS, SHAPE)
    latents = tf.constant(model.latent_spec.sample(16, 0))
    logits = model._pair_logits(batch["image"], latents).numpy()
    assert not np.allclose(logits, model._pair_logits(batch["image"], latents[::-1]).numpy())
    assert not np.allclose(logits, model._pair_logits(batch["image"][::-1], latents).numpy())


@pytest.mark.parametrize(("encoder", "drawn"), [("deterministic", False), ("gaussian", True)])
def test_a_gaussian_encoder_draws_and_a_deterministic_one_does_not(encoder, drawn, batch):
    model = models.build("bigan", dataclasses.replace(SETTINGS, encoder=encoder), SHAPE)
    parameters = model.encode(batch["image"])
    means = np.stack(list(model.latent_spec.answers(parameters.numpy()).values()), axis=1)
    latents = []
    for step in range(300):
        model.steps_taken.assign(step)
        latents.append(model._drawn(parameters).numpy())
    deviations = np.std(latents, axis=0)
    answers = model.latent_spec.outputs(parameters.numpy())
    said = np.stack([answers[f"{code.name}_std"] for code in model.latent_spec.codes], axis=1)
    assert np.mean(latents, axis=0) == pytest.approx(means, abs=0.5 if drawn else 1e-6)
    assert deviations == pytest.approx(said if drawn else 0 * said, rel=0.3, abs=1e-6)


def test_it_reconstructs_what_the_generator_makes_of_the_encoding(batch):
    model = models.build("bigan", SETTINGS, SHAPE)
    face = trained.TrainedLearner(model)
    assert face.capabilities == ("generate", "encode", "reconstruct")
    assert face.reconstruct(batch["image"].numpy()) == pytest.approx(
        model.generate(model.encode(batch["image"])).numpy(), abs=1e-6
    )


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (
            {"codes": "digit=categorical(10)"},
            "the latents of a BiGAN are uniform or gaussian, and digit is categorical",
        ),
        ({"codes": ""}, "there are none"),
        ({"codes": "2*gaussian(weight=5)"}, "leave what stands in brackets out"),
        ({"encoder": "gausian"}, "did you mean 'gaussian'"),
        ({"joint_layers": "conv 4/2"}, "--joint_layers"),
        ({"discriminator_layers": "dense 4, conv 4"}, "--discriminator_layers"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(settings, part):
    with pytest.raises(UserError) as error:
        BiGANSettings(**settings)
    assert part in str(error.value)
