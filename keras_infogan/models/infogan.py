"""InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial
Nets (Chen et al. 2016, arXiv 1606.03657).

The game of equation 6:

    min_{G,Q} max_D  V(D, G) - lambda L_I(G, Q),
    L_I(G, Q) = E_{c ~ P(c), x ~ G(z,c)} [log Q(c|x)] + H(c)  <=  I(c; G(z, c))

D and Q share the trunk and differ in their last layers (Section 6).

With the contrastive regularizer (InfoGAN-CR, Lin et al. 2020, arXiv 1906.06034) a network H sees
two images that have the noise and one code in common, and says which; H and G want it to be right:

    min_{G,Q,H} max_D  V(D, G) - lambda L_I(G, Q) - alpha E_i [log H_i(G(z,c), G(z,c'))],
    c_i = c'_i

Settings and presets stand in `settings.infogan`.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_infogan import augment, losses, networks
from keras_infogan.learner import Learner, Player, moving_average
from keras_infogan.optimizers import Adam, LinearDecay

# Numbers of draws (see Learner.draw) that keep clear of those of fakes and of their instance noise,
# which count up from 0.
_COPIES, _NOISE_OF_COPIES, _NOISE_OF_LABELED = 2**20, 2**20 + 1, 2**20 + 2
_AUGMENTATION, _PAIRS = 2**21, 2**22


class InfoGAN(Learner):
    """Generator, and discriminator and recognizer on a shared trunk.

    Attributes:
      generator: latents float32 (batch, latent_spec.size) -> images float32
        (batch, height, width, channels) in [-1, 1].
      trunk: images -> features, shared.
      discriminator: features -> logit of "real", float32 (batch, 1).
      recognizer: features -> parameters of Q(c|x), float32 (batch, latent_spec.total_parameters).
      contrast: H, where it is asked for: two images side by side in their channels -> logits of the
        code that they have in common, float32 (batch, codes).
    """

    def make_networks(self):
        settings, spec = self.settings, self.latent_spec
        slope, spectral = settings.leaky_relu_slope, settings.spectral_norm
        self.generator = networks.image_decoder("generator", spec.size, settings.generator_layers)
        self.trunk = networks.image_encoder(
            "trunk", self.image_shape, settings.trunk_layers, slope, spectral_norm=spectral
        )
        features = self.trunk.output_shape[1:]
        self.discriminator = networks.image_encoder(
            "discriminator", features, settings.discriminator_layers, slope, 1, spectral
        )
        self.recognizer = networks.image_encoder(
            "recognizer",
            features,
            settings.recognizer_layers,
            slope,
            spec.total_parameters,
            spectral,
        )
        if settings.contrastive_weight:
            height, width, channels = self.image_shape
            self.contrast = networks.image_encoder(
                "contrast",
                (height, width, 2 * channels),
                settings.trunk_layers,
                slope,
                len(spec.codes),
                spectral,
            )

    def make_players(self):
        """Discriminator and generator; which of them owns the recognizer, `recognizer_optimizer`
        says, or a third player for L_I alone.
        """
        settings, owner = self.settings, self.settings.recognizer_optimizer

        def adam(learning_rate, updates=1, **average):
            if settings.learning_rate_decay_start < 1:
                end = settings.steps * updates
                start = settings.learning_rate_decay_start * end
                learning_rate = LinearDecay(learning_rate, start, end)
            return Adam(learning_rate, settings.adam_beta_1, **average)

        discriminator = Player(
            adam(
                settings.discriminator_learning_rate,
                **moving_average(settings.recognizer_average_decay),
            ),
            (self.trunk, self.discriminator, *[self.recognizer] * (owner == "discriminator")),
            averaged=(self.trunk, self.recognizer) if owner == "discriminator" else (),
        )
        generator = Player(
            adam(
                settings.generator_learning_rate,
                settings.generator_updates,
                **moving_average(settings.generator_average_decay),
            ),
            (self.generator, *[self.recognizer] * (owner == "generator")),
            # A recognizer that the generator's optimizer owns is not averaged, as the trunk is not
            # that it reads from.
            averaged=(self.generator,),
            updates=settings.generator_updates,
        )
        players = {"discriminator": discriminator, "generator": generator}
        if owner == "separate":
            # A recognizer that only watches moves nothing but itself.
            others = (self.generator, self.trunk) if settings.mutual_information_weight else ()
            players["information"] = Player(
                adam(settings.generator_learning_rate, settings.generator_updates),
                (*others, self.recognizer),
                updates=settings.generator_updates,
            )
        if settings.contrastive_weight:
            players["contrast"] = Player(
                adam(settings.discriminator_learning_rate, settings.generator_updates),
                (self.contrast,),
                updates=settings.generator_updates,
            )
        return players

    def objectives(self, batch):
        """Equation 6 for all players, on one batch of fakes."""
        latents, fakes = self._fakes(batch, use=0)
        # Real and generated images pass separately: batch norm must not mix their statistics.
        real, fake = self._features(batch["image"], use=1), self._features(fakes, use=2)
        real_logits, fake_logits = (
            self.discriminator(real, training=True),
            self.discriminator(fake, training=True),
        )
        information = self._information(latents, fake)
        discriminator_losses = losses.discriminator_loss(
            real_logits, fake_logits, self.settings.label_smoothing
        )
        generator_losses = losses.generator_loss(fake_logits)
        from_real, learned = self._information_of_real(batch["image"], real)
        from_labels, taught = self._information_of_labels(batch)
        minimized = self._with_information(
            {
                "discriminator": discriminator_losses + learned + taught,
                "generator": generator_losses,
            },
            information,
        )
        logged = {"discriminator_loss": discriminator_losses, "generator_loss": generator_losses}
        minimized, contrast = self._with_contrast(minimized, batch, use=0)
        logged |= _to_log(information) | from_real | from_labels | contrast
        return minimized, logged

    def game(self, batch):
        """Both players on one batch of fakes, or as the released code plays it, the generator on a
        fresh one after the discriminator has moved.
        """
        if self.settings.share_fakes:
            return super().game(batch)
        report = self.play(lambda: self.objectives(batch), players=("discriminator",))
        for update in range(self.settings.generator_updates):
            # Of several updates the last is reported; a fault of an earlier one is a fault of its
            # losses and gradients too.
            report |= self.play(
                lambda update=update: self._generator_objectives(batch, use=3 + 2 * update)
            )
        return report

    def _generator_objectives(self, batch, use):
        """The generator's side of equation 6, on fakes of its own."""
        latents, fakes = self._fakes(batch, use)
        fake = self._features(fakes, use + 1)
        generator_losses = losses.generator_loss(self.discriminator(fake, training=True))
        information = self._information(latents, fake)
        minimized = self._with_information({"generator": generator_losses}, information)
        minimized, contrast = self._with_contrast(minimized, batch, use)
        return minimized, {"generator_loss": generator_losses} | _to_log(information) | contrast

    def _fakes(self, batch, use):
        latents = self.draw(self.latent_spec.draw, batch["image"], use)
        return latents, self.generator(latents, training=True)

    def _features(self, images, use):
        if self.settings.augmentation:
            images = augment.changed(
                self,
                images,
                augment.parse_changes("augmentation", self.settings.augmentation),
                use=_AUGMENTATION + use,
            )
        return self.trunk(augment.with_instance_noise(self, images, use), training=True)

    def _information(self, latents, features):
        """Returns L_I per code and example, in nats."""
        if not self.settings.mutual_information_weight:
            # The recognizer only watches: it learns at weight 1, and moves nothing else.
            features = keras.ops.stop_gradient(features)
        return self.latent_spec.mutual_information(
            latents, self.recognizer(features, training=True)
        )

    def _with_information(self, minimized, information):
        """Returns what each player minimizes: its side of V(D, G), and -lambda times the weighted
        sum of L_I where it moves by that.
        """
        weight = self.settings.mutual_information_weight or 1.0
        codes, owner = self.latent_spec.codes, self.settings.recognizer_optimizer

        def penalty_of(codes):
            return -weight * sum(code.weight * information[code.name] for code in codes)

        penalty = penalty_of(codes)
        if owner == "separate":
            return minimized | {"information": penalty}
        informed = {"generator": penalty}
        if owner == "discriminator":
            follows = self.settings.generator_follows
            continuous = [code for code in codes if code.continuous]
            informed["discriminator"] = penalty_of(continuous) if follows else penalty
        return {player: value + informed.get(player, 0.0) for player, value in minimized.items()}

    def _with_contrast(self, minimized, batch, use):
        """Returns what each player minimizes with the contrastive regularizer, and what of it is
        logged.
        """
        settings, spec = self.settings, self.latent_spec
        if not settings.contrastive_weight:
            return minimized, {}
        columns = spec.unpack(np.arange(spec.size)[None])
        belongs = np.zeros((len(spec.codes), spec.size), np.float32)
        belongs[:, columns["noise"]] = 1  # as in the released code
        for index, code in enumerate(spec.codes):
            belongs[index, columns[code.name]] = 1

        def drawn_codes(count, seed):
            return tf.random.stateless_uniform(
                (count,), seed, maxval=len(spec.codes), dtype=tf.int32
            )

        first, other = (
            self.draw(spec.draw, batch["image"], _PAIRS + 3 * use + turn) for turn in range(2)
        )
        shared = self.draw(drawn_codes, batch["image"], _PAIRS + 3 * use + 2)
        kept = tf.gather(belongs, shared)
        both = tf.concat([first, kept * first + (1 - kept) * other], axis=0)
        pairs = tf.concat(tf.split(self.generator(both, training=True), 2), axis=-1)
        logits = self.contrast(pairs, training=True)
        errors = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=shared, logits=logits)
        started = self.steps_taken.value >= int(settings.contrastive_start * settings.steps)
        weight = tf.where(started, settings.contrastive_weight, 0.0)
        added = {"generator": minimized["generator"] + weight * errors, "contrast": errors}
        return minimized | added, {"contrast_loss": errors}

    def _information_of_real(self, images, features):
        """Returns what Q learns of codes from real images and changed copies of them: terms to log,
        and their weighted sum, (batch,), to minimize (see losses).
        """
        settings, spec = self.settings, self.latent_spec
        grouped = [
            code for code in spec.codes if settings.real_information_weight and not code.continuous
        ]
        guided = [code for code in spec.codes if code.continuous and code.guide]
        if not grouped and not guided:
            return {}, 0.0
        changes = augment.parse_changes("changes", settings.changes)
        strengths = augment.strengths(self, images, changes, use=_COPIES)
        copies = augment.applied(images, changes, strengths)
        # A pass of their own, as that of real and of generated images.
        of_images, of_copies = (
            spec.unpack_parameters(self.recognizer(part, training=True))
            for part in (features, self._features(copies, use=_NOISE_OF_COPIES))
        )
        logged, learned = {}, 0.0
        for code in grouped:
            answers, answers_of_copies = (
                code.log_probabilities(of_images[code.name]),
                code.log_probabilities(of_copies[code.name]),
            )
            disagreement, uncertainty, imbalance = losses.self_augmented_information(
                answers, answers_of_copies, code.prior_probabilities
            )
            learned += (settings.real_information_weight * code.weight) * (
                disagreement + settings.uncertainty_weight * uncertainty + imbalance
            )
            logged |= {
                f"disagreement/{code.name}": disagreement,
                f"uncertainty/{code.name}": uncertainty,
            }
        for code in guided:
            change, unit = code.guide
            answers = code.answer(of_images[code.name])
            error = losses.guidance(
                answers,
                code.answer(of_copies[code.name]),
                augment.guided(change, unit, answers, strengths),
            )
            learned += settings.guidance_weight * code.weight * error
            logged[f"guidance/{code.name}"] = error
        return logged, learned

    def _information_of_labels(self, batch):
        """Returns how far Q is from the labels of the few images that have one: a term to log, and
        what to minimize, (batch,), the cross-entropy of the code that learns them.
        """
        code = self.settings.labeled_code
        if not code:
            return {}, 0.0
        features = self._features(batch["labeled_image"], use=_NOISE_OF_LABELED)
        answers = self.latent_spec.unpack_parameters(self.recognizer(features, training=True))
        label_losses = losses.cross_entropy(answers[code.name], batch["label"])
        return {"label_loss": label_losses}, label_losses

    def generate(self, latents):
        """Returns images in [-1, 1] of latent vectors."""
        return self.generator(latents, training=False)

    def encode(self, images):
        """Returns the parameters of Q(c|x), float32 (batch, latent_spec.total_parameters), of
        images in [-1, 1].
        """
        return self.recognizer(self.trunk(images, training=False), training=False)

    def hidden(self, images):
        """Returns what the last layer of the recognizer reads, (batch, features)."""
        features = self.trunk(images, training=False)
        return networks.without_head(self.recognizer)(features, training=False)

    @property
    def num_classes(self):
        """How many classes it learned from labels."""
        return self.settings.num_classes

    @property
    def classify(self):
        """Where it learned from labels, a function of images in [-1, 1] to the probabilities of the
        classes, float32 (batch, classes); None otherwise.
        """
        return self._classify if self.settings.labeled_code else None

    def _classify(self, images):
        answers = self.latent_spec.unpack_parameters(self.encode(images))
        return keras.ops.softmax(answers[self.settings.labeled_code.name])


def _to_log(information):
    return {f"mutual_information/{name}": values for name, values in information.items()}
