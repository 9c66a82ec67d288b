"""DCGAN: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks (Radford et al. 2015, arXiv 1511.06434).

A plain GAN (Goodfellow et al. 2014, arXiv 1406.2661, equation 1), its networks convolutional, with
batch norm (Section 3):

    min_G max_D  V(D, G) = E_x [log D(x)] + E_z [log(1 - D(G(z)))]

where G maximizes log D(G(z)) instead (Section 3 there), for its gradient is larger where G is
worse. Settings and presets stand in `settings.dcgan`.
"""

from keras_infogan import augment, losses, networks
from keras_infogan.learner import Learner, Player, moving_average
from keras_infogan.optimizers import Adam


class DCGAN(Learner):
    """Generator and discriminator.

    Attributes:
      generator: noise float32 (batch, noise_size) -> images float32
        (batch, height, width, channels) in [-1, 1].
      discriminator: images -> logit of "real", float32 (batch, 1).
    """

    def make_networks(self):
        settings, std = self.settings, self.settings.weight_std
        self.generator = networks.image_decoder(
            "generator", self.latent_spec.size, settings.generator_layers, weight_std=std
        )
        self.discriminator = networks.image_encoder(
            "discriminator",
            self.image_shape,
            settings.discriminator_layers,
            settings.leaky_relu_slope,
            1,
            settings.spectral_norm,
            std,
        )

    def make_players(self):
        settings, average = self.settings, moving_average(self.settings.generator_average_decay)
        discriminator = Adam(settings.discriminator_learning_rate, settings.adam_beta_1)
        generator = Adam(settings.generator_learning_rate, settings.adam_beta_1, **average)
        return {
            "discriminator": Player(discriminator, (self.discriminator,)),
            "generator": Player(generator, (self.generator,), averaged=(self.generator,)),
        }

    def objectives(self, batch):
        """Both sides of V(D, G) on one batch of noise, real and generated images apart: batch norm
        must not mix their statistics.
        """
        images = batch["image"]
        fakes = self.generator(self.draw(self.latent_spec.draw, images, use=0), training=True)
        real_logits = self.discriminator(
            augment.with_instance_noise(self, images, use=1), training=True
        )
        fake_logits = self.discriminator(
            augment.with_instance_noise(self, fakes, use=2), training=True
        )
        discriminator_losses = losses.discriminator_loss(
            real_logits, fake_logits, self.settings.label_smoothing
        )
        generator_losses = losses.generator_loss(fake_logits)
        return (
            {"discriminator": discriminator_losses, "generator": generator_losses},
            {"discriminator_loss": discriminator_losses, "generator_loss": generator_losses},
        )

    def generate(self, latents):
        """Returns images in [-1, 1] of noise."""
        return self.generator(latents, training=False)
