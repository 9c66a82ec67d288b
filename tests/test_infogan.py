"""What is InfoGAN's own: its game, where the information's gradient goes, and what the
recognizer may see.
"""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE

from keras_infogan import augment, losses, models
from keras_infogan.config import UserError
from keras_infogan.models import infogan as infogan_model


def _latents(model, images, use=0):
    return model.draw(lambda count, seed: model.latent_spec.draw(count, seed), images, use)


def _moved_by_information(settings, batch, codes=("kind", "slant", "tilt", "smile")):
    """Returns which networks have a gradient from the mutual information of some codes alone, in
    the optimizers' own objectives.
    """
    model = models.build("infogan", settings, SHAPE)
    latents = tf.constant(model.latent_spec.sample(16, 0))
    networks = {
        "generator": model.generator,
        "trunk": model.trunk,
        "recognizer": model.recognizer,
        "discriminator": model.discriminator,
    }
    moved = set()
    with tf.GradientTape(persistent=True) as tape:
        features = model.trunk(model.generator(latents, training=True), training=True)
        information = {
            name: values
            for name, values in model._information(latents, features).items()
            if name in codes
        }
        information = {
            code.name: information.get(code.name, 0.0) for code in model.latent_spec.codes
        }
        nothing = tf.zeros((16,))
        minimized = model._with_information(
            {"discriminator": nothing, "generator": nothing}, information
        )
        objectives = {player: tf.reduce_mean(values) for player, values in minimized.items()}
    for player, objective in objectives.items():
        variables = model.players[player].variables
        gradients = tape.gradient(
            objective,
            [variable.value for variable in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        owned = {
            variable.path: float(tf.norm(gradient))
            for variable, gradient in zip(variables, gradients, strict=True)
        }
        for name, network in networks.items():
            if any(
                owned.get(variable.path, 0.0) > 1e-7 for variable in network.trainable_variables
            ):
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


FOLLOWING = {
    "codes": "kind=categorical(3), slant=uniform, tilt=gaussian",
    "real_information_weight": 3.0,
    "generator_follows": True,
}


@pytest.mark.parametrize(
    ("codes", "expected"),
    [(("kind",), {"generator"}), (("slant", "tilt"), {"generator", "trunk", "recognizer"})],
)
def test_a_generator_that_follows_does_so_in_discrete_codes(codes, expected, small, batch):
    assert _moved_by_information(dataclasses.replace(small, **FOLLOWING), batch, codes) == expected


def test_what_real_images_teach_moves_trunk_and_recognizer(small, batch):
    model = models.build("infogan", dataclasses.replace(small, **FOLLOWING), SHAPE)
    with tf.GradientTape() as tape:
        logged, grouping = model._information_of_real(
            batch["image"], model._features(batch["image"], 1)
        )
    assert logged.keys() == {
        f"{term}/{code}" for term in ("disagreement", "uncertainty") for code in ("kind",)
    }
    gradients = tape.gradient(grouping, [variable.value for variable in model.trainable_variables])
    reached = {
        id(variable)
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True)
        if gradient is not None
    }
    networks = {"generator": model.generator, "trunk": model.trunk}
    networks |= {"recognizer": model.recognizer, "discriminator": model.discriminator}
    moved = {
        name
        for name, network in networks.items()
        if any(id(variable) in reached for variable in network.trainable_variables)
    }
    assert moved == {"trunk", "recognizer"}


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"real_information_weight": 0.0}, "--real_information_weight above 0, or add"),
        ({"recognizer_optimizer": "separate"}, "needs --recognizer_optimizer=discriminator, or"),
        ({"mutual_information_weight": 0.0}, "--real_information_weight=0 --nogenerator_follows"),
        ({"codes": "a=categorical(3), b=bernoulli(0.5)"}, "of a, b one alone can be learned"),
        (
            {
                "real_information_weight": 0.0,
                "generator_follows": False,
                "recognizer_average_decay": 0.9,
                "recognizer_optimizer": "generator",
            },
            "averages trunk and recognizer together",
        ),
        ({"codes": "slant=uniform(brightness=0.4)"}, "brightness, by which no image is changed"),
        (
            {
                "codes": "slant=uniform(shear=0.4)",
                "real_information_weight": 0.0,
                "generator_follows": False,
                "mutual_information_weight": 0.0,
            },
            "or leave shear out of --codes",
        ),
        (
            {
                "codes": "slant=uniform(shear=0.4)",
                "real_information_weight": 0.0,
                "generator_follows": False,
                "recognizer_optimizer": "generator",
            },
            "that slant learns a change moves the recognizer with the discriminator",
        ),
    ],
)
def test_what_cannot_be_learned_from_real_images_is_one_sentence(settings, part, small):
    with pytest.raises(UserError, match=part):
        dataclasses.replace(small, **{**FOLLOWING, **settings})


