"""How a model is trained: what all need and none should write again.

A model is its paper. It writes its networks, its players in the order of play, and what each
player minimizes:

    class VAE(Learner):
        def make_networks(self): ...
        def make_players(self): ...       # -> {player: Player}
        def objectives(self, batch): ...  # -> ({player: loss per example}, {name: value to log})

and, as methods on tensors in inference, what it can do once it is trained (see `capabilities`).
Everything else is here: an optimizer per player, moving averages, loss scaling agreed over
replicas, the fault that a gradient is which is not finite, the count of steps, draws, the usual
game.
"""

import contextlib
import dataclasses
import math
import random

import keras
import tensorflow as tf

from keras_infogan import losses
from keras_infogan.config import UserError


@dataclasses.dataclass(frozen=True)
class Player:
    """One side of the game.

    Attributes:
      optimizer: keras.optimizers.Optimizer, with `moving_average` where it keeps one.
      networks: keras.Models that it moves.
      averaged: those of them that are looked at, and shipped, with their moving average as weights.
      updates: how often it moves in a step.
    """

    optimizer: keras.optimizers.Optimizer
    networks: tuple
    averaged: tuple = ()
    updates: int = 1

    @property
    def variables(self):
        """What its optimizer moves."""
        return [variable for network in self.networks for variable in network.trainable_variables]


def moving_average(decay):
    """Returns the arguments with which a Keras optimizer keeps a moving average of what it moves,
    of this decay per step; none for 0.
    """
    return {"use_ema": True, "ema_momentum": decay} if decay else {}


