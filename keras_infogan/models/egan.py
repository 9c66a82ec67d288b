"""E-GAN: Evolutionary Generative Adversarial Networks (Wang et al. 2018, arXiv 1803.00657).

A population of generators plays against one discriminator. In each step (Algorithm 1)

  - the discriminator learns to tell real images from those of all individuals (Section 3.1);
  - variation: each individual has a child by every mutation, one update of its loss (Section 3.2):

        minimax         1/2 E_z [log(1 - D(G(z)))]
        heuristic      -1/2 E_z [log D(G(z))]
        least squares       E_z [(D(G(z)) - 1)^2]

  - evaluation: a child's fitness is quality and diversity (Section 3.3),

        F = E_z [D(G(z))] - gamma log || grad_D  - E_x [log D(x)] - E_z [log(1 - D(G(z)))] ||

  - selection: the fittest children are the next individuals.

What makes an individual goes with it: weights, moving statistics, its optimizer's state. Codes, if
there are any, are read back by a recognizer on the discriminator's layers, and every child also
raises the information about them (InfoGAN, arXiv 1606.03657, equation 6). Settings and presets
stand in `settings.egan`.
"""

import functools

import tensorflow as tf
from keras import ops

from keras_infogan import losses, networks
from keras_infogan.learner import Learner, Player, moving_average
from keras_infogan.optimizers import Adam

# Numbers of draws (see Learner.draw); the discriminator takes every fourth, one per individual. All
# children are bred, and judged, on the same noise: they differ by what they are.
_FOR_DISCRIMINATOR, _FOR_CHILDREN, _FOR_FITNESS, _FOR_CHOICE = range(4)