def test_a_code_is_guided_by_the_change_it_is_to_learn(small, batch):
    """One that already goes along with the change, and is 0 on average, has nothing to learn."""
    settings = dataclasses.replace(small, codes="slant=uniform(shear=0.5)", changes="shear 0.3")
    model = models.build("infogan", settings, SHAPE)
    strengths = augment.strengths(model, batch["image"], {"shear": 0.3}, infogan_model._COPIES)
    answers = iter([tf.zeros((16, 2)), strengths["shear"] / 0.5])
    model.recognizer = lambda features, training: next(answers)
    logged, learned = model._information_of_real(batch["image"], None)
    assert learned.numpy() == pytest.approx(np.zeros(16), abs=1e-6)
    assert set(logged) == {"guidance/slant"}


def test_without_a_discrete_code_nothing_is_learned_from_real_images(small, batch):
    settings = dataclasses.replace(small, **FOLLOWING | {"codes": "2*uniform"})
    model = models.build("infogan", settings, SHAPE)
    assert model._information_of_real(batch["image"], None) == ({}, 0.0)


@pytest.mark.parametrize("settings", [{}, FOLLOWING])
def test_labels_are_never_seen(small, batch, settings):
    results = []
    for label in (0, 1):
        model = models.build("infogan", dataclasses.replace(small, **settings), SHAPE)
        model.train_step({**batch, "label": tf.fill((16,), label)})
        results.append([variable.numpy() for variable in model.variables])
    assert all(np.array_equal(one, other) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"codes": "c=uniform(warmth=0.1)", "changes": "warmth 0.1"}, "these are gray"),
        (
            {"codes": "c=uniform(shear=0.4)", "changes": "shear 0.3", "augmentation": "flip"},
            "hides from the recognizer what c is to learn; leave flip out",
        ),
    ],
)
def test_a_change_that_cannot_be_learned_is_refused(small, changes, part):
    with pytest.raises(UserError, match=part):
        dataclasses.replace(small, **changes).for_images(SHAPE)


def test_the_two_images_of_a_contrast_have_one_code_in_common(small, batch):
    codes = "kind=categorical(3), slant=uniform, tilt=uniform"
    settings = dataclasses.replace(small, codes=codes, contrastive_weight=2.0)
    model = models.build("infogan", settings, SHAPE)
    seen, spec = [], model.latent_spec
    generator = model.generator

    def watched(latents, training):
        seen.append(latents.numpy())
        return generator(latents, training=training)

    model.generator = watched
    minimized, logged = model._with_contrast({"generator": tf.zeros(16)}, batch, use=0)
    first, second = (spec.unpack(latents) for latents in np.split(seen[0], 2))
    equal = {name: np.all(first[name] == second[name], axis=1) for name in first}
    assert equal["noise"].all()
    # A category can be the same by chance.
    assert np.all(equal["kind"] | equal["slant"] | equal["tilt"])
    assert not (equal["slant"] & equal["tilt"]).any()
    assert min(values.sum() for values in equal.values()) > 0
    assert not np.all([values.all() for name, values in equal.items() if name != "noise"])
    assert minimized["generator"].numpy() == pytest.approx(2 * logged["contrast_loss"].numpy())


