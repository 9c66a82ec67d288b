"""What all models have from Learner, on the smallest game there is: two players, a network each."""

import contextlib
import dataclasses
import functools
import math
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, TINY, a_batch

from keras_infogan import checkpoints, config, datasets, models, networks, runs
from keras_infogan.config import UserError, setting
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.learner import Learner, Player, moving_average


@dataclasses.dataclass(frozen=True, kw_only=True)
class DuelSettings(config.Settings):
    title = "Duel"
    decay: float = setting(
        0.0, "of the moving average of the maker's weights", minimum=0.0, maximum=0.999
    )
    latent_spec = LatentSpec(Noise(3), ())


class Duel(Learner):
    """A maker of images, and a judge of their mean."""

    def make_networks(self):
        self.maker = networks.image_decoder("maker", 3, "dense 8x8x1")
        self.judge = networks.image_encoder("judge", self.image_shape, "dense 4", 0.1, 1)

    def make_players(self):
        maker = keras.optimizers.Adam(1e-2, **moving_average(self.settings.decay))
        return {
            "judge": Player(keras.optimizers.Adam(1e-2), (self.judge,)),
            "maker": Player(maker, (self.maker,), averaged=(self.maker,)),
        }

    def objectives(self, batch):
        made = self.maker(self.draw(self.latent_spec.draw, batch["image"], use=0), training=True)
        real, fake = (
            self.judge(batch["image"], training=True)[:, 0],
            self.judge(made, training=True)[:, 0],
        )
        minimized = {"judge": tf.square(real - 1) + tf.square(fake), "maker": tf.square(fake - 1)}
        return minimized, {
            "judge_loss": minimized["judge"],
            "maker_loss": minimized["maker"],
            "distance": real - fake,
        }

    def generate(self, latents):
        return self.maker(latents, training=False)


def _duel(**settings):
    model = Duel(DuelSettings(**settings), SHAPE)
    model.compile()
    return model


def _values(variables):
    return [variable.numpy() for variable in variables]


def _equal(ones, others):
    return all(np.array_equal(one, other) for one, other in zip(ones, others, strict=True))


def test_every_player_moves_its_own_networks_by_its_own_loss(batch):
    """One step is Adam's, of gradients at the weights before it."""
    model, reference = _duel(), _duel()
    report = model.train_step(batch)
    with tf.GradientTape(persistent=True) as tape:
        minimized, logged = reference.objectives(batch)
        means = {name: tf.reduce_mean(values) for name, values in minimized.items()}
    gradients = {
        name: tape.gradient(
            mean, [variable.value for variable in reference.players[name].variables]
        )
        for name, mean in means.items()
    }
    for name, player in reference.players.items():
        keras.optimizers.Adam(1e-2).apply(gradients[name], player.variables)
    for one, other in zip(model.trainable_variables, reference.trainable_variables, strict=True):
        assert one.numpy() == pytest.approx(other.numpy(), abs=1e-6)
    assert {name: float(value) for name, value in report.items()} == pytest.approx(
        {name: float(tf.reduce_mean(values)) for name, values in logged.items()}
    )
    assert model.step == 1


def test_the_order_of_players_is_that_of_optimizers_and_checkpoints():
    model = _duel()
    assert list(model.players) == ["judge", "maker"]
    assert model.optimizers == [model.judge_optimizer, model.maker_optimizer]
    assert {id(variable) for optimizer in model.optimizers for variable in optimizer.variables} <= {
        id(variable) for variable in model.state
    }


def test_a_player_may_sit_out(batch):
    model = _duel()
    before = _values(model.maker.variables)
    report = model.play(lambda: model.objectives(batch), players=("judge",))
    assert set(report) == {"judge_loss", "maker_loss", "distance"}
    assert _equal(_values(model.maker.variables), before)
    assert [int(optimizer.iterations.numpy()) for optimizer in model.optimizers] == [1, 0]


def test_a_player_without_an_objective_does_not_move(batch):
    model = _duel()
    before = _values(model.maker.variables)
    report = model.play(lambda: ({"judge": model.objectives(batch)[0]["judge"]}, {}))
    assert report == {}
    assert _equal(_values(model.maker.variables), before)