class EGAN(Learner):
    """Generators, and a discriminator; a recognizer where there are codes.

    Attributes:
      generator: the fittest individual: latents float32 (batch, latent_spec.size) -> images float32
        (batch, height, width, channels) in [-1, 1]. Others are `generator_2` and so on.
      trunk: images -> features.
      discriminator: features -> logit of "real", float32 (batch, 1).
      recognizer: features -> parameters of Q(c|x), float32 (batch, latent_spec.total_parameters).
    """

    def make_networks(self):
        settings, spec, std = self.settings, self.latent_spec, self.settings.weight_std
        for name in self._individuals:
            network = networks.image_decoder(
                name, spec.size, settings.generator_layers, weight_std=std
            )
            setattr(self, name, network)
        encoder = functools.partial(
            networks.image_encoder,
            leaky_relu_slope=settings.leaky_relu_slope,
            spectral_norm=settings.spectral_norm,
            weight_std=std,
        )
        self.trunk = encoder("trunk", self.image_shape, settings.discriminator_layers)
        features = self.trunk.output_shape[1:]
        self.discriminator = encoder("discriminator", features, "", num_outputs=1)
        if spec.codes:
            self.recognizer = encoder(
                "recognizer",
                features,
                settings.recognizer_layers,
                num_outputs=spec.total_parameters,
            )
            # Without codes there is nothing to read, and no such capability.
            self.encode = self._encode

    @property
    def _individuals(self):
        """The names of the population's networks and players, the fittest first."""
        others = range(2, self.settings.survivors + 1)
        return ["generator", *(f"generator_{number}" for number in others)]

    def make_players(self):
        settings = self.settings
        readers = (self.recognizer,) if self.latent_spec.codes else ()
        discriminator = Adam(settings.discriminator_learning_rate, settings.adam_beta_1)
        judges = (self.trunk, self.discriminator, *readers)
        players = {"discriminator": Player(discriminator, judges)}
        for name in self._individuals:
            optimizer = Adam(
                settings.generator_learning_rate,
                settings.adam_beta_1,
                **moving_average(settings.generator_average_decay),
            )
            network = getattr(self, name)
            players[name] = Player(optimizer, (network,), averaged=(network,))
        return players

    def game(self, batch):
        """Algorithm 1, one step of it."""
        report = self.play(lambda: self._judgement(batch))
        mutations = self.settings.mutation_names
        if self.settings.selection == "random" or len(mutations) == 1:
            # One child of each parent, which survives unseen.
            choice = self._random_choice(batch)
            for name in self._individuals:
                report |= self.play(functools.partial(self._mutation, batch, name, choice))
            return report | self._lineage(choice)
        children, fitness, bred_by = [], [], []
        for parent in self._individuals:
            before = self._individual(parent)
            for index, mutation in enumerate(mutations):
                self._become(parent, before)
                choice = tf.one_hot(index, len(mutations))
                report |= self.play(
                    functools.partial(self._mutation, batch, parent, choice, f"/{mutation}")
                )
                fitness.append(self._fitness(batch, getattr(self, parent)))
                children.append(self._individual(parent))
                bred_by.append(choice)
        best, places = tf.math.top_k(tf.stack(fitness), self.settings.survivors)
        values = [tf.stack(alternatives) for alternatives in zip(*children, strict=True)]
        for rank, name in enumerate(self._individuals):
            self._become(name, [value[places[rank]] for value in values])
        survived = tf.reduce_mean(tf.gather(tf.stack(bred_by), places), axis=0)
        return report | self._lineage(survived) | {"fitness": losses.mean_to_log(best[:1])}

    def _judgement(self, batch):
        """The discriminator's loss: the images of every individual count alike (Section 3.1). The
        recognizer, which its optimizer moves, learns from them too.
        """
        images, share = batch["image"], 1 / self.settings.survivors
        real_logits, _ = self._judged(images)
        fake_losses, information = 0.0, {code.name: 0.0 for code in self.latent_spec.codes}
        for index, name in enumerate(self._individuals):
            latents = self._latents(images, _FOR_DISCRIMINATOR + 4 * index)
            logits, features = self._judged(getattr(self, name)(latents, training=True))
            fake_losses += share * losses.binary_cross_entropy(logits, 0.0)
            for code, nats in self._information(latents, features).items():
                information[code] += share * nats
        minimized = losses.binary_cross_entropy(real_logits, 1.0) + fake_losses
        logged = {"discriminator_loss": minimized}
        logged |= {f"mutual_information/{name}": nats for name, nats in information.items()}
        return {"discriminator": minimized + self._penalty(information)}, logged

    def _mutation(self, batch, parent, choice, logged_as=""):
        """The loss by which a parent becomes a child: the one of `settings.mutation_names` that
        `choice`, one-hot (mutations,), picks. It is logged as "<parent>_loss" and `logged_as`.
        """
        latents = self._latents(batch["image"], _FOR_CHILDREN)
        logits, features = self._judged(getattr(self, parent)(latents, training=True))
        kinds = [_MUTATIONS[name](logits) for name in self.settings.mutation_names]
        adversarial = tf.linalg.matvec(tf.stack(kinds, axis=-1), choice)
        penalty = self._penalty(self._information(latents, features))
        return {parent: adversarial + penalty}, {f"{parent}_loss{logged_as}": adversarial}

    def _fitness(self, batch, generator):
        """Returns quality + gamma diversity of a child, a scalar, the same on all replicas."""
        images = batch["image"]
        repeated = tf.repeat(images, self.settings.fitness_samples, axis=0)
        fakes = generator(self._latents(repeated, _FOR_FITNESS), training=True)
        variables = self.trunk.trainable_variables + self.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            fake_logits, _ = self._judged(fakes)
            real = losses.binary_cross_entropy(self._judged(images)[0], 1.0)
            fake = losses.binary_cross_entropy(fake_logits, 0.0)
            objective = losses.global_batch_mean(real) + losses.global_batch_mean(fake)
        scale = self.discriminator_optimizer.scale_loss(tf.ones_like(objective))
        gradients = tape.gradient(objective, variables, output_gradients=scale)
        quality = losses.global_batch_mean(ops.sigmoid(fake_logits)[:, 0])
        quality, *gradients = tf.distribute.get_replica_context().all_reduce(
            "sum", [quality, *gradients]
        )
        diversity = -ops.log(tf.linalg.global_norm(gradients) / scale)
        fitness = quality + self.settings.diversity_weight * diversity
        # A child whose gradient cannot be had does not survive one whose can.
        return tf.where(tf.math.is_finite(fitness), fitness, tf.float32.min)

    def _lineage(self, choice):
        """Returns which share of the individuals descends by each mutation, to log."""
        return {
            f"survived/{name}": losses.mean_to_log(choice[index : index + 1])
            for index, name in enumerate(self.settings.mutation_names)
        }

    def _random_choice(self, batch):
        """Returns a mutation, drawn for this step, one-hot (mutations,)."""
        count = len(self.settings.mutation_names)

        def drawn(rows, seed):
            # The same for each row, and so for each replica.
            return tf.repeat(tf.random.stateless_uniform((1,), seed, 0, count, tf.int32), rows)

        return tf.one_hot(self.draw(drawn, batch["image"], _FOR_CHOICE)[0], count)

    def _individual(self, name):
        """Returns all that makes an individual, a list of tensors."""
        return [tf.identity(variable.value) for variable in self._variables_of(name)]

    def _become(self, name, values):
        """Makes an individual what `_individual` gave of another, or of itself at another time."""
        variables = [variable.value for variable in self._variables_of(name)]

        def assign(strategy, values):
            for variable, value in zip(variables, values, strict=True):
                strategy.extended.update(variable, lambda part, new: part.assign(new), (value,))

        # Each replica holds the same values: nothing is to be summed up.
        tf.distribute.get_replica_context().merge_call(assign, (values,))

    def _variables_of(self, name):
        return getattr(self, name).variables + getattr(self, f"{name}_optimizer").variables

    def _latents(self, images, use):
        return self.draw(self.latent_spec.draw, images, use)

    def _judged(self, images):
        """Returns the discriminator's logits of images, and the features they are made from."""
        features = self.trunk(images, training=True)
        return self.discriminator(features, training=True), features

    def _information(self, latents, features):
        """Returns L_I per code and example, in nats; of no codes nothing."""
        if not self.latent_spec.codes:
            return {}
        return self.latent_spec.mutual_information(
            latents, self.recognizer(features, training=True)
        )

    def _penalty(self, information):
        """Returns -lambda times the weighted sum of L_I."""
        weight = self.settings.mutual_information_weight
        codes = self.latent_spec.codes
        return -weight * sum(code.weight * information[code.name] for code in codes)

    def generate(self, latents):
        """Returns images in [-1, 1] of latent vectors, of the fittest individual."""
        return self.generator(latents, training=False)

    def _encode(self, images):
        """Returns the parameters of Q(c|x), float32 (batch, latent_spec.total_parameters), of
        images in [-1, 1].
        """
        return self.recognizer(self.trunk(images, training=False), training=False)


def _minimax(logits):
    return -0.5 * losses.binary_cross_entropy(logits, 0.0)


def _heuristic(logits):
    return 0.5 * losses.binary_cross_entropy(logits, 1.0)


def _least_squares(logits):
    return ops.square(ops.sigmoid(ops.cast(logits, "float32"))[:, 0] - 1.0)


_MUTATIONS = {"minimax": _minimax, "heuristic": _heuristic, "least_squares": _least_squares}
