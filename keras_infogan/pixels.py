"""What models have in common that make an image pixel by pixel (van den Oord et al. 2016, arXiv
1601.06759): its likelihood, and how it is drawn.

    p(x) = prod_i p(x_i | x_1, ..., x_{i-1})                                      (equation 1)
    p(x_i | x_<i) = p(R | x_<i) p(G | x_<i, R) p(B | x_<i, R, G)                  (equation 2)

each factor a softmax over the values that a pixel's channel can have (Section 3.3). A conditional
model gives p(x | y) of each label y (van den Oord et al. 2016, arXiv 1606.05328, Section 2.3), all
of which are as likely: p(x) is their mean, and Bayes' rule says which label an image has. A model
makes its network, and all else is here.
"""

import math

import tensorflow as tf

from keras_infogan.learner import Learner, Player
from keras_infogan.optimizers import Adam, LinearDecay


class PixelByPixel(Learner):
    """A model that says of each pixel how likely its values are, given the pixels before.

    A subclass has make_networks, which makes `network`. Its settings have `levels`,
    `binarization`, `num_classes`, `learning_rate`, `learning_rate_decay_start` and `adam_beta_1`.

    Attributes:
      network: keras.Model of masked.Strips, whose outputs are logits, float32
        (batch, rows, width, channels * levels), a channel's levels side by side.
      likelihood: what log_likelihood gives, see `capabilities`.
      num_classes: how many labels there are, 0 without any.
    """

    @property
    def num_classes(self):
        return self.settings.num_classes

    @property
    def likelihood(self):
        levels = self.settings.levels
        of = "black and white pixels" if levels == 2 else f"pixels of {levels} values"
        return {
            "meaning": f"the log likelihood of images of {of}, in nats",
            "exact": True,
            "binary": levels == 2,
            "noise_size": 0,
            "levels": levels,
        } | ({"binarization": self.settings.binarization} if levels == 2 else {})

    def make_players(self):
        settings = self.settings
        start = settings.learning_rate_decay_start * settings.steps
        rate = (
            LinearDecay(settings.learning_rate, start, settings.steps)
            if start < settings.steps
            else settings.learning_rate
        )
        return {"network": Player(Adam(rate, settings.adam_beta_1), (self.network,))}

    def objectives(self, batch):
        """The negative logarithm of equation 1, given the label where there is one."""
        images = self._binarized(batch["image"])
        label = [tf.one_hot(batch["label"], self.num_classes)] if self.num_classes else []
        nats = tf.reduce_sum(self._nats(images, label, training=True), axis=(1, 2))
        bits = nats / (math.prod(self.image_shape) * math.log(2))
        return {"network": nats}, {"negative_log_likelihood": nats, "bits_per_dimension": bits}

    def _binarized(self, images):
        """Returns images; of black and white pixels each drawn anew at every step, its gray level
        the probability of white, unless they were drawn before training.
        """
        if self.settings.levels > 2 or self.settings.binarization == "fixed":
            return images
        drawn = self.draw(
            lambda count, seed: tf.random.stateless_uniform((count, *self.image_shape), seed),
            images,
            use=0,
        )
        return tf.where(drawn < 0.5 * (images + 1), 1.0, -1.0)

    def log_likelihood(self, images):
        """Returns log p(x), (batch,), in nats, of images in [-1, 1], each number taken for the
        nearest of its levels.
        """
        return -tf.reduce_sum(self.surprise(images), axis=(1, 2))

    def surprise(self, images):
        """Returns -log p(x_i | x_<i) of each pixel, its channels together, (batch, height, width),
        in nats.
        """
        if not self.num_classes:
            return self._nats(images)
        # The mean over labels, each as likely as the pixels before make it.
        nats = self._nats_by_label(images)
        before = tf.cumsum(_above_the_least(nats), axis=2, exclusive=True)
        before = tf.nn.log_softmax(-before, axis=0)
        return tf.reshape(-tf.reduce_logsumexp(before - nats, axis=0), tf.shape(images)[:3])

    @property
    def classify(self):
        """Where it learned from labels, a function of images in [-1, 1] to the probabilities of the
        labels, float32 (batch, classes); None otherwise.
        """
        return self._classify if self.num_classes else None

    def _classify(self, images):
        return self._label_probabilities(images, tf.ones_like(images[..., :1]))

    def _label_probabilities(self, images, known):
        """Returns p(y | the known pixels that come before all others), (batch, classes)."""
        pixels = math.prod(self.image_shape[:2])
        unknown = 1 - tf.reshape(known, (1, tf.shape(images)[0], pixels))
        first = tf.cast(tf.cumsum(unknown, axis=2) < 0.5, tf.float32)
        nats = _above_the_least(self._nats_by_label(images)) * first
        return tf.nn.softmax(tf.transpose(-tf.reduce_sum(nats, axis=2)))

    def _nats_by_label(self, images):
        """Returns -log p(x_i | x_<i, y), (classes, batch, pixels), one label after another."""
        count = tf.shape(images)[0]

        def of_label(label):
            nats = self._nats(images, [tf.repeat(label[None], count, axis=0)])
            return tf.reshape(nats, (count, math.prod(self.image_shape[:2])))

        return tf.map_fn(of_label, tf.eye(self.num_classes), parallel_iterations=1)

    def _nats(self, images, label=(), training=False):
        top = self.settings.levels - 1
        values = tf.round(0.5 * (images + 1) * top)
        logits, _ = self._predicted(values, self._nothing_above(images), label, training)
        chosen = tf.cast(tf.clip_by_value(values, 0, top), tf.int32)
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=chosen, logits=logits)
        return tf.reduce_sum(nats, axis=3)

    def _predicted(self, values, above, label=(), training=False):
        """Returns what the network says of a strip.

        Args:
          values: from 0 to levels - 1, float32 (batch, rows, width, channels).
          above: what its layers know of the rows above, a list.
          label: of a conditional model one-hot labels, float32 (batch, classes), in a list.

        Returns:
          (logits of each value, float32 (batch, rows, width, channels, levels); what stands in
          place of `above` for the strip below).
        """
        strip = values * (2 / (self.settings.levels - 1)) - 1
        logits, *below = self.network([strip, *label, *above], training=training)
        shape = (-1, tf.shape(values)[1], *self.image_shape[1:], self.settings.levels)
        return tf.reshape(logits, shape), [
            # In float32, as they begin, whatever a layer computes in.
            tf.ensure_shape(tf.cast(one, tf.float32), other.shape)
            for one, other in zip(below, above, strict=True)
        ]

    def _nothing_above(self, images):
        count = tf.shape(images)[0]
        above = self.network.inputs[1 + bool(self.num_classes) :]
        return [tf.zeros((count, *one.shape[1:])) for one in above]

    def generate(self, latents):
        """Returns images in [-1, 1] of noise, and a label: each number picks the value of one pixel
        and channel, the first for which the distribution function exceeds its share of [-1, 1].
        """
        count, (height, width, channels) = tf.shape(latents)[0], self.image_shape
        noise, *label = self.latent_spec.unpack(latents).values()
        unknown = tf.zeros((count, height, width, 1))
        return self._drawn(tf.zeros((count, height, width, channels)), unknown, noise, label)

    def complete(self, images, known, latents):
        """Returns images in [-1, 1] with the pixels that are not known drawn, each given those
        before it.

        Args:
          images: float32 (batch, height, width, channels) in [-1, 1].
          known: float32 (batch, height, width, 1), 1 where a pixel stays as it is, else 0.
          latents: float32 (batch, latent_spec.size). A label is drawn anew if the first pixel is
            known, given those that are known before any that is not: by its noise, which nothing
            else needs.
        """
        noise, *label = self.latent_spec.unpack(latents).values()
        if label:
            function = tf.cumsum(self._label_probabilities(images, known), axis=1)[:, :-1]
            place = tf.reduce_sum(tf.cast(function <= 0.5 * (noise[:, :1] + 1), tf.int32), axis=1)
            given = tf.one_hot(place, self.num_classes)
            label = [tf.where(known[:, 0, 0] > 0.5, given, label[0])]
        return self._drawn(images, known, noise, label)

    def _drawn(self, images, known, noise, label):
        height, width, channels = self.image_shape
        numbers, top = width * channels, self.settings.levels - 1
        in_rows = (-1, height, numbers)
        chances = tf.reshape(0.5 * (noise + 1), in_rows)
        unknown = tf.reshape(tf.repeat(known, channels, axis=-1) < 0.5, in_rows)
        values = tf.reshape(tf.round(0.5 * (images + 1) * top), in_rows)

        def draw_row(row, values, above):
            def as_strip(numbers):
                return tf.reshape(numbers, (-1, 1, width, channels))

            def draw_number(place, line):
                logits = self._predicted(as_strip(line), above, label)[0]
                logits = tf.reshape(logits, (-1, numbers, top + 1))[:, place]
                function = tf.cumsum(tf.nn.softmax(logits), axis=-1)[:, :top]
                chance = chances[:, row, place, None]
                value = tf.reduce_sum(tf.cast(function <= chance, tf.float32), axis=-1)
                drawn = (tf.range(numbers) == place) & unknown[:, row]
                return place + 1, tf.where(drawn, value[:, None], line)

            _, line = tf.while_loop(
                lambda place, _: place < numbers, draw_number, (0, values[:, row])
            )
            values = tf.where(tf.range(height)[:, None] == row, line[:, None], values)
            return row + 1, values, self._predicted(as_strip(line), above, label)[1]

        _, values, _ = tf.while_loop(
            lambda row, *_: row < height, draw_row, (0, values, self._nothing_above(images))
        )
        return tf.reshape(values, (-1, *self.image_shape)) * (2 / top) - 1


def _above_the_least(nats):
    """Returns nats (classes, batch, pixels) less those of the pixel's best label: the same for the
    labels' probabilities, and of thousands of pixels nothing is lost to rounding.
    """
    return nats - tf.reduce_min(nats, axis=0, keepdims=True)
