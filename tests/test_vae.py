"""What is the VAE's own: the bound of equation 3, its terms, and what beta and the
likelihood make of them.
"""

import dataclasses

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from conftest import SHAPE, TINY

from keras_infogan import models, trained
from keras_infogan.config import UserError
from keras_infogan.settings.vae import VAESettings

SETTINGS = TINY["vae"]


def _moments(model, images):
    """Returns mean and standard deviation of q(z|x), numpy (batch, latents)."""
    parts = model.latent_spec.unpack_parameters(model.encode(images).numpy())
    return (np.stack([part[:, place] for part in parts.values()], axis=1) for place in (0, 1))


def _objective(settings, batch):
    """Returns a fresh model, what its one player minimizes, and what it logs."""
    model = models.build("vae", settings, SHAPE)
    minimized, logged = model.objectives(batch)
    return (
        model,
        minimized["autoencoder"].numpy(),
        {name: value.numpy() for name, value in logged.items()},
    )


def test_the_divergence_is_that_of_two_gaussians(batch):
    model, _, logged = _objective(SETTINGS, batch)
    mean, log_variance = _moments(model, batch["image"])
    expected = -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance))
    for index, code in enumerate(model.latent_spec.codes):
        assert logged[f"divergence/{code.name}"] == pytest.approx(expected[:, index], abs=1e-5)


def test_the_reconstruction_is_a_cross_entropy_summed_over_pixels(batch):
    model, minimized, logged = _objective(SETTINGS, batch)
    mean, log_variance = _moments(model, batch["image"])
    noise = model.draw(
        lambda count, seed: tf.random.stateless_normal((count, model.latent_spec.size), seed),
        batch["image"],
        use=0,
    ).numpy()
    shares = (model.generate(mean + np.exp(log_variance / 2) * noise).numpy() + 1) / 2
    gray = (batch["image"].numpy() + 1) / 2
    expected = -(gray * np.log(shares) + (1 - gray) * np.log(1 - shares)).sum(axis=(1, 2, 3))
    assert logged["reconstruction"] == pytest.approx(expected, rel=1e-4)
    divergence = sum(value for name, value in logged.items() if name.startswith("divergence/"))
    assert minimized == pytest.approx(expected + divergence, rel=1e-4)


def test_beta_weighs_the_divergence_alone(batch):
    _, plain, logged = _objective(SETTINGS, batch)
    _, weighted, weighted_logged = _objective(dataclasses.replace(SETTINGS, beta=4.0), batch)
    divergence = sum(value for name, value in logged.items() if name.startswith("divergence/"))
    assert weighted - plain == pytest.approx(3 * divergence, abs=1e-3)
    # Reported is the bound itself, whatever beta.
    assert weighted_logged["negative_bound"] == pytest.approx(logged["negative_bound"], rel=1e-5)


@pytest.mark.parametrize("step", [0, 5, 50])
def test_with_a_capacity_beta_weighs_how_far_the_divergence_is_off(step, batch):
    settings = dataclasses.replace(SETTINGS, beta=10.0, capacity=25.0, capacity_steps=10)
    model = models.build("vae", settings, SHAPE)
    model.steps_taken.assign(step)
    minimized, logged = model.objectives(batch)
    penalty = minimized["autoencoder"].numpy() - logged["reconstruction"].numpy()
    divergence = np.sum(
        [value.numpy() for name, value in logged.items() if name.startswith("divergence/")], axis=0
    )
    capacity = {0: 0.0, 5: 12.5, 50: 25.0}[step]
    assert penalty.mean() == pytest.approx(10 * abs(divergence.mean() - capacity), rel=1e-3)


def test_a_gaussian_likelihood_is_scipys(batch):
    settings = dataclasses.replace(SETTINGS, likelihood="gaussian", gaussian_std=0.2)
    model = models.build("vae", settings, SHAPE)
    noise = np.zeros((16, model.latent_spec.size), np.float32)
    mean, log_variance = _moments(model, batch["image"])
    images = batch["image"].numpy()
    expected = (
        scipy.stats.norm(model.generate(mean).numpy(), 0.2).logpdf(images).sum(axis=(1, 2, 3))
    )
    expected += scipy.stats.norm().logpdf(mean).sum(axis=1) - scipy.stats.norm(
        mean, np.exp(log_variance / 2)
    ).logpdf(mean).sum(axis=1)
    assert model.log_likelihood(batch["image"], noise).numpy() == pytest.approx(expected, rel=1e-4)