class Learner(keras.Model):
    """A model in training.

    Attributes:
      settings: its Settings, filled in for the image shape.
      image_shape: (height, width, channels).
      latent_spec: LatentSpec of what it generates from and encodes to.
      players: dict from name to Player, in the order of play, once it is compiled; each one's
        optimizer is `<name>_optimizer` in checkpoints.
    """

    def __init__(self, settings, image_shape, precision=None):
        """
        Args:
          settings: the model's Settings. All weights are drawn from its seed.
          image_shape: (height, width, channels).
          precision: Keras dtype policy of the networks, if another than the settings': to look at
            what was trained.
        """
        if not {kind.__name__ for kind in type(settings).__mro__} & {
            f"{kind.__name__}Settings" for kind in type(self).__mro__
        }:
            raise UserError(
                f"settings: expected {type(self).__name__}Settings, received "
                f"{type(settings).__name__}."
            )
        if not isinstance(image_shape, (tuple, list)) or len(image_shape) != 3:
            raise UserError(
                f"image_shape: expected (height, width, channels), received {image_shape}."
            )
        settings = settings.for_images(image_shape)
        with _building(settings.seed, precision or settings.precision):
            super().__init__(name=type(self).__name__.lower())
            self.settings = settings
            self.image_shape = tuple(image_shape)
            self.latent_spec = settings.latent_spec
            self.make_networks()
        # Apart from the optimizers' counts: with loss scaling these leave out updates
        # that were skipped.
        self.steps_taken = self.add_weight(
            name="steps_taken",
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def make_networks(self):
        """Creates the networks as attributes.

        Layers take the precision and the seed of the settings.
        """
        raise NotImplementedError

    def make_players(self):
        """Returns the players, a dict from name to Player, in the order of play."""
        raise NotImplementedError

    def objectives(self, batch):
        """Returns what each player minimizes and what is logged.

        Args:
          batch: a dict with "image", float32 (batch, height, width, channels) in [-1, 1], and
            whatever else the settings' `reads` names: this replica's part of the global batch.

        Returns:
          (dict from player to its loss per example, (batch,); dict from name to a value per example
          to log, (batch,)).
        """
        raise NotImplementedError

    def compile(self):
        """Creates the optimizers, and their variables."""
        # Without XLA, which was measured not to help (docs/design.md).
        super().compile(optimizer=None, jit_compile=False)
        self.players = self.make_players()
        for name, player in self.players.items():
            optimizer = (
                keras.optimizers.LossScaleOptimizer(player.optimizer)
                if self._scales_losses
                else player.optimizer
            )
            optimizer.build(player.variables)
            setattr(self, f"{name}_optimizer", optimizer)

    @property
    def optimizers(self):
        """All optimizers, in the order of play."""
        return [getattr(self, f"{name}_optimizer") for name in self.players]

    @property
    def state(self):
        """All variables that the next step depends on: weights, moving statistics, the step, the
        optimizers' own.
        """
        return self.variables + [
            variable for optimizer in self.optimizers for variable in optimizer.variables
        ]

    @property
    def step(self):
        """Number of training steps taken so far, an int."""
        return int(self.steps_taken.numpy())

    @property
    def _scales_losses(self):
        """Whether losses are scaled so that their gradients stay within float16; bfloat16 has
        float32's range.
        """
        return self.settings.precision == "mixed_float16"

    @property
    def skipped_updates(self):
        """Number of updates skipped so far because a gradient left float16's range, an int; None
        without loss scaling.
        """
        if not self._scales_losses:
            return None
        updates = self.step * sum(player.updates for player in self.players.values())
        return updates - sum(int(optimizer.iterations.numpy()) for optimizer in self.optimizers)

    @property
    def loss_scale(self):
        """The smallest factor that an objective is multiplied with at present, a float; None
        without loss scaling.
        """
        if not self._scales_losses:
            return None
        return min(float(optimizer.dynamic_scale.numpy()) for optimizer in self.optimizers)

    def load_own_variables(self, store):
        """Loads the step; a checkpoint of version 1 has none, and `checkpoints.restore` takes it
        from the file's name.
        """
        if store.keys():
            super().load_own_variables(store)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing: the model is built.

        Keras's fit would average a first batch over the workers of a cluster for it, which
        fails on a dict.
        """

    # The game.

    def train_step(self, batch):
        """One step: the game, once, and the count of it, by which draws,
        checkpoints and the log go.

        Args:
          batch: as `objectives` takes it, or its images alone.

        Returns:
          A dict of float32 scalars, the means of what is logged.
        """
        report = self.game(self._checked(batch))
        self.steps_taken.assign_add(1)
        return report

    def game(self, batch):
        """The usual one: every player moves once, in the order of play, by the gradient of its loss
        at the weights before the step. Returns the report.
        """
        return self.play(lambda: self.objectives(batch), players=tuple(self.players))

    def play(self, objectives, players=None):
        """Moves players once and returns the report, a dict of scalars.

        All of `objectives` is computed, whoever moves: in training mode its networks update their
        moving statistics too.

        Args:
          objectives: function with the result of the method of that name.
          players: tuple of the names of those that move; default: all that `objectives`
            gives a loss for.

        Raises:
          ValueError: while the step is traced, if losses and players do not fit together.
        """
        with tf.GradientTape(persistent=True) as tape:
            per_example, logged = objectives()
            for name, values in per_example.items():
                if name not in self.players:
                    raise ValueError(
                        f"objectives gives a loss for {name!r}, which is no player; the players "
                        f"are {', '.join(self.players)}."
                    )
                if len(values.shape) != 1:
                    raise ValueError(
                        f"the loss of {name} is to be one number per example, (batch,), and has "
                        f"the shape {tuple(values.shape)}."
                    )
            moving = list(per_example) if players is None else list(players)
            missing = [name for name in moving if name not in per_example]
            if missing:
                raise ValueError(
                    f"objectives gives no loss for {missing[0]!r}, which is to move; it gives one "
                    f"for {', '.join(per_example)}."
                )
            means = {name: losses.global_batch_mean(per_example[name]) for name in moving}
        faults = {name: self._move(name, mean, tape) for name, mean in means.items()}
        report = {name: losses.mean_to_log(values) for name, values in logged.items()}
        for player, fault in faults.items():
            # A fault shows in what is logged under its player's name, or else in everything.
            for name in [name for name in report if player in name] or list(report):
                report[name] += fault
        return report

    def _move(self, name, objective, tape):
        """Applies the gradient of a player's objective.

        Returns:
          0, or NaN if the gradient was not finite: added to what is reported of the player, it ends
          the run, which names this step (callbacks.StopOnNonFinite). With loss scaling always 0:
          there such a gradient only means that the update is skipped and the scale halved.
        """
        optimizer, variables = getattr(self, f"{name}_optimizer"), self.players[name].variables
        gradients = tape.gradient(
            objective, variables, output_gradients=optimizer.scale_loss(tf.ones_like(objective))
        )
        unmoved = [
            variable.path
            for variable, gradient in zip(variables, gradients, strict=True)
            if gradient is None
        ]
        if unmoved:
            raise ValueError(
                f"the loss of {name} does not depend on {unmoved[0]}, which it is to move "
                f"({len(unmoved)} of {len(variables)} weights)."
            )
        # One pass over the gradients; a sum is finite only if all its terms are.
        total = tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])
        if self._scales_losses:
            # Each replica's optimizer looks at its own gradients, but all must skip alike: what is
            # not finite on one is made so on all.
            total = tf.distribute.get_replica_context().all_reduce("sum", total)
        fault = tf.where(tf.math.is_finite(total), 0.0, math.nan)
        if self._scales_losses:
            gradients = [gradient + fault for gradient in gradients]
        optimizer.apply(gradients, variables)
        return 0.0 if self._scales_losses else fault

    def _checked(self, batch):
        """Returns a batch as a dict with what the settings' `reads` names; raises UserError, while
        the step is traced, if it is not what the model takes.
        """
        batch = batch if isinstance(batch, dict) else {"image": batch}
        missing = [name for name in self.settings.reads if name not in batch]
        if missing:
            raise UserError(
                f"a {self.settings.title} is trained on batches with "
                f"{', '.join(self.settings.reads)}, received {', '.join(batch)}."
            )
        # What is not named, such as labels, cannot be used.
        return {
            name: self._checked_images(batch[name]) if name.endswith("image") else batch[name]
            for name in self.settings.reads
        }

    def _checked_images(self, images):
        if (
            not isinstance(images, tf.Tensor)
            or not images.dtype.is_floating
            or tuple(images.shape[1:]) != self.image_shape
        ):
            received = (
                f"{images.dtype.name} {tuple(images.shape)}"
                if isinstance(images, tf.Tensor)
                else type(images).__name__
            )
            raise UserError(
                f"images: expected float32 (batch, {', '.join(map(str, self.image_shape))}) in "
                f"[-1, 1], received {received}."
            )
        return tf.cast(images, tf.float32)

    # Draws: all random state of training is the step count.

    def draw(self, function, like, use):
        """Returns this replica's rows of a draw for the whole global batch, so that what is drawn
        does not depend on the number of replicas.

        Args:
          function: function (count, seed), an int32 (2,) tensor -> tensor (count, ...), such as
            LatentSpec.draw.
          like: tensor (batch, ...) with as many rows as this replica's part of the batch.
          use: int, a number of its own for each use that a step makes of draws.

        Returns:
          A tensor (batch, ...), another one for each step and use.
        """
        context = tf.distribute.get_replica_context()
        size = tf.shape(like)[0]
        start = context.replica_id_in_sync_group * size
        seed = tf.stack([self.settings.seed, tf.cast(self.steps_taken.value, tf.int32)])
        seed = tf.random.experimental.stateless_fold_in(seed, use)  # pyright: ignore[reportAttributeAccessIssue]  # the stub lacks it
        drawn = function(size * context.num_replicas_in_sync, seed)[start : start + size]
        return tf.ensure_shape(drawn, (like.shape[0], *drawn.shape[1:]))

    def dropout(self, features, rate, use):
        """Returns features in training, of which a share is 0 and the others are larger for it
        (Srivastava et al. 2014, JMLR 15).

        Args:
          features: tensor (batch, ...).
          rate: that share, in [0, 1).
          use: see `draw`.
        """
        if not rate:
            return features
        drawn = self.draw(
            lambda count, seed: tf.random.stateless_uniform((count, *features.shape[1:]), seed),
            features,
            use,
        )
        return features * tf.cast(drawn >= rate, features.dtype) / (1 - rate)

    # Moving averages: to look at and to ship, not to go on training with.

    def use_average(self):
        """Replaces the weights of the players' `averaged` networks by their moving average,
        if there is one.
        """
        for name, player in self.players.items():
            if not player.optimizer.use_ema:
                continue
            others = [
                variable
                for network in player.networks
                if network not in player.averaged
                for variable in network.trainable_variables
            ]
            values = [variable.numpy() for variable in others]
            getattr(self, f"{name}_optimizer").finalize_variable_values(player.variables)
            for variable, value in zip(others, values, strict=True):
                variable.assign(value)

    @contextlib.contextmanager
    def averaged(self):
        """While it lasts the weights are those of `use_average`: to look at during training."""
        variables = [
            variable
            for player in self.players.values()
            for network in player.averaged
            for variable in network.trainable_variables
        ]
        weights = [variable.numpy() for variable in variables]
        self.use_average()
        try:
            yield
        finally:
            for variable, value in zip(variables, weights, strict=True):
                variable.assign(value)


@contextlib.contextmanager
def _building(seed, precision):
    """While it lasts layers are made in a precision and with weights drawn from a seed; Keras's own
    policy and Python's random numbers stay as they were.
    """
    policy, state = keras.config.dtype_policy(), random.getstate()
    keras.config.set_dtype_policy(precision)
    random.seed(seed)  # Keras's initializers take their seeds from there
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        random.setstate(state)
