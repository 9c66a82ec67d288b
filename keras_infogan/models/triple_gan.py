"""Triple Generative Adversarial Nets (Li et al. 2017, arXiv 1703.02291).

Three players: a classifier C that labels images, a generator G that makes images of labels, and a
discriminator D that tells pairs of an image and its label from theirs. The game of equation 2,

    min_{C,G} max_D  E_{p(x,y)} [log D(x, y)] + alpha E_{p_c(x,y)} [log(1 - D(x, y))]
                     + (1 - alpha) E_{p_g(x,y)} [log(1 - D(G(y, z), y))],

to which C adds its cross-entropy on labels (equation 3) and, once G is of use, on what G makes of
labels (the pseudo-discriminative loss, Section 3.3), and what the released code has beside them.
Settings and presets stand in `settings.triple_gan`.
"""

import keras
import tensorflow as tf
from keras import ops

from keras_infogan import architectures, losses, networks
from keras_infogan.learner import Learner, Player, moving_average
from keras_infogan.optimizers import Adam, LateStart, LinearDecay

# Numbers of draws (see Learner.draw): of noise on what D sees, of dropout, three kinds of images
# each.
_LATENTS, _NOISE, _DROPOUT = 0, 10, 20


class TripleGAN(Learner):
    """Classifier, generator and discriminator.

    Attributes:
      blocks: the classifier: images float32 (batch, height, width, channels) in [-1, 1] -> features
        -> features -> logits of the classes, float32 (batch, classes); dropout comes between.
      generator: latents float32 (batch, latent_spec.size), noise and label -> images.
      discriminator: images, labels one-hot, and normal noise for all of its layers side by side ->
        logit of "real", float32 (batch, 1).
      num_classes: how many classes there are.
    """

    def make_networks(self):
        settings = self.settings
        self.num_classes = settings.num_classes
        self.blocks = _classifier_blocks(
            self.image_shape,
            architectures.parse_numbers("classifier_filters", settings.classifier_filters),
            self.num_classes,
        )
        self.generator = networks.image_decoder(
            "generator", self.latent_spec.size, settings.generator_layers
        )
        self.discriminator = _discriminator(self.image_shape, settings)

    def make_players(self):
        settings = self.settings

        def adam(start=0, **average):
            rate = settings.learning_rate
            if settings.learning_rate_decay_start < 1:
                start_of_decay = settings.learning_rate_decay_start * settings.steps
                rate = LinearDecay(rate, start_of_decay, settings.steps)
            if start:
                rate = LateStart(rate, start, settings.adam_beta_1)
            return Adam(rate, settings.adam_beta_1, **average)

        first = settings.classifier_steps  # alone
        average, classifier = moving_average(settings.average_decay), tuple(self.blocks)
        return {
            "discriminator": Player(adam(first), (self.discriminator,)),
            "generator": Player(
                adam(first, **average), (self.generator,), averaged=(self.generator,)
            ),
            "classifier": Player(adam(**average), classifier, averaged=classifier),
        }

    def objectives(self, batch):
        """Equations 2 and 3, the pseudo-discriminative loss, and the released code's terms."""
        settings, images = self.settings, batch["image"]
        labels = ops.one_hot(batch["label"], self.num_classes, dtype="float32")
        latents = self.draw(self.latent_spec.draw, images, _LATENTS)
        fakes = self.generator(latents, training=True)
        (code,) = self.latent_spec.codes
        asked = self.latent_spec.unpack(latents)[code.name]

        # Labeled and unlabeled images in one pass, so that batch norm sees them alike.
        of_labeled, of_unlabeled = ops.split(
            self._logits([batch["labeled_image"], images], use=_DROPOUT), 2
        )
        # What is learned from fakes moves nothing of the generator, and batch norm's moving
        # statistics stay those of images: at first the fakes are noise.
        moving = [variable for block in self.blocks for variable in block.non_trainable_variables]
        of_images = [tf.identity(variable.value) for variable in moving]
        of_fakes = self._logits([ops.stop_gradient(fakes)], use=_DROPOUT + 4)
        for variable, value in zip(moving, of_images, strict=True):
            variable.assign(value)
        log_answers = ops.log_softmax(of_unlabeled)
        answers = ops.exp(log_answers)
        guesses = ops.one_hot(ops.argmax(answers, axis=-1), self.num_classes, dtype="float32")

        real, guessed, fake = ops.split(
            self._judged(
                [batch["labeled_image"], images, fakes], [labels, guesses, asked], use=_NOISE
            ),
            3,
        )
        alpha, guessed_share = settings.classifier_share, settings.guessed_share
        discriminator_loss = (
            (1 - guessed_share) * losses.binary_cross_entropy(real, 1.0)
            + guessed_share * losses.binary_cross_entropy(guessed, 1.0)
            + (1 - alpha) * losses.binary_cross_entropy(fake, 0.0)
            + alpha * losses.binary_cross_entropy(guessed, 0.0)
        )
        generator_loss = (1 - alpha) * losses.generator_loss(fake)
        # An index has no gradient: the guess's probability carries it, and D only judges.
        certainty = ops.sum(answers * guesses, axis=-1)
        adversarial = certainty * ops.stop_gradient(losses.generator_loss(guessed))

        label_loss = losses.cross_entropy(of_labeled, batch["label"])
        pseudo_loss = losses.cross_entropy(of_fakes, ops.argmax(asked, axis=-1))
        entropy = -ops.sum(answers * log_answers, axis=-1)
        imbalance = losses.imbalance(answers)

        step = ops.cast(self.steps_taken, "float32")
        all_play = ops.cast(step >= settings.classifier_steps, "float32")
        pseudo_weight = settings.pseudo_weight * ops.cast(
            step >= settings.pseudo_start * settings.steps, "float32"
        )
        balance_weight = (
            all_play * settings.balance_weight + (1 - all_play) * settings.first_balance_weight
        )
        classifier_loss = (
            label_loss
            + settings.entropy_weight * entropy
            + balance_weight * imbalance
            + all_play * (alpha * adversarial + pseudo_weight * pseudo_loss)
        )
        right = ops.equal(ops.argmax(of_fakes, axis=-1), ops.argmax(asked, axis=-1))
        return (
            {
                "discriminator": all_play * discriminator_loss,
                "generator": all_play * generator_loss,
                "classifier": classifier_loss,
            },
            {
                "discriminator_loss": discriminator_loss,
                "generator_loss": generator_loss,
                "classifier_loss": classifier_loss,
                "label_loss": label_loss,
                "entropy": entropy,
                "fakes_as_asked": ops.cast(right, "float32"),
            },
        )

    def _logits(self, parts, use):
        """Returns the classifier's logits of batches of images, one after another, in training."""
        features = ops.concatenate(parts)
        for number, block in enumerate(self.blocks):
            if number:
                features = ops.concatenate(
                    [
                        self.dropout(part, self.settings.dropout, use + 2 * number + place)
                        for place, part in enumerate(ops.split(features, len(parts)))
                    ]
                )
            features = block(features, training=True)
        return features

    def _judged(self, images, labels, use):
        """Returns the discriminator's logits of batches of pairs, one after another."""
        size = self.discriminator.input_shape[2][-1]
        noise = ops.concatenate(
            [
                self.draw(
                    lambda count, seed: tf.random.stateless_normal((count, size), seed),
                    part,
                    use + number,
                )
                for number, part in enumerate(images)
            ]
        )
        return self.discriminator([ops.concatenate(images), ops.concatenate(labels), noise])

    def generate(self, latents):
        """Returns images in [-1, 1] of noise and a label."""
        return self.generator(latents, training=False)

    def encode(self, images):
        """Returns the classifier's logits, the parameters of the label, (batch, classes)."""
        for block in self.blocks:
            images = block(images, training=False)
        return images

    def classify(self, images):
        """Returns the probabilities of the classes, float32 (batch, classes)."""
        return ops.softmax(self.encode(images))