def test_a_game_of_its_own_is_written_with_play(batch):
    """The second player's objectives are computed after the first has moved."""

    class InTurn(Duel):
        def game(self, batch):
            for player in self.players:
                report = self.play(lambda: self.objectives(batch), players=(player,))
            return report

    turns = InTurn(DuelSettings(), SHAPE)
    turns.compile()
    turns.train_step(batch)
    together = _duel()
    together.train_step(batch)
    assert _equal(_values(turns.judge.variables), _values(together.judge.variables))
    assert not _equal(_values(turns.maker.variables), _values(together.maker.variables))
    assert turns.step == 1


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (
            lambda losses: losses | {"jugde": losses["judge"]},
            "a loss for 'jugde', which is no player; the players are judge, maker",
        ),
        (lambda losses: {"judge": losses["judge"]}, "no loss for 'maker', which is to move"),
        (
            lambda losses: losses | {"maker": losses["maker"][:, None]},
            (
                r"the loss of maker is to be one number per example, \(batch,\), "
                r"and has the shape \(16, 1\)"
            ),
        ),
        (
            lambda losses: losses | {"maker": tf.ones(16)},
            "the loss of maker does not depend on .*, which it is to move",
        ),
    ],
)
def test_losses_and_players_that_do_not_fit_are_said(batch, change, part):
    class Changed(Duel):
        def objectives(self, batch):
            minimized, logged = super().objectives(batch)
            return change(minimized), logged

    model = Changed(DuelSettings(), SHAPE)
    model.compile()
    with pytest.raises(ValueError, match=part):
        model.train_step(batch)


# Draws.


def _latents(model, images, use=0):
    return model.draw(model.latent_spec.draw, images, use)


def test_every_step_and_use_draws_other_latents(batch):
    model = _duel()
    first = _latents(model, batch["image"]).numpy()
    assert np.array_equal(first, _latents(model, batch["image"]).numpy())
    assert not np.array_equal(first, _latents(model, batch["image"], use=3).numpy())
    assert not np.array_equal(first, _latents(_duel(seed=1), batch["image"]).numpy())
    model.train_step(batch)
    assert not np.array_equal(first, _latents(model, batch["image"]).numpy())


def test_replicas_draw_different_rows_of_one_global_batch(batch, strategies):
    whole = _latents(_duel(), batch["image"]).numpy()
    with strategies[2].scope():
        model = _duel()
    parts = strategies[2].experimental_local_results(
        strategies[2].run(lambda: _latents(model, batch["image"][:8]))
    )
    assert np.array_equal(np.concatenate([part.numpy() for part in parts]), whole)


def test_a_draw_has_the_rows_of_what_it_is_for(batch):
    """Known while a step is traced too, where the size of the batch is."""
    shapes = []
    model = _duel()

    @tf.function
    def traced(images):
        shapes.append(tuple(_latents(model, images).shape))
        return tf.shape(_latents(model, images))

    assert tuple(traced(batch["image"]).numpy()) == (16, 3)
    traced.get_concrete_function(tf.TensorSpec((None, *SHAPE), tf.float32))
    assert shapes == [(16, 3), (None, 3)]


def test_dropout_takes_a_share_and_makes_up_for_it():
    model, features = _duel(), tf.ones((200, 5, 4))
    dropped = model.dropout(features, 0.25, use=0).numpy()
    assert set(np.unique(dropped)) == {0, np.float32(1 / 0.75)}
    assert np.mean(dropped == 0) == pytest.approx(0.25, abs=0.04)  # of 4,000: five deviations
    assert np.array_equal(dropped, model.dropout(features, 0.25, use=0).numpy())
    assert not np.array_equal(dropped, model.dropout(features, 0.25, use=1).numpy())
    assert model.dropout(features, 0.0, use=0) is features


# Moving averages.


def test_the_moving_average_is_that_of_what_is_averaged_only(batch):
    model = _duel(decay=0.5)
    expected, current, judge = [], [], []
    for _ in range(3):
        model.train_step(batch)
        current, judge = _values(model.maker.variables), _values(model.judge.variables)
        expected = (
            current
            if not expected
            else [0.5 * mean + 0.5 * value for mean, value in zip(expected, current, strict=True)]
        )
    with model.averaged():
        for variable, mean in zip(model.maker.variables, expected, strict=True):
            assert variable.numpy() == pytest.approx(mean, abs=1e-5)
        assert _equal(_values(model.judge.variables), judge)
    assert _equal(_values(model.maker.variables), current)
    model.use_average()
    for variable, mean in zip(model.maker.variables, expected, strict=True):
        assert variable.numpy() == pytest.approx(mean, abs=1e-5)
    assert _equal(_values(model.judge.variables), judge)


