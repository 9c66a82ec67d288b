"""InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets (Chen et al. 2016, arXiv 1606.03657).

The game of equation 6:

    min_{G,Q} max_D  V(D, G) - lambda L_I(G, Q),      L_I(G, Q) = E_{c ~ P(c), x ~ G(z,c)} [log Q(c|x)] + H(c)  <=  I(c; G(z, c))

D and Q share the trunk and differ in their last layers (Section 6). Settings and presets stand in `infogan_settings`.
"""

import contextlib
import math

import keras
import tensorflow as tf
from keras import ops

from keras_infogan import losses, networks


def build(config, image_shape, precision=None):
    """Builds and compiles an InfoGAN for images of (height, width, channels), weights drawn from `config.seed`.

    `precision` is that of the networks, if another than the run's: to look at what was trained.
    """
    keras.config.set_dtype_policy(precision or config.precision)
    keras.utils.set_random_seed(config.seed)
    model = InfoGAN(config, image_shape)
    model.compile()
    return model


class InfoGAN(keras.Model):
    """Generator, and discriminator and recognizer on a shared trunk.

    Attributes:
      latents: LatentSpec, what the generator's input vectors are made of.
      generator: latents float32 (batch, latents.size) -> images float32 (batch, height, width, channels) in [-1, 1].
      trunk: images -> features, shared.
      discriminator: features -> logit of "real", float32 (batch, 1).
      recognizer: features -> parameters of Q(c|x), float32 (batch, latents.total_parameters).
    """

    def __init__(self, config, image_shape):
        super().__init__(name="infogan")
        config = config.for_images(image_shape)
        self.config = config
        self.image_shape = tuple(image_shape)
        self.latents = config.latents
        self.generator = networks.image_decoder("generator", self.latents.size, config.generator_layers)
        slope, spectral = config.leaky_relu_slope, config.spectral_norm
        self.trunk = networks.image_encoder("trunk", image_shape, config.trunk_layers, slope, spectral_norm=spectral)
        features = self.trunk.output_shape[1:]
        self.discriminator = networks.image_encoder("discriminator", features, config.discriminator_layers, slope, 1, spectral)
        self.recognizer = networks.image_encoder("recognizer", features, config.recognizer_layers, slope, self.latents.total_parameters, spectral)
        # Apart from the optimizers' counts: with loss scaling these leave out updates that were skipped.
        self.steps_taken = self.add_weight(name="steps_taken", dtype="int64", initializer="zeros", trainable=False, aggregation="only_first_replica")
        self.built = True

    def compile(self):
        """Creates the optimizers. Which of them owns the recognizer, `recognizer_optimizer` says."""
        config = self.config
        # Without XLA, which was measured not to help (BUILD_NOTES.md).
        super().compile(optimizer=None, jit_compile=False)
        average = {"use_ema": True, "ema_momentum": config.generator_average_decay} if config.generator_average_decay else {}
        self.generator_optimizer = self._adam(config.generator_learning_rate, **average)
        self.discriminator_optimizer = self._adam(config.discriminator_learning_rate)
        if config.recognizer_optimizer == "separate":
            self.information_optimizer = self._adam(config.generator_learning_rate)
            self.information_optimizer.build(self.information_variables)
        self.generator_optimizer.build(self.generator_variables)
        self.discriminator_optimizer.build(self.discriminator_variables)

    @property
    def _scales_losses(self):
        """Whether losses are scaled so that their gradients stay within float16; bfloat16 has float32's range."""
        return self.config.precision == "mixed_float16"

    def _adam(self, learning_rate, **settings):
        optimizer = keras.optimizers.Adam(learning_rate, beta_1=self.config.adam_beta_1, **settings)
        return keras.optimizers.LossScaleOptimizer(optimizer) if self._scales_losses else optimizer

    @property
    def optimizers(self):
        """All optimizers: the discriminator's, the generator's, and a separate one for the mutual information if there is one."""
        separate = [self.information_optimizer] if self.config.recognizer_optimizer == "separate" else []
        return [self.discriminator_optimizer, self.generator_optimizer, *separate]

    @property
    def state(self):
        """All variables that the next step depends on: weights, moving statistics, the step, the optimizers' own."""
        return self.variables + [variable for optimizer in self.optimizers for variable in optimizer.variables]

    # Properties, not attributes: Keras would track a list of variables a second time and write every weight twice.
    @property
    def discriminator_variables(self):
        """What the discriminator's optimizer moves."""
        owned = self.recognizer.trainable_variables if self.config.recognizer_optimizer == "discriminator" else []
        return self.trunk.trainable_variables + self.discriminator.trainable_variables + owned

    @property
    def generator_variables(self):
        """What the generator's optimizer moves."""
        owned = self.recognizer.trainable_variables if self.config.recognizer_optimizer == "generator" else []
        return self.generator.trainable_variables + owned

    @property
    def information_variables(self):
        """What a separate optimizer of the mutual information moves; a recognizer that only watches moves nothing else."""
        if not self.config.mutual_information_weight:
            return self.recognizer.trainable_variables
        return self.generator.trainable_variables + self.trunk.trainable_variables + self.recognizer.trainable_variables

    @property
    def step(self):
        """Number of training steps taken so far, an int."""
        return int(self.steps_taken.numpy())

    @property
    def skipped_updates(self):
        """Number of updates skipped so far because a gradient left float16's range, an int; None without loss scaling."""
        if not self._scales_losses:
            return None
        updates = self.step * (1 + self.config.generator_updates * (len(self.optimizers) - 1))
        return updates - sum(int(optimizer.iterations.numpy()) for optimizer in self.optimizers)

    @property
    def loss_scale(self):
        """The smallest factor that an objective is multiplied with at present, a float; None without loss scaling."""
        if not self._scales_losses:
            return None
        return min(float(optimizer.dynamic_scale.numpy()) for optimizer in self.optimizers)

    def load_own_variables(self, store):
        """Loads the step; a checkpoint of version 1 has none, and `runs.restore` takes it from the file's name."""
        if store.keys():
            super().load_own_variables(store)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing: the model is built. Keras's fit would average a first batch over the workers of a cluster for it, which fails on a dict."""

    def train_step(self, batch):
        """One step of the game: both players move once, on one batch of fakes or each on its own (`share_fakes`).

        Args:
          batch: a dict with "image", float32 (batch, height, width, channels) in [-1, 1]: this replica's part of the global batch. Labels are never read.

        Returns:
          A dict of float32 scalars: generator_loss, discriminator_loss, and mutual_information/<code> in nats.
        """
        images = batch["image"]
        report = self._simultaneous_step(images) if self.config.share_fakes else self._alternating_step(images)
        self.steps_taken.assign_add(1)
        return report

    def _simultaneous_step(self, images):
        latents = self._draw_latents(images, draw=0)
        with tf.GradientTape(persistent=True) as tape:
            fakes = self.generator(latents, training=True)
            # Real and generated images pass separately: batch norm must not mix their statistics.
            real_features = self.trunk(self._with_instance_noise(images, draw=1), training=True)
            fake_features = self.trunk(self._with_instance_noise(fakes, draw=2), training=True)
            real_logits = self.discriminator(real_features, training=True)
            fake_logits = self.discriminator(fake_features, training=True)
            discriminator_losses = losses.discriminator_loss(real_logits, fake_logits, self.config.label_smoothing)
            generator_losses = losses.generator_loss(fake_logits)
            information, recognizer_losses = self._information(latents, fake_features)
            objectives = self._objectives(discriminator_losses, generator_losses, recognizer_losses)
        faults = [self._move(player, tape) for player in objectives]
        return self._report(discriminator_losses, generator_losses, information, faults)

    def _alternating_step(self, images):
        latents = self._draw_latents(images, draw=0)
        with tf.GradientTape() as tape:
            fakes = self.generator(latents, training=True)
            real_features = self.trunk(self._with_instance_noise(images, draw=1), training=True)
            fake_features = self.trunk(self._with_instance_noise(fakes, draw=2), training=True)
            real_logits = self.discriminator(real_features, training=True)
            fake_logits = self.discriminator(fake_features, training=True)
            discriminator_losses = losses.discriminator_loss(real_logits, fake_logits, self.config.label_smoothing)
            _, recognizer_losses = self._information(latents, fake_features)
            player, *_ = self._objectives(discriminator_losses, 0.0, recognizer_losses)
        faults = [self._move(player, tape)]

        for update in range(self.config.generator_updates):
            latents = self._draw_latents(images, draw=3 + 2 * update)
            with tf.GradientTape(persistent=True) as tape:
                fakes = self.generator(latents, training=True)
                fake_features = self.trunk(self._with_instance_noise(fakes, draw=4 + 2 * update), training=True)
                generator_losses = losses.generator_loss(self.discriminator(fake_features, training=True))
                information, recognizer_losses = self._information(latents, fake_features)
                _, *objectives = self._objectives(0.0, generator_losses, recognizer_losses)
            # Of several updates the last is reported; a fault of an earlier one is a fault of its losses and gradients too.
            updates = [self._move(player, tape) for player in objectives]
        return self._report(discriminator_losses, generator_losses, information, faults + updates)

    def _move(self, player, tape):
        """Applies a player's gradient.

        Returns:
          0, or NaN if the gradient was not finite: added to what is reported of the player, it ends the run at this very step (callbacks.StopOnNonFinite).
          With loss scaling always 0, because there such a gradient only means that the update is skipped and the scale halved.
        """
        optimizer, objective, variables = player
        gradients = tape.gradient(objective, variables, output_gradients=optimizer.scale_loss(tf.ones_like(objective)))
        # One pass over the gradients; a sum is finite only if all its terms are.
        total = tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])
        if self._scales_losses:
            # Each replica's optimizer looks at its own gradients, but all must skip alike: what is not finite on one is made so on all.
            total = tf.distribute.get_replica_context().all_reduce("sum", total)
        fault = tf.where(tf.math.is_finite(total), 0.0, math.nan)
        if self._scales_losses:
            gradients = [gradient + fault for gradient in gradients]
        optimizer.apply(gradients, variables)
        return 0.0 if self._scales_losses else fault

    def _objectives(self, discriminator_losses, generator_losses, recognizer_losses):
        """Returns (optimizer, scalar to minimize, variables) for each player: the discriminator first, then the generator, then a separate recognizer."""
        mean, owner = losses.global_batch_mean, self.config.recognizer_optimizer
        # At weight 0 the recognizer only watches: it learns at weight 1, and `_information` keeps its gradient from trunk and generator.
        penalty = (self.config.mutual_information_weight or 1.0) * mean(recognizer_losses)
        discriminator, generator = mean(discriminator_losses), mean(generator_losses)
        if owner != "separate":
            generator += penalty
        if owner == "discriminator":
            discriminator += penalty
        objectives = [
            (self.discriminator_optimizer, discriminator, self.discriminator_variables),
            (self.generator_optimizer, generator, self.generator_variables),
        ]
        if owner == "separate":
            objectives.append((self.information_optimizer, penalty, self.information_variables))
        return objectives

    def _information(self, latents, features):
        """Returns L_I per code in nats, a dict of (batch,), and the recognizer's loss (batch,), the weighted sum of -L_I over codes."""
        if not self.config.mutual_information_weight:
            features = ops.stop_gradient(features)
        information = self.latents.mutual_information(latents, self.recognizer(features, training=True))
        total = 0.0
        for code in self.latents.codes:
            weight = code.weight * (self.config.continuous_weight if code.continuous else 1.0)
            total -= weight * information[code.name]
        return information, total

    def _seed(self, draw):
        """Returns an int32 (2,) seed that depends on the run's seed, the step and the use made of it: all random state of training is the step count."""
        seed = tf.stack([self.config.seed, tf.cast(self.steps_taken.value, tf.int32)])
        return tf.random.experimental.stateless_fold_in(seed, draw)

    def _slice(self, draw_global, images):
        """Returns this replica's rows of a draw for the whole global batch, so that the latents do not depend on the number of replicas."""
        context = tf.distribute.get_replica_context()
        size = tf.shape(images)[0]
        start = context.replica_id_in_sync_group * size
        return draw_global(size * context.num_replicas_in_sync)[start : start + size]

    def _draw_latents(self, images, draw):
        latents = self._slice(lambda count: self.latents.draw(count, self._seed(draw)), images)
        return tf.ensure_shape(latents, (images.shape[0], self.latents.size))

    def _with_instance_noise(self, images, draw):
        """Adds Gaussian noise whose deviation falls linearly to 0 (Sonderby et al. 2017, arXiv 1610.04490)."""
        if not self.config.instance_noise_std:
            return images
        elapsed = tf.cast(self.steps_taken.value, tf.float32) / self.config.instance_noise_steps
        std = self.config.instance_noise_std * tf.maximum(0.0, 1.0 - elapsed)
        noise = self._slice(lambda count: tf.random.stateless_normal((count, *self.image_shape), self._seed(draw)), images)
        return images + std * noise

    def _report(self, discriminator_losses, generator_losses, information, faults):
        mean = losses.mean_to_log
        discriminator_fault, generator_fault, *information_fault = faults
        report = {"discriminator_loss": mean(discriminator_losses) + discriminator_fault, "generator_loss": mean(generator_losses) + generator_fault}
        return report | {f"mutual_information/{name}": mean(values) + sum(information_fault) for name, values in information.items()}

    def use_average(self):
        """Replaces the generator's weights by their moving average, if the run keeps one (to look; not to go on training)."""
        if self.config.generator_average_decay:
            recognizer = [variable.numpy() for variable in self.recognizer.trainable_variables]
            self.generator_optimizer.finalize_variable_values(self.generator_variables)
            # A recognizer that the generator's optimizer owns is averaged with it, but the trunk it reads from is not: it keeps its own weights.
            for variable, value in zip(self.recognizer.trainable_variables, recognizer, strict=True):
                variable.assign(value)

    @contextlib.contextmanager
    def averaged(self):
        """While it lasts the generator has its moving average as weights, if the run keeps one: to look at during training."""
        variables = self.generator.trainable_variables
        weights = [variable.numpy() for variable in variables]
        self.use_average()
        yield
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(value)

    def sample(self, count, seed):
        """Returns `count` generated images, numpy float32 (count, height, width, channels) in [-1, 1], from latents drawn with `seed`."""
        return self.generate(self.latents.sample(count, seed))

    def generate(self, latents):
        """Returns the images of latent vectors (count, latents.size) as numpy, computed in batches of 256."""
        return networks.outputs(self.generator, latents)

    def encode(self, images):
        """Returns the recognizer's output for images float32 (count, height, width, channels) in [-1, 1]: numpy (count, latents.total_parameters)."""
        if not hasattr(self, "_encoder"):
            self._encoder = keras.Model(self.trunk.input, self.recognizer(self.trunk.output), name="encoder")
        return networks.outputs(self._encoder, images)