def _classifier_blocks(image_shape, filters, num_classes):
    """Returns the three parts of the classifier between which there is dropout."""
    blocks, shape = [], image_shape
    for number, (count, kernel_sizes) in enumerate(
        zip(filters, ((5,), (3, 3), (3, 3)), strict=True), start=1
    ):
        inputs = features = keras.Input(shape, name=f"classifier_{number}_input")
        for size in kernel_sizes:
            features = keras.layers.Conv2D(count, size, padding="same", activation="relu")(features)
        if number < len(filters):
            features = keras.layers.MaxPooling2D()(features)
        else:
            features = keras.layers.GlobalAveragePooling2D()(features)
            features = networks.BatchNormalization()(features)
            features = keras.layers.Dense(num_classes, dtype="float32")(features)
        blocks.append(keras.Model(inputs, features, name=f"classifier_{number}"))
        shape = features.shape[1:]
    return blocks


def _discriminator(image_shape, settings):
    """Returns the discriminator, which gets the label before every layer, and noise on its images
    and all hidden layers.
    """
    hidden = [
        layer.shape[0]
        for layer in architectures.parse_layers(settings.discriminator_layers)
        if isinstance(layer, architectures.Dense)
    ]
    images = keras.Input(image_shape, name="pair_images")
    labels = keras.Input((settings.num_classes,), name="pair_labels")
    features = keras.layers.Flatten()(images)
    sizes = [features.shape[-1], *hidden]
    noise = keras.Input((sum(sizes),), name="pair_noise")
    start = 0
    for size, units in zip(sizes, (*hidden, 0), strict=True):
        # Images in [-1, 1] are twice as wide as the released code's.
        std = settings.hidden_noise_std if start else 2 * settings.image_noise_std
        part = ops.cast(noise[:, start : start + size], features.dtype)
        features = keras.layers.Concatenate()([features + std * part, labels])
        start += size
        if units:
            features = keras.layers.Dense(units)(features)
            features = keras.layers.LeakyReLU(settings.leaky_relu_slope)(features)
    logits = keras.layers.Dense(1, dtype="float32")(features)
    return keras.Model([images, labels, noise], logits, name="discriminator")