def test_without_a_moving_average_the_weights_are_the_weights(batch):
    model = _duel()
    model.train_step(batch)
    weights = _values(model.variables)
    with model.averaged():
        assert _equal(_values(model.variables), weights)
    model.use_average()
    assert _equal(_values(model.variables), weights)


def test_looking_at_the_average_changes_nothing_of_training(batch):
    models_ = [_duel(decay=0.5) for _ in range(2)]
    for model in models_:
        model.train_step(batch)
    with models_[0].averaged():
        pass
    for model in models_:
        model.train_step(batch)
    assert _equal(_values(models_[0].state), _values(models_[1].state))


# Faults.


@tf.custom_gradient
def _broken(values):
    return tf.identity(values), lambda upstream: upstream * float("inf")


@pytest.mark.parametrize(
    ("player", "shown"), [("maker", {"maker_loss"}), ("judge", {"judge_loss"})]
)
def test_a_gradient_that_is_not_finite_shows_under_the_players_name(batch, player, shown):
    model = _duel()

    def objectives():
        minimized, logged = model.objectives(batch)
        return minimized | {player: _broken(minimized[player])}, logged

    report = {name: float(value) for name, value in model.play(objectives).items()}
    assert {name for name, value in report.items() if math.isnan(value)} == shown
    assert report.keys() - shown


def test_a_fault_of_a_player_that_nothing_is_named_after_shows_in_everything(batch):
    model = _duel()

    def objectives():
        minimized, _ = model.objectives(batch)
        return minimized | {"maker": _broken(minimized["maker"])}, {
            "distance": minimized["judge"],
            "other": minimized["judge"],
        }

    assert all(math.isnan(float(value)) for value in model.play(objectives).values())


def test_with_loss_scaling_a_gradient_that_is_not_finite_skips_the_update(batch):
    model = _duel(precision="mixed_float16")
    for _ in range(4):
        model.train_step(batch)
    skipped, scale, weights = (
        model.skipped_updates,
        float(model.maker_optimizer.dynamic_scale.numpy()),
        _values(model.maker.variables),
    )

    def objectives():
        minimized, logged = model.objectives(batch)
        return minimized | {"maker": _broken(minimized["maker"])}, logged

    report = model.play(objectives)
    model.steps_taken.assign_add(1)
    assert all(math.isfinite(float(value)) for value in report.values())
    assert skipped is not None
    assert model.skipped_updates == skipped + 1
    assert float(model.maker_optimizer.dynamic_scale.numpy()) == model.loss_scale == scale / 2
    assert _equal(_values(model.maker.variables), weights)


def test_without_loss_scaling_there_is_no_scale():
    assert (_duel().loss_scale, _duel().skipped_updates) == (None, None)


# What it takes.


def test_a_batch_may_be_images_alone(batch):
    one, other = _duel(), _duel()
    one.train_step(batch)
    other.train_step(batch["image"])
    assert _equal(_values(one.state), _values(other.state))


def test_what_a_model_does_not_read_it_cannot_use(batch):
    class Peeping(Duel):
        def objectives(self, batch):
            assert list(batch) == ["image"]
            return super().objectives(batch)

    model = Peeping(DuelSettings(), SHAPE)
    model.compile()
    model.train_step({**batch, "label": tf.zeros((16,), tf.int32)})


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (
            lambda images: tf.cast(images, tf.uint8),
            (
                r"images: expected float32 \(batch, 8, 8, 1\) in \[-1, 1\], "
                r"received uint8 \(16, 8, 8, 1\)"
            ),
        ),
        (lambda images: images[:, :4], r"received float32 \(16, 4, 8, 1\)"),
        (lambda images: images[..., 0], r"received float32 \(16, 8, 8\)"),
        (
            lambda images: {"picture": images},
            "a Duel is trained on batches with image, received picture",
        ),
        (lambda images: {"image": (images, images)}, "received tuple"),
    ],
)
@pytest.mark.parametrize("fitted", [False, True])
def test_what_is_no_batch_of_images_is_one_sentence(batch, change, part, fitted):
    model, wrong = _duel(), change(batch["image"])
    with pytest.raises(UserError, match=part) as error:
        model.fit(
            tf.data.Dataset.from_tensors(wrong), shuffle=False, verbose=0
        ) if fitted else model.train_step(wrong)
    assert len(str(error.value).splitlines()) == 1
    assert model.step == 0


