"""BiGAN: Adversarial Feature Learning (Donahue et al. 2017, arXiv 1605.09782), and with a Gaussian
encoder ALI, Adversarially Learned Inference (Dumoulin et al. 2017, arXiv 1606.00704).

The discriminator tells pairs apart, an image with what the encoder makes of it from what the
generator makes of latents with those latents (equation 3):

    min_{G,E} max_D  V(D, E, G) = E_x [log D(x, E(x))] + E_z [log(1 - D(G(z), z))]

Both halves move both sides: generator and encoder minimize V with the labels swapped, for the
larger gradient (Section 3.4): E by -log(1 - D(x, E(x))), G by -log D(G(z), z). At the optimum E
inverts G (theorem 2), though no term asks for a reconstruction. The latents are codes, and the
encoder is the recognizer Q of them. Settings and presets stand in `settings.bigan`.
"""

from keras import ops

from keras_infogan import gaussian, losses, networks
from keras_infogan.learner import Learner, Player, moving_average
from keras_infogan.optimizers import Adam, LinearDecay


class BiGAN(Learner):
    """Encoder, generator and a discriminator of pairs.

    Attributes:
      encoder: images float32 (batch, height, width, channels) in [-1, 1] -> parameters of Q(z|x),
        float32 (batch, latent_spec.total_parameters): E(x), or mean and log variance of each latent
        in turn.
      generator: latents float32 (batch, latent_spec.size) -> images in [-1, 1].
      trunk: images -> features, what the discriminator makes of the image alone.
      discriminator: features and latents side by side -> logit of "an image with its encoding",
        float32 (batch, 1). Its first layer so computes W h(x) + V z.
    """

    def make_networks(self):
        settings, spec = self.settings, self.latent_spec
        slope, std = settings.leaky_relu_slope, settings.weight_std
        self.encoder = networks.image_encoder(
            "encoder",
            self.image_shape,
            settings.encoder_layers,
            slope,
            spec.total_parameters,
            weight_std=std,
        )
        self.generator = networks.image_decoder(
            "generator", spec.size, settings.generator_layers, weight_std=std
        )
        self.trunk = networks.image_encoder(
            "trunk", self.image_shape, settings.discriminator_layers, slope, weight_std=std
        )
        (features,) = self.trunk.output_shape[1:]
        self.discriminator = networks.image_encoder(
            "discriminator",
            (features + spec.size,),
            settings.joint_layers,
            slope,
            1,
            weight_std=std,
        )

    def make_players(self):
        settings = self.settings
        average = moving_average(settings.average_decay)

        def adam(**average):
            rate, end = settings.learning_rate, settings.steps
            if settings.learning_rate_decay_start < 1:
                rate = LinearDecay(rate, settings.learning_rate_decay_start * end, end)
            return Adam(rate, settings.adam_beta_1, **average)

        return {
            "discriminator": Player(adam(), (self.trunk, self.discriminator)),
            "encoder": Player(adam(**average), (self.encoder,), averaged=(self.encoder,)),
            "generator": Player(adam(**average), (self.generator,), averaged=(self.generator,)),
        }

    def objectives(self, batch):
        """All three sides of V(D, E, G) on one batch, the two kinds of pairs apart: batch norm must
        not mix their statistics.
        """
        images = batch["image"]
        latents = self.draw(self.latent_spec.draw, images, use=0)
        encoded = self._drawn(self.encoder(images, training=True))
        encoded_logits = self._pair_logits(images, encoded)
        generated_logits = self._pair_logits(self.generator(latents, training=True), latents)
        minimized = {
            "discriminator": losses.discriminator_loss(encoded_logits, generated_logits),
            "encoder": losses.binary_cross_entropy(encoded_logits, 0.0),
            "generator": losses.generator_loss(generated_logits),
        }
        return minimized, {f"{player}_loss": values for player, values in minimized.items()}

    def _pair_logits(self, images, latents):
        features = ops.cast(self.trunk(images, training=True), "float32")
        return self.discriminator(ops.concatenate([features, latents], axis=1), training=True)

    def _drawn(self, parameters):
        """Returns latents (batch, latents) of the encoder's answer: E(x) itself, or a draw from
        its Gaussian.
        """
        if self.settings.encoder == "deterministic":
            return parameters
        return gaussian.drawn(self, *gaussian.moments(self.latent_spec, parameters), use=1)

    def generate(self, latents):
        """Returns images in [-1, 1] of latents."""
        return self.generator(latents, training=False)

    def encode(self, images):
        """Returns the parameters of Q(z|x), float32 (batch, latent_spec.total_parameters), of
        images in [-1, 1].
        """
        return self.encoder(images, training=False)

    def hidden(self, images):
        """Returns what the last layer of the encoder reads, (batch, features)."""
        return networks.without_head(self.encoder)(images, training=False)
