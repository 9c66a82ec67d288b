"""A trained model as tools see it: loaded from a run, or still in training; all arrays numpy."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, TINY

from keras_infogan import checkpoints, loaded, models, runs, trained
from keras_infogan.config import UserError
from keras_infogan.latents import Noise


def test_a_run_without_checkpoint_says_how_to_train(new_run):
    run = new_run("a")
    runs.create(run)
    with pytest.raises(
        UserError, match=r"no checkpoint yet; train first: python -m keras_infogan\.train"
    ):
        loaded.load_run(run.directory)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_run_computes_in_float32_whatever_it_was_trained_in(new_run, precision):
    run = new_run("a", precision=precision)
    runs.create(run)
    model = models.build(run.model, run.settings, run.image_shape)
    model.steps_taken.assign(3)
    checkpoints.save(run, model)
    _, restored = loaded.load_run(run.directory)
    assert restored.step == 3
    assert {layer.compute_dtype for layer in restored.learner.generator.layers} == {"float32"}
    assert np.array_equal(
        restored.learner.generator.trainable_variables[0].numpy(),
        model.generator.trainable_variables[0].numpy(),
    )


def _trained(name, **settings):
    return trained.TrainedLearner(
        models.build(name, dataclasses.replace(TINY[name], **settings), SHAPE)
    )


def test_it_says_what_it_is():
    model = _trained("infogan")
    assert (model.title, model.image_shape, model.step, model.takes_weights) == (
        "InfoGAN",
        SHAPE,
        0,
        True,
    )
    assert (model.latent_spec, model.likelihood) == (TINY["infogan"].latent_spec, None)


def test_it_computes_what_the_networks_do_in_any_number():
    model = _trained("infogan")
    latents = model.latent_spec.sample(300, 0)
    images = model.generate(latents)
    assert (images.shape, images.dtype) == ((300, *SHAPE), np.float32)
    np.testing.assert_allclose(images, model.learner.generator(latents, training=False), atol=1e-5)
    np.testing.assert_array_equal(model.sample(300, 0), images)
    parameters = model.encode(images)
    assert parameters.shape == (300, model.latent_spec.total_parameters)
    np.testing.assert_allclose(
        parameters[:5], model.learner.encode(tf.constant(images[:5])), atol=1e-4
    )
    assert model.generate(latents[:0]).shape == (0, *SHAPE)
    assert model.encode(images[:1]).shape == (1, model.latent_spec.total_parameters)


def test_it_goes_on_with_a_model_that_trains_on(batch):
    model = _trained("infogan")
    latents = model.latent_spec.sample(3, 0)
    before = model.generate(latents)
    model.learner.train_step(batch)
    assert not np.array_equal(model.generate(latents), before)


def test_the_average_is_what_is_loaded(new_run, batch):
    run = new_run("a", generator_average_decay=0.5)
    runs.create(run)
    learner = models.build(run.model, run.settings, run.image_shape)
    for _ in range(3):
        learner.train_step(batch)
    checkpoints.save(run, learner)
    _, restored = loaded.load_run(run.directory)
    latents = restored.latent_spec.sample(5, 0)
    images = trained.TrainedLearner(learner).generate(latents)
    assert not np.array_equal(restored.generate(latents), images)
    learner.use_average()
    np.testing.assert_allclose(
        restored.generate(latents), trained.TrainedLearner(learner).generate(latents), atol=1e-6
    )


def test_what_a_model_cannot_do_is_one_sentence():
    model = _trained("dcgan")
    images = np.zeros((2, *SHAPE), np.float32)
    for function in (model.encode, model.reconstruct, model.log_likelihood):
        with pytest.raises(UserError, match=r"a DCGAN cannot .*; it can generate from latents"):
            function(images)
    with pytest.raises(
        UserError,
        match="an InfoGAN cannot say how likely images are; it can generate from latents, encode",
    ):
        _trained("infogan").require("log_likelihood")


def test_images_are_reconstructed_from_the_likeliest_codes():
    model = _trained("vae")
    images = np.random.default_rng(0).uniform(-1, 1, (5, *SHAPE)).astype(np.float32)
    means = model.encode(images)[:, ::2]
    np.testing.assert_allclose(model.reconstruct(images), model.generate(means), atol=1e-6)
    # Where there is no noise that codes leave open, an InfoGAN can too.
    model = _trained("infogan", noise_size=0)
    assert np.array_equal(
        model.reconstruct(images),
        model.generate(model.latent_spec.vectors(model.latent_spec.outputs(model.encode(images)))),
    )


def test_a_likelihood_is_drawn_with_seeds_and_more_samples_come_nearer():
    model = _trained("vae")
    images = np.random.default_rng(0).uniform(-1, 1, (300, *SHAPE)).astype(np.float32)
    one = model.log_likelihood(images, seed=3)
    assert (one.shape, one.dtype) == ((300,), np.float64)
    noise = Noise(2, "normal").from_seeds(np.arange(3, 303, dtype=np.int64))
    assert one == pytest.approx(model.log_likelihoods(images, noise), abs=1e-6)
    np.testing.assert_array_equal(model.log_likelihood(images, seed=3), one)
    # An image's estimate is its own, whatever else is asked.
    assert model.log_likelihood(images[:7], seed=3) == pytest.approx(one[:7], rel=1e-5)
    several = [model.log_likelihood(images, seed=0, num_samples=count).mean() for count in (1, 50)]
    assert several == sorted(several)
