"""What is E-GAN's own: mutations, fitness, and that a child is all of what was bred."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, TINY

from keras_infogan import models, trained
from keras_infogan.config import UserError
from keras_infogan.settings.egan import MUTATIONS, EGANSettings

SETTINGS = dataclasses.replace(TINY["egan"], codes="")


def _built(**changes):
    return models.build("egan", dataclasses.replace(SETTINGS, **changes), SHAPE)


def _everything(model, individual="generator"):
    """Returns the values of what goes with an individual: its network's and its optimizer's."""
    return [variable.numpy() for variable in model._variables_of(individual)]


def _same(one, other):
    return all(np.array_equal(*values) for values in zip(one, other, strict=True))


def test_the_mutations_are_those_of_section_3_2(batch):
    model = _built()
    losses = {}
    for index, name in enumerate(MUTATIONS):
        minimized, _ = model._mutation(batch, "generator", tf.one_hot(index, 3))
        losses[name] = minimized["generator"].numpy()
    fakes = model.generator(model._latents(batch["image"], use=1), training=True)
    real = 1 / (1 + np.exp(-model._judged(fakes)[0].numpy().astype(np.float64)[:, 0]))
    assert losses["minimax"] == pytest.approx(0.5 * np.log(1 - real), abs=1e-5)
    assert losses["heuristic"] == pytest.approx(-0.5 * np.log(real), abs=1e-5)
    assert losses["least_squares"] == pytest.approx((real - 1) ** 2, abs=1e-5)


def test_the_fitness_is_quality_and_weighted_diversity_of_section_3_3(batch):
    model = _built(diversity_weight=0.7)
    fakes = model.generator(model._latents(batch["image"], use=2), training=True)
    with tf.GradientTape() as tape:
        real_logits, fake_logits = (model._judged(part)[0] for part in (batch["image"], fakes))
        loss = -tf.reduce_mean(tf.math.log_sigmoid(real_logits))
        loss -= tf.reduce_mean(tf.math.log_sigmoid(-fake_logits))
    gradients = tape.gradient(loss, model.players["discriminator"].variables)
    diversity = -np.log(np.sqrt(sum(np.sum(gradient.numpy() ** 2) for gradient in gradients)))
    quality = tf.reduce_mean(tf.sigmoid(fake_logits)).numpy()
    fitness = float(model._fitness(batch, model.generator))
    assert fitness == pytest.approx(quality + 0.7 * diversity, abs=1e-4)


@pytest.mark.parametrize("winner", MUTATIONS)
def test_the_fittest_child_is_what_its_mutation_alone_would_have_bred(winner, batch, monkeypatch):
    """Weights, moving statistics and the optimizer's state, over two steps."""
    evolved, alone = _built(), _built(mutations=winner)
    judged = []

    def fitness(batch, generator):
        judged.append(len(judged))
        return tf.constant(float(MUTATIONS[judged[-1] % 3] == winner))

    monkeypatch.setattr(evolved, "_fitness", fitness)
    for _ in range(2):
        report = evolved.train_step(batch)
        alone.train_step(batch)
        assert {name: float(report[f"survived/{name}"]) for name in MUTATIONS} == {
            name: float(name == winner) for name in MUTATIONS
        }
    assert _same(_everything(evolved), _everything(alone))
    assert int(evolved.generator_optimizer.iterations.numpy()) == 2
    assert len(judged) == 6


def test_of_several_parents_the_fittest_children_survive_in_order(batch, monkeypatch):
    """Both may be of one parent."""
    model = _built(survivors=2, mutations="minimax, heuristic")
    bred, scores = [], iter([0.1, 0.4, 0.3, 0.2])

    def fitness(batch, generator):
        bred.append(_everything(model, generator.name))
        return tf.constant(next(scores))

    monkeypatch.setattr(model, "_fitness", fitness)
    report = model.train_step(batch)
    assert _same(_everything(model, "generator"), bred[1])
    assert _same(_everything(model, "generator_2"), bred[2])
    assert float(report["survived/minimax"]) == 0.5
    assert float(report["fitness"]) == pytest.approx(0.4)


def test_a_random_child_is_each_mutations_in_turn(batch):
    model, drawn = _built(selection="random"), []
    for step in range(90):
        model.steps_taken.assign(step)
        drawn.append(model._random_choice(batch).numpy())
    assert (np.sum(drawn, axis=1) == 1).all()
    assert np.mean(drawn, axis=0) == pytest.approx(1 / 3, abs=0.15)


def test_it_encodes_where_it_has_codes():
    assert trained.TrainedLearner(_built()).capabilities == ("generate",)
    with_codes = models.build("egan", TINY["egan"], SHAPE)
    assert trained.TrainedLearner(with_codes).capabilities == ("generate", "encode")


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"mutations": "minmax"}, "unknown mutation 'minmax' (did you mean 'minimax'?)"),
        ({"mutations": " , "}, "received none"),
        ({"mutations": "minimax, minimax"}, "names one twice"),
        ({"survivors": 0}, "--survivors must be at least 1"),
        ({"codes": "slant=uniform(shear=0.4)"}, "learn no change of the image, and slant names"),
        ({"discriminator_layers": "dense 4, conv 4"}, "--discriminator_layers"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(settings, part):
    with pytest.raises(UserError) as error:
        EGANSettings(**settings)
    assert part in str(error.value)
