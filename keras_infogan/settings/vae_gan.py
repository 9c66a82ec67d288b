"""VAE/GAN's settings and presets (Larsen et al. 2016, arXiv 1512.09300; released code
github.com/andersbll/autoencoding_beyond_pixels). Loads without TensorFlow.

Where paper and code disagree, and what deviates here:
  - The discriminator sees images, reconstructions and samples, as equation 8 has it; the released
    code shows it no reconstructions.
  - The decoder minimizes -log D of what it makes in place of log(1 - D) (Goodfellow et al. 2014,
    Section 3), for the larger gradient.
  - All players move at every step; the released code stops whoever is too far ahead.
  - Kernels are 4x4, as in all models here; there 5x5.
  - The paper does not say how gamma was chosen; that of the released code for faces is 1e-6.
  - The log variance is clipped to +-10 (`codes.LogVariancePosterior`).
"""

import dataclasses

from keras_infogan import architectures, config
from keras_infogan.codes import LogVariancePosterior
from keras_infogan.config import UserError, setting
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_latents


@dataclasses.dataclass(frozen=True, kw_only=True)
class VAEGANSettings(config.Settings):
    """Everything that defines a VAE/GAN run, apart from the data."""

    title = "VAE/GAN"
    paper = "Larsen et al. 2016, arXiv 1512.09300"

    codes: str = setting(
        "128*gaussian",
        'the latents z, all of them gaussian, for example "128*gaussian" or '
        '"size=gaussian, 3*gaussian"',
    )
    gamma: float = setting(
        1e-6,
        "weight for the decoder of how unlike in features a reconstruction is, against passing "
        "for real",
        minimum=0.0,
    )
    similarity_layer: int = setting(
        0,
        "the layer of the discriminator, from 1 on, in whose features image and reconstruction are "
        "compared; 0: the last of discriminator_layers",
        minimum=0,
    )
    three_classes: bool = setting(
        False, "let the discriminator tell generated from reconstructed images too"
    )

    encoder_layers: str = setting(
        "", "layers of the encoder but the last; empty: made for the image size"
    )
    decoder_layers: str = setting("", "layers of the decoder; empty: made for the image size")
    discriminator_layers: str = setting(
        "", "layers of the discriminator but the last; empty: made for the image size"
    )
    leaky_relu_slope: float = setting(
        0.0,
        "slope of leaky ReLU for negative inputs in encoder and discriminator; 0: ReLU",
        minimum=0.0,
    )

    learning_rate: float = setting(3e-4, "RMSProp's step size", minimum=0.0)

    def __post_init__(self):
        super().__post_init__()
        self._parsed_codes()
        architectures.check_encoder("encoder_layers", self.encoder_layers)
        architectures.check_encoder("discriminator_layers", self.discriminator_layers)
        architectures.parse_layers(self.decoder_layers)

    def _parsed_codes(self):
        return parse_latents(self.codes, "a VAE/GAN", ("gaussian",), "128*gaussian")

    @property
    def latent_spec(self):
        """The LatentSpec of these settings: codes alone, of which the encoder gives mean
        and log variance.
        """
        return LatentSpec(Noise(0), self._parsed_codes(), LogVariancePosterior())

    def for_images(self, image_shape):
        """Returns the settings with what was left open filled in for (height, width, channels).

        Raises:
          UserError: if layers do not fit, or the discriminator's end before the one asked for.
        """
        encoder, decoder = architectures.completed(
            self.encoder_layers, self.decoder_layers, image_shape, "decoder_layers"
        )
        discriminator, _ = architectures.completed(
            self.discriminator_layers, decoder, image_shape, "decoder_layers"
        )
        count = len(architectures.parse_layers(discriminator))
        if self.similarity_layer > count:
            raise UserError(
                f"--similarity_layer={self.similarity_layer}: the discriminator has {count} layers "
                f"({discriminator}); give a number up to {count}, or other --discriminator_layers."
            )
        return dataclasses.replace(
            self,
            encoder_layers=encoder,
            decoder_layers=decoder,
            discriminator_layers=discriminator,
            similarity_layer=self.similarity_layer or count,
        )


# A preset is chosen by the data set's name, or with --preset; "general" serves all other data.
PRESETS = {
    "digits": VAEGANSettings(codes="10*gaussian", gamma=1e-3, steps=2500),
    # Ours: DCGAN's networks for MNIST.
    "mnist": VAEGANSettings(
        codes="40*gaussian",
        encoder_layers="conv 64/2, conv 128/2 bn, dense 1024 bn",
        decoder_layers="dense 1024 bn, dense 7x7x128 bn, conv 64/2 bn, conv 1/2",
        discriminator_layers="conv 64/2, conv 128/2 bn, dense 1024 bn",
        similarity_layer=2,
        steps=5000,
    ),
    # The released code's networks for 32x32 images; features of the third convolution that halves.
    "celeb_a": VAEGANSettings(
        encoder_layers="conv 64/2 bn, conv 128/2 bn, conv 256/2 bn, dense 1024 bn",
        decoder_layers="dense 4x4x256 bn, conv 192/2 bn, conv 128/2 bn, conv 32/2 bn, conv 3",
        discriminator_layers=("conv 32, conv 128/2 bn, conv 192/2 bn, conv 256/2 bn, dense 512 bn"),
        similarity_layer=4,
        batch_size=64,
        steps=20_000,
    ),
    # Table 1, for 64x64 images.
    "faces_64x64": VAEGANSettings(
        encoder_layers="conv 64/2 bn, conv 128/2 bn, conv 256/2 bn, dense 1024 bn",
        decoder_layers="dense 8x8x256 bn, conv 256/2 bn, conv 128/2 bn, conv 32/2 bn, conv 3",
        discriminator_layers=("conv 32, conv 128/2 bn, conv 256/2 bn, conv 256/2 bn, dense 512 bn"),
        similarity_layer=4,
        batch_size=64,
        steps=40_000,
    ),
    "general": VAEGANSettings(steps=20_000),
}
