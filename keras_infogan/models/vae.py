"""VAE: Auto-Encoding Variational Bayes (Kingma and Welling 2013, arXiv 1312.6114), beta-VAE
(Higgins et al. 2017, ICLR), and the latter with a capacity (Burgess et al. 2018, arXiv 1804.03599).

Encoder q(z|x) and decoder p(x|z) together maximize the variational bound (equation 3), with the
divergence weighted by beta in a beta-VAE (equation 4 there):

    log p(x)  >=  E_{q(z|x)} [log p(x|z)] - beta KL(q(z|x) || p(z)),
    p(z) = N(0, 1),   q(z|x) = N(mean, exp(log variance))

With a capacity C that rises during training, beta weighs |KL - C| in place of KL (equation 8 of
Burgess et al., who call beta gamma). All terms are sums over pixels and latents. The latents are
codes, and the encoder is the recognizer Q of them. Settings and presets stand in `settings.vae`.
"""

import math

import tensorflow as tf
from keras import ops

from keras_infogan import gaussian, losses, networks
from keras_infogan.learner import Learner, Player
from keras_infogan.optimizers import Adam


class VAE(Learner):
    """Encoder and decoder.

    Attributes:
      encoder: images float32 (batch, height, width, channels) in [-1, 1] -> mean and log variance
        of each latent in turn, (batch, 2 latents).
      decoder: latents (batch, latents) -> logits of the gray levels, float32
        (batch, height, width, channels).
      likelihood: what log_likelihood gives, see `capabilities`.
    """

    def make_networks(self):
        settings, spec = self.settings, self.latent_spec
        self.encoder = networks.image_encoder(
            "encoder",
            self.image_shape,
            settings.encoder_layers,
            settings.leaky_relu_slope,
            spec.total_parameters,
        )
        self.decoder = networks.image_decoder(
            "decoder", spec.size, settings.decoder_layers, activation="linear"
        )
        binary = settings.likelihood == "bernoulli"
        of = "images of black and white pixels" if binary else "pixels in [-1, 1], a density"
        self.likelihood = {
            "meaning": f"a lower bound on the log likelihood of {of}, in nats",
            "exact": False,
            "binary": binary,
            "noise_size": spec.size,
        }
        if binary:
            self.likelihood["binarization"] = settings.binarization if settings.binarize else "none"

    def make_players(self):
        optimizer = Adam(self.settings.learning_rate, self.settings.adam_beta_1)
        return {"autoencoder": Player(optimizer, (self.encoder, self.decoder))}

    def objectives(self, batch):
        """The negative bound, its expectation by one draw per image (equation 7), its divergence in
        closed form (Appendix B).
        """
        images = self._binarized(batch["image"])
        mean, log_variance = gaussian.moments(self.latent_spec, self.encoder(images, training=True))
        latents = gaussian.drawn(self, mean, log_variance, use=0)
        reconstruction = -self._log_prob(images, self.decoder(latents, training=True))
        divergences = gaussian.divergences(mean, log_variance)
        divergence = ops.sum(divergences, axis=-1)
        logged = {"negative_bound": reconstruction + divergence, "reconstruction": reconstruction}
        logged |= {
            f"divergence/{code.name}": divergences[:, index]
            for index, code in enumerate(self.latent_spec.codes)
        }
        penalty = self.settings.beta * self._beyond_capacity(divergence)
        return {"autoencoder": reconstruction + penalty}, logged

    def _beyond_capacity(self, divergence):
        """Returns what beta weighs, (batch,): the divergence, or terms whose mean over the global
        batch is how far the mean divergence is off the capacity.
        """
        if not self.settings.capacity:
            return divergence
        share = ops.cast(self.steps_taken, "float32") / self.settings.capacity_steps
        capacity = self.settings.capacity * ops.minimum(share, 1.0)
        replicas = tf.distribute.get_replica_context()
        mean = replicas.all_reduce(
            "sum", ops.mean(ops.stop_gradient(divergence)) / replicas.num_replicas_in_sync
        )
        return ops.sign(mean - capacity) * (divergence - capacity)

    def _log_prob(self, images, logits):
        """Returns log p(x|z), (batch,), of images in [-1, 1] and the decoder's logits; of gray
        images under a Bernoulli likelihood its expectation.
        """
        if self.settings.likelihood == "bernoulli":
            return losses.bernoulli_log_prob(images, logits)
        std = self.settings.gaussian_std
        per_pixel = (
            -0.5 * ops.square((images - networks.gray(logits)) / std)
            - math.log(std)
            - 0.5 * math.log(2 * math.pi)
        )
        return ops.sum(per_pixel, axis=(1, 2, 3))

    def _binarized(self, images):
        if not self.settings.binarize or self.settings.binarization == "fixed":
            return images  # gray, or drawn before training
        drawn = self.draw(
            lambda count, seed: tf.random.stateless_uniform((count, *self.image_shape), seed),
            images,
            use=1,
        )
        return ops.where(drawn < 0.5 * (images + 1), 1.0, -1.0)

    def generate(self, latents):
        """Returns the decoder's gray levels, images in [-1, 1], of latents."""
        return networks.gray(self.decoder(latents, training=False))

    def encode(self, images):
        """Returns mean and log variance of each latent in turn, float32 (batch,
        latent_spec.total_parameters), of images in [-1, 1].
        """
        return self.encoder(images, training=False)

    def hidden(self, images):
        """Returns what the last layer of the encoder reads, (batch, features)."""
        return networks.without_head(self.encoder)(images, training=False)

    def log_likelihood(self, images, noise):
        """Returns log p(x, z) - log q(z|x), (batch,), for z drawn with `noise` (batch, latents): on
        average the variational bound.
        """
        mean, log_variance = gaussian.moments(self.latent_spec, self.encode(images))
        latents = mean + ops.exp(0.5 * log_variance) * noise
        # log p(z) - log q(z|x): the terms ln 2 pi cancel.
        prior_ratio = 0.5 * ops.sum(ops.square(noise) + log_variance - ops.square(latents), axis=-1)
        return self._log_prob(images, self.decoder(latents, training=False)) + prior_ratio
