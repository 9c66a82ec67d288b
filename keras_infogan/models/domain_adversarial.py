"""Domain-Adversarial Training of Neural Networks (Ganin et al. 2016, arXiv 1505.07818; Ganin and
Lempitsky 2015, arXiv 1409.7495).

Features f = G_f(x) are to tell the classes of a source data set, which has labels, and not to tell
the source from a target data set, which has none. A saddle point of equation 9 there,

    E(G_f, G_y, G_d) = L_y(G_y(G_f(x)), y) - lambda L_d(G_d(G_f(x)), d),

is sought by gradient descent in G_f and G_y and ascent in G_d. What the paper writes as a layer
that reverses gradients is here the sign before lambda: each network moves by its own objective.
Images of either data set pass G_f by themselves, so that batch norm, which the paper has not,
brings both to the same mean and deviation in training.
Settings and presets stand in `settings.domain_adversarial`.
"""

import keras
from keras import ops

from keras_infogan import architectures, losses, networks
from keras_infogan.learner import Learner, Player
from keras_infogan.optimizers import PowerDecay

_KERNEL_SIZE = 5


class DomainAdversarial(Learner):
    """Feature extractor, label predictor and domain classifier.

    Attributes:
      features: images float32 (batch, height, width, channels) in [-1, 1] -> G_f(x), (batch,
        features).
      label_blocks: features -> hidden layers -> logits of the classes, float32 (batch, classes);
        dropout comes before each.
      domain_classifier: features -> logit of "source", float32 (batch, 1).
      num_classes: how many classes there are.
    """

    def make_networks(self):
        settings = self.settings
        self.num_classes = settings.num_classes
        self.features = _feature_extractor(self.image_shape, settings)
        shape = self.features.output_shape[1:]
        self.domain_classifier = networks.image_encoder(
            "domain_classifier", shape, settings.domain_layers, 0.0, num_outputs=1
        )
        self.label_blocks = []
        hidden = [layer for layer in settings.label_layers.split(",") if layer.strip()]
        for number, layer in enumerate([*hidden, ""], start=1):
            outputs = 0 if layer else settings.num_classes
            block = networks.image_encoder(
                f"label_predictor_{number}", shape, layer, 0.0, num_outputs=outputs
            )
            self.label_blocks.append(block)
            shape = block.output_shape[1:]

    def make_players(self):
        """The three networks in the order of play, each with a descent of its own: together they
        are the paper's one.
        """
        settings = self.settings
        return {
            name: Player(
                keras.optimizers.SGD(
                    PowerDecay(settings.learning_rate, settings.steps, factor=10, power=0.75),
                    settings.momentum,
                ),
                moved,
            )
            for name, moved in (
                ("domain_classifier", (self.domain_classifier,)),
                ("label_predictor", tuple(self.label_blocks)),
                ("features", (self.features,)),
            )
        }

    def objectives(self, batch):
        """Both losses of equation 9, L_d as the mean over both data sets' images."""
        rate = self.settings.dropout
        # Of the source alone nothing of the target may get into the moving statistics.
        moves = self.settings.domain_weight > 0
        source = self.dropout(self.features(batch["image"], training=True), rate, use=0)
        target = self.dropout(self.features(batch["target_image"], training=moves), rate, use=1)
        logits = source
        for number, block in enumerate(self.label_blocks):
            if number:
                logits = self.dropout(logits, rate, use=1 + number)
            logits = block(logits, training=True)
        label_loss = losses.cross_entropy(logits, batch["label"])
        of_source, of_target = (
            self.domain_classifier(part, training=True) for part in (source, target)
        )
        domain_loss = 0.5 * (
            losses.binary_cross_entropy(of_source, 1.0)
            + losses.binary_cross_entropy(of_target, 0.0)
        )
        right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(batch["label"], "int32"))
        told = 0.5 * (_share(of_source > 0) + _share(of_target < 0))
        return (
            {
                "domain_classifier": domain_loss,
                "label_predictor": label_loss,
                "features": label_loss - self._domain_weight() * domain_loss,
            },
            {
                "label_loss": label_loss,
                "domain_loss": domain_loss,
                "source_accuracy": ops.cast(right, "float32"),
                "domain_accuracy": told,
            },
        )

    def _domain_weight(self):
        """Returns lambda at this step (Section 5.2.2): 0 at first, while domains are told badly."""
        settings = self.settings
        progress = ops.cast(self.steps_taken, "float32") / settings.steps
        return settings.domain_weight * (
            2 / (1 + ops.exp(-settings.domain_weight_slope * progress)) - 1
        )

    def game(self, batch):
        """All at once, or one after another, each at what the others have become."""
        if self.settings.order == "together":
            return super().game(batch)
        report = {}
        for name in self.players:
            report |= self.play(lambda: self.objectives(batch), players=(name,))
        return report

    def classify(self, images):
        """Returns the probabilities of the classes, float32 (batch, classes), of images in [-1, 1]
        of either data set.
        """
        logits = self.features(images, training=False)
        for block in self.label_blocks:
            logits = block(logits, training=False)
        return ops.softmax(logits)

    def hidden(self, images):
        """Returns G_f of images, float32 (batch, features)."""
        return self.features(images, training=False)


def _share(is_right):
    return ops.cast(is_right[:, 0], "float32")


def _feature_extractor(image_shape, settings):
    inputs = features = keras.Input(image_shape, name="features_input")
    for filters in architectures.parse_numbers("filters", settings.filters):
        features = keras.layers.Conv2D(
            filters, _KERNEL_SIZE, padding="same", use_bias=not settings.batch_norm
        )(features)
        if settings.batch_norm:
            features = networks.BatchNormalization()(features)
        features = keras.layers.MaxPooling2D()(keras.layers.ReLU()(features))
    return keras.Model(inputs, keras.layers.Flatten()(features), name="features")