def test_a_contrast_moves_the_generator_from_its_start_on(small, batch):
    settings = dataclasses.replace(
        small, contrastive_weight=2.0, contrastive_start=0.5, share_fakes=True
    )
    model = models.build("infogan", settings, SHAPE)
    for step, moves in ((0, False), (settings.steps // 2, True)):
        model.steps_taken.assign(step)
        minimized, _ = model._with_contrast({"generator": tf.zeros(16)}, batch, use=0)
        assert bool(np.any(minimized["generator"].numpy())) == moves


def test_a_contrast_of_one_code_is_refused(small):
    with pytest.raises(UserError, match="has one alone"):
        dataclasses.replace(small, codes="slant=uniform", contrastive_weight=1.0)


def test_weights_of_codes_scale_their_part(small):
    codes = "kind=categorical(3, weight=0), slant=uniform(weight=2), tilt=uniform(weight=0.5)"
    model = models.build("infogan", dataclasses.replace(small, codes=codes), SHAPE)
    latents = tf.constant(model.latent_spec.sample(16, 0))
    information = model._information(latents, model.trunk(model.generator(latents)))
    expected = -(2 * information["slant"] + 0.5 * information["tilt"])
    total = model._with_information({"generator": 0.0}, information)["generator"]
    assert total.numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_every_draw_of_a_step_is_another_one(small, batch, monkeypatch):
    """Latents and instance noise of all updates, which a number tells apart that
    each has for itself.
    """
    settings = dataclasses.replace(
        small,
        share_fakes=False,
        generator_updates=2,
        instance_noise_std=0.1,
        augmentation="shift 0.1",
        **FOLLOWING,
    )
    model = models.build("infogan", settings, SHAPE)
    uses, draw = [], model.draw

    def counted(function, like, use):
        uses.append(use)
        return draw(function, like, use)

    monkeypatch.setattr(type(model), "draw", lambda self, *arguments: counted(*arguments))
    model.train_step(batch)
    # Latents three times; noise and augmentation of the images, twice two fakes and the
    # copies; the copies.
    assert len(uses) == len(set(uses)) == 3 + 2 * 5 + 1


def test_instance_noise_falls_to_zero(small, batch):
    model = models.build(
        "infogan",
        dataclasses.replace(small, instance_noise_std=0.5, instance_noise_steps=10),
        SHAPE,
    )
    deviations = []
    for step in (0, 5, 10, 20):
        model.steps_taken.assign(step)
        deviations.append(
            float(
                tf.math.reduce_std(
                    augment.with_instance_noise(model, batch["image"], use=1) - batch["image"]
                )
            )
        )
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


@pytest.mark.parametrize("recognizer_optimizer", ["generator", "discriminator", "separate"])
def test_only_the_generator_is_averaged_whoever_moves_the_recognizer(
    small, batch, recognizer_optimizer
):
    model = models.build(
        "infogan",
        dataclasses.replace(
            small, generator_average_decay=0.5, recognizer_optimizer=recognizer_optimizer
        ),
        SHAPE,
    )
    for _ in range(2):
        model.train_step(batch)
    others = [
        variable
        for network in (model.trunk, model.discriminator, model.recognizer)
        for variable in network.variables
    ]
    before, generator = (
        [variable.numpy() for variable in others],
        model.generator.trainable_variables[0].numpy(),
    )
    model.use_average()
    assert all(
        np.array_equal(variable.numpy(), value)
        for variable, value in zip(others, before, strict=True)
    )
    assert not np.array_equal(model.generator.trainable_variables[0].numpy(), generator)


def test_the_game_is_that_of_equation_6(small, batch):
    """The objectives of one step, computed by hand from the networks' outputs."""
    model = models.build(
        "infogan", dataclasses.replace(small, mutual_information_weight=0.7), SHAPE
    )
    latents = _latents(model, batch["image"])
    features = model.trunk(model.generator(latents, training=True), training=True)
    fake, real = (
        model.discriminator(part).numpy()[:, 0]
        for part in (features, model.trunk(batch["image"], training=True))
    )
    information = model.latent_spec.mutual_information(
        latents, model.recognizer(features, training=True)
    )
    bound = sum(value.numpy().mean() for value in information.values())
    discriminator = np.mean(np.log1p(np.exp(-real)) + np.log1p(np.exp(fake)))
    generator = np.mean(np.log1p(np.exp(-fake)))

    minimized, logged = model.objectives(batch)
    assert list(minimized) == ["discriminator", "generator"]
    objectives = [values.numpy().mean() for values in minimized.values()]
    assert objectives == pytest.approx(
        [discriminator - 0.7 * bound, generator - 0.7 * bound], abs=1e-4
    )
    assert logged["discriminator_loss"].numpy().mean() == pytest.approx(discriminator, abs=1e-4)
    assert logged["generator_loss"].numpy().mean() == pytest.approx(generator, abs=1e-4)


def test_on_the_same_fakes_the_generators_side_is_the_same_alone(small, batch):
    """As it is played where each update of the generator gets fresh ones."""
    model = models.build(
        "infogan",
        dataclasses.replace(small, share_fakes=False, mutual_information_weight=0.7),
        SHAPE,
    )
    together, logged = model.objectives(batch)
    alone, of_generator = model._generator_objectives(batch, use=0)
    assert alone["generator"].numpy() == pytest.approx(together["generator"].numpy(), abs=1e-5)
    for name, values in of_generator.items():
        assert values.numpy() == pytest.approx(logged[name].numpy(), abs=1e-5)


@pytest.mark.parametrize("share_fakes", [True, False])
def test_a_gradient_that_is_not_finite_spoils_the_loss_it_comes_from(
    small, batch, monkeypatch, share_fakes
):
    model = models.build("infogan", dataclasses.replace(small, share_fakes=share_fakes), SHAPE)

    @tf.custom_gradient
    def broken(values):
        return tf.identity(values), lambda upstream: upstream * float("inf")

    whole = losses.generator_loss
    monkeypatch.setattr(losses, "generator_loss", lambda logits: broken(whole(logits)))
    report = {name: float(value) for name, value in model.train_step(batch).items()}
    assert math.isnan(report.pop("generator_loss"))
    assert all(math.isfinite(value) for value in report.values())
