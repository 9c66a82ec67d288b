"""VAE/GAN: Autoencoding beyond pixels using a learned similarity metric (Larsen et al. 2016, arXiv
1512.09300).

A VAE whose likelihood is one of features, those of a hidden layer l of the discriminator of a GAN,
whose generator is the decoder (equations 7 and 8, algorithm 1):

    p(D_l(x)|z) = N(D_l(x); D_l(Dec(z)), 1),    L_llike = 1/2 |D_l(x) - D_l(Dec(z))|^2
    L_prior = KL(q(z|x) || N(0, 1))
    L_GAN = log D(x) + log(1 - D(Dec(z_p))) + log(1 - D(Dec(Enc(x))))

The encoder minimizes L_prior + L_llike, the decoder gamma L_llike - L_GAN, the discriminator
-L_GAN: no gradient of the game reaches the encoder, and none of L_llike the discriminator. With
three classes the discriminator tells generated and reconstructed images apart too. The latents are
codes, and the encoder is the recognizer Q of them. Settings and presets stand in
`settings.vae_gan`.
"""

import keras
from keras import ops

from keras_infogan import gaussian, networks
from keras_infogan.learner import Learner, Player

# Classes of the discriminator; of two, the second is of all that is made.
_REAL, _GENERATED, _RECONSTRUCTED = 0, 1, -1


class VAEGAN(Learner):
    """Encoder, decoder and discriminator.

    Attributes:
      encoder: images float32 (batch, height, width, channels) in [-1, 1] -> mean and log variance
        of each latent in turn, (batch, 2 latents).
      decoder: latents (batch, latents) -> images in [-1, 1].
      discriminator: images -> logits of the classes, float32 (batch, classes), and D_l, (batch,
        features).
    """

    def make_networks(self):
        settings, spec = self.settings, self.latent_spec
        slope = settings.leaky_relu_slope
        self.encoder = networks.image_encoder(
            "encoder", self.image_shape, settings.encoder_layers, slope, spec.total_parameters
        )
        self.decoder = networks.image_decoder("decoder", spec.size, settings.decoder_layers)
        self.discriminator = networks.with_hidden(
            networks.image_encoder(
                "discriminator",
                self.image_shape,
                settings.discriminator_layers,
                slope,
                3 if settings.three_classes else 2,
            ),
            settings.similarity_layer,
        )

    def make_players(self):
        def optimizer():
            return keras.optimizers.RMSprop(self.settings.learning_rate)

        return {
            "encoder": Player(optimizer(), (self.encoder,)),
            "decoder": Player(optimizer(), (self.decoder,)),
            "discriminator": Player(optimizer(), (self.discriminator,)),
        }

    def objectives(self, batch):
        """All three objectives on one batch, real, generated and reconstructed images apart: batch
        norm must not mix their statistics.
        """
        images = batch["image"]
        mean, log_variance = gaussian.moments(self.latent_spec, self.encoder(images, training=True))
        latents = gaussian.drawn(self, mean, log_variance, use=0)
        prior_latents = self.draw(self.latent_spec.draw, images, use=1)
        reconstructed = self.decoder(latents, training=True)
        generated = self.decoder(prior_latents, training=True)
        real_logits, features = self.discriminator(images, training=True)
        reconstructed_logits, reconstructed_features = self.discriminator(
            reconstructed, training=True
        )
        generated_logits, _ = self.discriminator(generated, training=True)

        divergence = ops.sum(gaussian.divergences(mean, log_variance), axis=-1)
        difference = ops.cast(features, "float32") - ops.cast(reconstructed_features, "float32")
        dissimilarity = 0.5 * ops.sum(ops.square(difference), axis=-1)
        told_apart = (
            _cross_entropy(real_logits, _REAL)
            + _cross_entropy(generated_logits, _GENERATED)
            + _cross_entropy(reconstructed_logits, _RECONSTRUCTED)
        )
        passing = _cross_entropy(generated_logits, _REAL) + _cross_entropy(
            reconstructed_logits, _REAL
        )
        minimized = {
            "encoder": divergence + dissimilarity,
            "decoder": self.settings.gamma * dissimilarity + passing,
            "discriminator": told_apart,
        }
        logged = {
            "encoder_divergence": divergence,
            "dissimilarity": dissimilarity,
            "decoder_loss": passing,
            "discriminator_loss": told_apart,
        }
        return minimized, logged

    def generate(self, latents):
        """Returns images in [-1, 1] of latents."""
        return self.decoder(latents, training=False)

    def encode(self, images):
        """Returns mean and log variance of each latent in turn, float32 (batch,
        latent_spec.total_parameters), of images in [-1, 1].
        """
        return self.encoder(images, training=False)

    def hidden(self, images):
        """Returns what the last layer of the encoder reads, (batch, features)."""
        return networks.without_head(self.encoder)(images, training=False)


def _cross_entropy(logits, which):
    """Returns -log of the probability of one class, (batch,), from logits (batch, classes)."""
    return -ops.log_softmax(logits, axis=-1)[:, which]