def test_a_model_that_learns_from_labels_asks_for_them(batch):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class LabelledSettings(DuelSettings):
        reads = ("image", "label")

    class Labelled(Duel):
        def objectives(self, batch):
            assert set(batch) == {"image", "label"}
            return super().objectives({"image": batch["image"]})

    model = Labelled(LabelledSettings(), SHAPE)
    model.compile()
    with pytest.raises(
        UserError, match="a Duel is trained on batches with image, label, received image"
    ):
        model.train_step({"image": batch["image"]})
    model.train_step(batch)


def test_keras_fits_it_on_a_dataset_of_images():
    """As any Keras model: images alone, batches of whatever size, the last one smaller."""
    images = np.random.default_rng(0).uniform(-1, 1, (40, *SHAPE)).astype(np.float32)
    model = _duel()
    history = model.fit(
        tf.data.Dataset.from_tensor_slices(images).batch(16), epochs=2, shuffle=False, verbose=0
    )
    assert model.step == 6
    assert set(history.history) == {"judge_loss", "maker_loss", "distance"}
    assert np.isfinite(history.history["maker_loss"]).all()
    with pytest.raises(UserError, match="received uint8"):
        model.fit(
            tf.data.Dataset.from_tensor_slices(images.astype(np.uint8)).batch(16),
            shuffle=False,
            verbose=0,
        )


# What it leaves alone, and what it does not depend on.


@contextlib.contextmanager
def _own_policy(policy):
    """The user's, which is the same after the `with` statement."""
    keras.config.set_dtype_policy(policy)
    try:
        yield
        assert keras.config.dtype_policy().name == policy
    finally:
        keras.config.set_dtype_policy("float32")


@functools.cache
def _trained(name, policy):
    with _own_policy(policy):
        model = models.build(name, TINY[name], SHAPE)
        model.train_step(a_batch())
    return model


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
@pytest.mark.parametrize("name", models.MODELS)
def test_the_users_own_policy_neither_changes_nor_matters(name, policy):
    one, other = _trained(name, "float32"), _trained(name, policy)
    assert [variable.dtype for variable in one.state] == [
        variable.dtype for variable in other.state
    ]
    assert _equal(_values(one.state), _values(other.state))


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
def test_the_users_own_policy_does_not_matter_to_keras_fit(batch, policy):
    one, other = _duel(), _duel()
    for model, own in ((one, "float32"), (other, policy)):
        with _own_policy(own):
            model.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0)
    assert _equal(_values(one.state), _values(other.state))


def test_a_model_that_cannot_be_built_leaves_everything_as_it_was():
    class Broken(Duel):
        def make_networks(self):
            raise UserError("too large")

    state = random.getstate()
    with pytest.raises(UserError, match="too large"):
        Broken(DuelSettings(precision="mixed_float16", seed=7), SHAPE)
    assert random.getstate() == state
    assert keras.config.dtype_policy().name == "float32"


def test_it_is_saved_and_restored_with_its_optimizers_and_its_step(batch, tmp_path):
    run = runs.Run(tmp_path, "duel", "digits", None, SHAPE, DuelSettings(decay=0.5))
    run.checkpoints.mkdir()
    model = _duel(decay=0.5)
    for _ in range(3):
        model.train_step(batch)
    checkpoints.save(run, model)
    restored = _duel(decay=0.5)
    assert checkpoints.restore(run, restored) == restored.step == 3
    assert _equal(_values(model.state), _values(restored.state))
    for one in (model, restored):
        one.train_step(batch)
    assert _equal(_values(model.state), _values(restored.state))


def test_images_of_a_data_set_are_what_it_takes(image_set):
    batches = datasets.batches(image_set, 16, seed=0)
    report = _duel().train_step(next(iter(batches)))
    assert all(math.isfinite(float(value)) for value in report.values())
