"""What is DCGAN's own: the plain game, noise without codes."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, TINY

from keras_infogan import images, models, trained
from keras_infogan.config import UserError

SETTINGS = TINY["dcgan"]


def test_the_game_is_that_of_equation_1_with_the_generators_own_loss(batch):
    model = models.build("dcgan", SETTINGS, SHAPE)
    minimized, logged = model.objectives(batch)
    fakes = model.generator(
        model.draw(model.latent_spec.draw, batch["image"], use=0), training=True
    )
    real, fake = (
        model.discriminator(part, training=True).numpy()[:, 0] for part in (batch["image"], fakes)
    )
    probability = 1 / (1 + np.exp(-np.stack([real, fake]).astype(np.float64)))
    assert minimized["discriminator"].numpy() == pytest.approx(
        -np.log(probability[0]) - np.log(1 - probability[1]), abs=1e-4
    )
    assert minimized["generator"].numpy() == pytest.approx(-np.log(probability[1]), abs=1e-4)
    assert list(logged) == ["discriminator_loss", "generator_loss"]


def test_each_player_moves_its_own_network(batch):
    model = models.build("dcgan", SETTINGS, SHAPE)
    owned = {
        name: {variable.path for variable in player.variables}
        for name, player in model.players.items()
    }
    assert owned["discriminator"] == {
        variable.path for variable in model.discriminator.trainable_variables
    }
    assert owned["generator"] == {variable.path for variable in model.generator.trainable_variables}


def test_weights_begin_with_the_papers_deviation():
    model = models.build("dcgan", models.presets("dcgan")["mnist"], (28, 28, 1))
    kernels = [
        layer.kernel.numpy()
        for network in (model.generator, model.discriminator)
        for layer in network.layers
        if hasattr(layer, "kernel")
    ]
    assert [kernel.std() for kernel in kernels] == pytest.approx([0.02] * len(kernels), rel=0.1)
    same_shape = kernels[0][: kernels[1].shape[0], :100]
    # An initializer of its own for each layer.
    assert not np.array_equal(same_shape, kernels[1][: len(same_shape), :100])


def test_it_generates_and_nothing_else(batch):
    face = trained.TrainedLearner(models.build("dcgan", SETTINGS, SHAPE))
    assert face.capabilities == ("generate",)
    assert face.latent_spec.codes == ()
    assert face.sample(3, seed=1).shape == (3, *SHAPE)
    with pytest.raises(UserError, match="a DCGAN cannot encode; it can generate from latents"):
        face.encode(batch["image"].numpy())


def test_an_interpolation_begins_and_ends_with_draws_of_the_prior():
    face = trained.TrainedLearner(models.build("dcgan", SETTINGS, SHAPE))
    shown = []

    def generate(latents):
        shown.append(latents)
        return face.generate(latents)

    images.interpolation(generate, face.latent_spec, num_rows=2, seed=3, num_columns=5)
    rows = shown[0].reshape(2, 5, -1)
    drawn = face.latent_spec.sample(4, 3)
    assert np.array_equal(rows[:, 0], drawn[:2])
    assert rows[:, -1] == pytest.approx(drawn[2:], abs=1e-6)
    assert rows[:, 2] == pytest.approx((drawn[:2] + drawn[2:]) / 2, abs=1e-6)


def test_labels_are_never_seen(batch):
    results = []
    for label in (0, 1):
        model = models.build("dcgan", SETTINGS, SHAPE)
        model.train_step({**batch, "label": tf.fill((16,), label)})
        results.append([variable.numpy() for variable in model.variables])
    assert all(np.array_equal(one, other) for one, other in zip(*results, strict=True))