def test_where_the_decoder_ignores_its_latents_the_likelihood_is_known(batch):
    """Then p(x|z) is p(x), the bound lies below it by the divergence, and importance
    samples close the gap.
    """
    model = models.build("vae", SETTINGS, SHAPE)
    model.decoder.layers[1].kernel.assign(tf.zeros_like(model.decoder.layers[1].kernel))
    images = np.where(batch["image"].numpy() > 0, 1, -1).astype(np.float32)
    shares = (model.generate(np.zeros((1, model.latent_spec.size), np.float32)).numpy() + 1) / 2
    exact = np.where(images > 0, np.log(shares), np.log(1 - shares)).sum(axis=(1, 2, 3))
    mean, log_variance = _moments(model, images)
    divergence = (-0.5 * (1 + log_variance - mean**2 - np.exp(log_variance))).sum(axis=1)
    face = trained.TrainedLearner(model)
    one_each = np.mean(
        [face.log_likelihood(images, seed=100 * draw) for draw in range(200)], axis=0
    )
    assert one_each == pytest.approx(exact - divergence, abs=0.3)
    assert face.log_likelihood(images, num_samples=2000) == pytest.approx(exact, abs=0.15)


def test_binarized_pixels_are_black_or_white_with_the_gray_level_as_probability(batch):
    model = models.build("vae", dataclasses.replace(SETTINGS, binarize=True), SHAPE)
    drawn = []
    for step in range(200):
        model.steps_taken.assign(step)
        drawn.append(model._binarized(batch["image"]).numpy())
    assert set(np.unique(drawn)) == {-1.0, 1.0}
    assert np.mean(drawn, axis=0) == pytest.approx(batch["image"].numpy(), abs=0.35)
    assert np.mean(drawn) == pytest.approx(batch["image"].numpy().mean(), abs=0.02)
    fixed = dataclasses.replace(SETTINGS, binarize=True, binarization="fixed")
    for settings, binarization in ((SETTINGS, "none"), (fixed, "fixed")):
        other = models.build("vae", settings, SHAPE)
        assert other._binarized(batch["image"]) is batch["image"]
        assert other.likelihood["binarization"] == binarization


def test_a_part_of_the_images_has_the_likelihoods_that_the_whole_has(batch):
    """Each image's draws are its own, so that scores do not depend on how images
    are cut into parts.
    """
    face, images = (
        trained.TrainedLearner(models.build("vae", SETTINGS, SHAPE)),
        batch["image"].numpy(),
    )
    whole = face.log_likelihood(images, seed=7, num_samples=3)
    assert face.log_likelihood(images[5:], seed=7 + 5 * 3, num_samples=3) == pytest.approx(
        whole[5:], rel=1e-5
    )
    with pytest.raises(UserError, match="num_samples: expected at least 1, received 0"):
        face.log_likelihood(images, num_samples=0)


def test_it_reconstructs_the_decoder_of_the_mean(batch):
    model = models.build("vae", SETTINGS, SHAPE)
    mean, _ = _moments(model, batch["image"])
    face = trained.TrainedLearner(model)
    assert face.capabilities == ("generate", "encode", "reconstruct", "log_likelihood")
    assert face.reconstruct(batch["image"].numpy()) == pytest.approx(
        model.generate(mean).numpy(), abs=1e-6
    )


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (
            {"codes": "digit=categorical(10)"},
            "the latents of a VAE are gaussian, and digit is categorical",
        ),
        ({"codes": ""}, "there are none"),
        ({"codes": "2*gaussian(weight=5)"}, "the latents of a VAE have no weights of their own"),
        ({"beta": -1.0}, "--beta must be at least 0"),
        ({"capacity": -1.0}, "--capacity must be at least 0"),
        ({"binarize": True, "likelihood": "gaussian"}, "--likelihood=bernoulli"),
        ({"binarization": "fixed"}, "which --binarize asks for"),
        ({"encoder_layers": "dense 4, conv 4"}, "--encoder_layers"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(settings, part):
    with pytest.raises(UserError) as error:
        VAESettings(**settings)
    assert part in str(error.value)


def test_layers_that_make_other_images_name_their_setting():
    with pytest.raises(UserError, match="--decoder_layers"):
        VAESettings(decoder_layers="dense 4x4x1").for_images(SHAPE)
