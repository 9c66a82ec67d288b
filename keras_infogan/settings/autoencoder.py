"""Settings and presets of the autoencoder (Hinton and Salakhutdinov 2006, "Reducing the
dimensionality of data with neural networks", Science 313), and of the denoising autoencoder
(Vincent et al. 2008, "Extracting and composing robust features with denoising autoencoders").
Loads without TensorFlow.

Deviations of all presets, with the reason:
  - All layers are trained together from random weights, as is usual since 2010; the paper trains
    restricted Boltzmann machines, one layer upon the other, to begin with.
  - ReLU, not logistic units, and Adam, not conjugate gradients.
  - The encoder's last layer is followed by batch norm without scale and shift: over the training
    images each latent so has mean 0 and variance 1, and a number of it means something. The decoder
    can undo any scale, so this leaves what can be reconstructed as it is.
"""

import dataclasses

from keras_infogan import architectures, config
from keras_infogan.codes import Posterior
from keras_infogan.config import setting
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_latents


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoencoderSettings(config.Settings):
    """Everything that defines an autoencoder's run, apart from the data."""

    title = "autoencoder"
    paper = "Hinton and Salakhutdinov 2006, Science 313, 504-507"

    codes: str = setting(
        "32*gaussian",
        'the latents, all of them called gaussian, for example "32*gaussian"; no term makes them '
        "so beyond mean and variance of each",
    )
    error: str = setting(
        "cross_entropy",
        "what is minimized: the cross-entropy of gray levels taken as probabilities, or the "
        "squared difference of pixels in [-1, 1]",
        choices=("cross_entropy", "squared"),
    )
    corruption: float = setting(
        0.0,
        "share of the pixels that the encoder sees black, drawn anew at each step: a denoising "
        "autoencoder (Vincent et al. 2008)",
        minimum=0.0,
        maximum=1.0,
    )

    encoder_layers: str = setting(
        "", "layers of the encoder but the last; empty: made for the image size"
    )
    decoder_layers: str = setting("", "layers of the decoder; empty: made for the image size")
    leaky_relu_slope: float = setting(
        0.0, "slope of the encoder's leaky ReLU for negative inputs; 0: ReLU", minimum=0.0
    )

    learning_rate: float = setting(1e-3, "Adam's step size", minimum=0.0)
    adam_beta_1: float = setting(
        0.9, "Adam's decay of the first moment", minimum=0.0, maximum=0.999
    )

    def __post_init__(self):
        super().__post_init__()
        self._parsed_codes()
        architectures.check_encoder("encoder_layers", self.encoder_layers)
        architectures.parse_layers(self.decoder_layers)

    def _parsed_codes(self):
        return parse_latents(self.codes, "an autoencoder", ("gaussian",), "32*gaussian")

    @property
    def latent_spec(self):
        """The LatentSpec of these settings: codes alone.

        The encoder gives means and no deviation. Where one is asked for, as by the information
        bound, it is the one at which the density of Q is 1 at most.
        """
        return LatentSpec(Noise(0), self._parsed_codes(), Posterior(std=Posterior().min_std))

    def for_images(self, image_shape):
        """Returns the settings with layers filled in for (height, width, channels) where they were
        left open; raises UserError if they do not fit.
        """
        widths = {"first_filters": 32, "most_filters": 256}
        encoder, decoder = architectures.completed(
            self.encoder_layers, self.decoder_layers, image_shape, "decoder_layers", **widths
        )
        return dataclasses.replace(self, encoder_layers=encoder, decoder_layers=decoder)


# A preset is chosen by the data set's name, or with --preset; "general" serves all other data.
PRESETS = {
    "digits": AutoencoderSettings(
        codes="10*gaussian",
        encoder_layers="dense 256",
        decoder_layers="dense 256, dense 16x16x1",
        steps=3000,
    ),
    # The paper's 784-1000-500-250-30 (Figure 3).
    "mnist": AutoencoderSettings(
        codes="30*gaussian",
        encoder_layers="dense 1000, dense 500, dense 250",
        decoder_layers="dense 250, dense 500, dense 1000, dense 28x28x1",
        steps=10_000,
    ),
    # Colors are no probabilities.
    "celeb_a": AutoencoderSettings(codes="64*gaussian", error="squared", steps=20_000),
    "general": AutoencoderSettings(steps=20_000),
}
PRESETS["fashion_mnist"] = PRESETS["mnist"]
