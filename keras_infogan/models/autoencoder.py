"""The autoencoder (Hinton and Salakhutdinov 2006, "Reducing the dimensionality of data with neural
networks", Science 313), and the denoising autoencoder (Vincent et al. 2008, "Extracting and
composing robust features with denoising autoencoders").

Encoder and decoder together minimize how far the decoder is from giving the image back:

    E_x [error(x, Dec(Enc(x~)))],   error = -sum_i [x_i log p_i + (1 - x_i) log(1 - p_i)]

of gray levels in [0, 1] (the paper's note on figure 1), or their squared difference. x~ is the
image, or in a denoising autoencoder the image with some pixels made black.

Nothing says how the latents are distributed. So that a number of one means something, batch norm
gives each mean 0 and variance 1 over the training images; they depend on each other all the same. A
draw from N(0, 1) so takes each latent from where it is, and not all together: what is generated
from it shows how far the latents are from independent, and is no sample of a model of the data.
Settings and presets stand in `settings.autoencoder`.
"""

import keras
import tensorflow as tf
from keras import ops

from keras_infogan import losses, networks
from keras_infogan.learner import Learner, Player
from keras_infogan.optimizers import Adam


class Autoencoder(Learner):
    """Encoder and decoder.

    Attributes:
      encoder: images float32 (batch, height, width, channels) in [-1, 1] -> latents (batch,
        latents).
      decoder: latents -> logits of the gray levels, float32 (batch, height, width, channels).
    """

    def make_networks(self):
        settings, size = self.settings, self.latent_spec.size
        hidden = networks.image_encoder(
            "encoder", self.image_shape, settings.encoder_layers, settings.leaky_relu_slope
        )
        # Batch norm takes a bias away again.
        latents = keras.layers.Dense(size, use_bias=False, dtype="float32")(hidden.output)
        normalized = keras.layers.BatchNormalization(
            momentum=networks.BATCH_NORM_MOMENTUM,
            center=False,
            scale=False,
            synchronized=True,
            dtype="float32",
        )(latents)
        self.encoder = keras.Model(hidden.input, normalized, name="encoder")
        self.decoder = networks.image_decoder(
            "decoder", size, settings.decoder_layers, activation="linear"
        )

    def make_players(self):
        optimizer = Adam(self.settings.learning_rate, self.settings.adam_beta_1)
        return {"autoencoder": Player(optimizer, (self.encoder, self.decoder))}

    def objectives(self, batch):
        """The error of reconstructions."""
        images = batch["image"]
        logits = self.decoder(self.encoder(self._corrupted(images), training=True), training=True)
        if self.settings.error == "cross_entropy":
            error = -losses.bernoulli_log_prob(images, logits)
        else:
            error = ops.sum(ops.square(images - networks.gray(logits)), axis=(1, 2, 3))
        return {"autoencoder": error}, {"reconstruction": error}

    def _corrupted(self, images):
        if not self.settings.corruption:
            return images
        drawn = self.draw(
            lambda count, seed: tf.random.stateless_uniform(
                (count, *self.image_shape[:2], 1), seed
            ),
            images,
            use=0,
        )
        return ops.where(drawn < self.settings.corruption, -1.0, images)

    def generate(self, latents):
        """Returns the decoder's gray levels, images in [-1, 1], of latents."""
        return networks.gray(self.decoder(latents, training=False))

    def encode(self, images):
        """Returns latents, float32 (batch, latent_spec.total_parameters), of images in
        [-1, 1].
        """
        return self.encoder(images, training=False)

    def hidden(self, images):
        """Returns what the last layer of the encoder reads, (batch, features)."""
        return networks.without_head(self.encoder)(images, training=False)
