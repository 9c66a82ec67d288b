"""What is InfoGAN's own: where the information's gradient goes, and what the recognizer may see."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE

from keras_infogan import losses, models


def _moved_by_information(config, batch):
    """Returns which networks have a gradient from the mutual information alone, in the optimizers' own objectives."""
    model = models.build("infogan", config, SHAPE)
    latents = tf.constant(model.latents.sample(16, 0))
    networks = {"generator": model.generator, "trunk": model.trunk, "recognizer": model.recognizer, "discriminator": model.discriminator}
    moved = set()
    with tf.GradientTape(persistent=True) as tape:
        features = model.trunk(model.generator(latents, training=True), training=True)
        _, recognizer_losses = model._information(latents, features)
        nothing = tf.zeros_like(recognizer_losses)
        objectives = model._objectives(nothing, nothing, recognizer_losses)
    for _, objective, variables in objectives:
        gradients = tape.gradient(objective, [variable.value for variable in variables], unconnected_gradients="zero")
        owned = {variable.path: float(tf.norm(gradient)) for variable, gradient in zip(variables, gradients, strict=True)}
        for name, network in networks.items():
            if any(owned.get(variable.path, 0.0) > 1e-7 for variable in network.trainable_variables):
                moved.add(name)
    return moved


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"generator", "trunk", "recognizer"}),
        ({"recognizer_optimizer": "separate"}, {"generator", "trunk", "recognizer"}),
        ({"recognizer_optimizer": "generator"}, {"generator", "recognizer"}),
        ({"mutual_information_weight": 0.0}, {"recognizer"}),
        ({"mutual_information_weight": 0.0, "recognizer_optimizer": "separate"}, {"recognizer"}),
    ],
)
def test_the_information_moves_the_networks_it_should(settings, expected, small, batch):
    assert _moved_by_information(dataclasses.replace(small, **settings), batch) == expected


def test_labels_are_never_seen(small, batch):
    results = []
    for label in (0, 1):
        model = models.build("infogan", small, SHAPE)
        model.train_step({**batch, "label": tf.fill((16,), label)})
        results.append([variable.numpy() for variable in model.variables])
    assert all(np.array_equal(one, other) for one, other in zip(*results, strict=True))


def test_weights_of_codes_scale_their_part(small):
    codes = "kind=categorical(3, weight=0), slant=uniform(weight=2), tilt=uniform"
    model = models.build("infogan", dataclasses.replace(small, codes=codes, continuous_weight=0.5), SHAPE)
    latents = tf.constant(model.latents.sample(16, 0))
    information, total = model._information(latents, model.trunk(model.generator(latents)))
    assert total.numpy() == pytest.approx(-(information["slant"] + 0.5 * information["tilt"]).numpy(), abs=1e-5)


def test_every_step_and_use_draws_other_latents(small, batch):
    model = models.build("infogan", small, SHAPE)
    first = model._draw_latents(batch["image"], draw=0).numpy()
    assert np.array_equal(first, model._draw_latents(batch["image"], draw=0).numpy())
    assert not np.array_equal(first, model._draw_latents(batch["image"], draw=3).numpy())
    model.train_step(batch)
    assert not np.array_equal(first, model._draw_latents(batch["image"], draw=0).numpy())


def test_replicas_draw_different_rows_of_one_global_batch(small, batch, strategies):
    whole = models.build("infogan", small, SHAPE)._draw_latents(batch["image"], draw=0).numpy()
    with strategies[2].scope():
        model = models.build("infogan", small, SHAPE)
    parts = strategies[2].experimental_local_results(strategies[2].run(lambda: model._draw_latents(batch["image"][:8], draw=0)))
    assert np.array_equal(np.concatenate([part.numpy() for part in parts]), whole)


def test_instance_noise_falls_to_zero(small, batch):
    model = models.build("infogan", dataclasses.replace(small, instance_noise_std=0.5, instance_noise_steps=10), SHAPE)
    deviations = []
    for step in (0, 5, 10, 20):
        model.steps_taken.assign(step)
        deviations.append(float(tf.math.reduce_std(model._with_instance_noise(batch["image"], draw=1) - batch["image"])))
    assert deviations == pytest.approx([0.5, 0.25, 0, 0], abs=0.02)


def test_the_moving_average_is_that_of_the_generators_weights(small, batch):
    model = models.build("infogan", dataclasses.replace(small, generator_average_decay=0.5), SHAPE)
    expected = model.generator.trainable_variables[0].numpy()
    for step in range(3):
        model.train_step(batch)
        current = model.generator.trainable_variables[0].numpy()
        expected = current if step == 0 else 0.5 * expected + 0.5 * current
    with model.averaged():
        assert model.generator.trainable_variables[0].numpy() == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(model.generator.trainable_variables[0].numpy(), current)
    model.use_average()
    assert model.generator.trainable_variables[0].numpy() == pytest.approx(expected, abs=1e-5)


def test_the_game_is_that_of_equation_6(small, batch):
    """The objectives of one step, computed by hand from the networks' outputs."""
    config = dataclasses.replace(small, mutual_information_weight=0.7)
    model = models.build("infogan", config, SHAPE)
    latents = model._draw_latents(batch["image"], draw=0)
    features = model.trunk(model.generator(latents, training=True), training=True)
    fake, real = (model.discriminator(part).numpy()[:, 0] for part in (features, model.trunk(batch["image"], training=True)))
    information = model.latents.mutual_information(latents, model.recognizer(features, training=True))
    bound = sum(value.numpy().mean() for value in information.values())
    discriminator = np.mean(np.log1p(np.exp(-real)) + np.log1p(np.exp(fake)))
    generator = np.mean(np.log1p(np.exp(-fake)))

    _, penalty = model._information(latents, features)
    real, fake = tf.constant(real[:, None]), tf.constant(fake[:, None])
    objectives = model._objectives(losses.discriminator_loss(real, fake), losses.generator_loss(fake), penalty)
    assert [float(objective) for _, objective, _ in objectives] == pytest.approx([discriminator - 0.7 * bound, generator - 0.7 * bound], abs=1e-4)


def test_a_gradient_that_is_not_finite_spoils_the_loss_it_comes_from(small, batch, monkeypatch):
    model = models.build("infogan", small, SHAPE)

    @tf.custom_gradient
    def broken(values):
        return tf.identity(values), lambda upstream: upstream * float("inf")

    whole = losses.generator_loss
    monkeypatch.setattr(losses, "generator_loss", lambda logits: broken(whole(logits)))
    report = {name: float(value) for name, value in model.train_step(batch).items()}
    assert math.isnan(report.pop("generator_loss"))
    assert all(math.isfinite(value) for value in report.values())
