"""Settings and presets of the variational autoencoder (Kingma and Welling 2013, arXiv 1312.6114)
and beta-VAE (Higgins et al. 2017), its capacity rising (Burgess et al. 2018, arXiv 1804.03599).
Loads without TensorFlow.

Deviations of all presets, with the reason:
  - Images are in [-1, 1] everywhere; the likelihood converts them to [0, 1] once.
  - Adam (2014), not the paper's Adagrad: it is what every later figure was had with.
  - The log variance is clipped to +-10 (`codes.LogVariancePosterior`): its exponential
    overflows otherwise.
"""

import dataclasses

from keras_infogan import architectures, config
from keras_infogan.codes import LogVariancePosterior
from keras_infogan.config import UserError, setting
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_latents


@dataclasses.dataclass(frozen=True, kw_only=True)
class VAESettings(config.Settings):
    """Everything that defines a VAE run, apart from the data."""

    title = "VAE"
    paper = "Kingma and Welling 2013, arXiv 1312.6114"

    codes: str = setting(
        "10*gaussian",
        'the latents z, all of them gaussian, for example "10*gaussian" or '
        '"size=gaussian, 3*gaussian"',
    )
    beta: float = setting(
        1.0,
        "weight of the divergence: 1 gives the variational bound, "
        "more a beta-VAE (Higgins et al. 2017)",
        minimum=0.0,
    )
    capacity: float = setting(
        0.0,
        "nats that the divergence is held at instead of 0, beta weighing how far it is off "
        "(Burgess et al. 2018)",
        minimum=0.0,
    )
    capacity_steps: int = setting(
        100_000, "steps over which the capacity rises from 0, linearly", minimum=1
    )
    likelihood: str = setting(
        "bernoulli",
        "p(x|z): of each pixel's gray level as a probability, "
        "or a Gaussian around it with a fixed deviation",
        choices=("bernoulli", "gaussian"),
    )
    gaussian_std: float = setting(
        0.3, "deviation of a gaussian likelihood, for pixels in [-1, 1]", minimum=1e-3
    )
    binarize: bool = setting(
        False,
        "train on pixels drawn black or white, the gray level the probability of white",
    )
    binarization: str = setting(
        "dynamic",
        "when they are drawn: anew at each step, or every training image once and for all, before "
        "training",
        choices=("dynamic", "fixed"),
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
        if self.binarize and self.likelihood != "bernoulli":
            raise UserError(
                "--binarize makes pixels black or white, for which --likelihood=bernoulli is "
                "the one that fits."
            )
        if self.binarization == "fixed" and not self.binarize:
            raise UserError(
                "--binarization=fixed says when pixels are drawn black or white, which --binarize "
                "asks for; give both, or neither."
            )
        architectures.check_encoder("encoder_layers", self.encoder_layers)
        architectures.parse_layers(self.decoder_layers)

    def _parsed_codes(self):
        return parse_latents(self.codes, "a VAE", ("gaussian",), "10*gaussian")

    @property
    def latent_spec(self):
        """The LatentSpec of these settings: codes alone, of which the encoder gives mean
        and log variance.
        """
        return LatentSpec(Noise(0), self._parsed_codes(), LogVariancePosterior())

    def for_images(self, image_shape):
        """Returns the settings with layers filled in for (height, width, channels) where they were
        left open; raises UserError if they do not fit.
        """
        widths = {"first_filters": 32, "most_filters": 256}
        encoder, decoder = architectures.completed(
            self.encoder_layers, self.decoder_layers, image_shape, "decoder_layers", **widths
        )
        return dataclasses.replace(self, encoder_layers=encoder, decoder_layers=decoder)


# The networks of dSprites in disentanglement_lib (architectures.py, conv_encoder and
# deconv_decoder), with 4x4 kernels throughout as in Higgins et al.; there Adam 1e-4 and 300,000
# steps.
_SPRITES = VAESettings(
    encoder_layers="conv 32/2, conv 32/2, conv 64/2, conv 64/2, dense 256",
    decoder_layers="dense 256, dense 4x4x64, conv 64/2, conv 32/2, conv 32/2, conv 1/2",
    learning_rate=1e-4,
    batch_size=64,
    steps=300_000,
)

# A preset is chosen by the data set's name, or with --preset; "general" serves all other data.
PRESETS = {
    "digits": VAESettings(
        codes="10*gaussian",
        encoder_layers="dense 256",
        decoder_layers="dense 256, dense 16x16x1",
        steps=3000,
    ),
    # Dense layers as in the paper (Section 5), two of them, of 400 units: one of 400 ended 3 nats
    # lower. 10,000 steps are 21 epochs.
    "mnist": VAESettings(
        codes="40*gaussian",
        binarize=True,
        encoder_layers="dense 400, dense 400",
        decoder_layers="dense 400, dense 400, dense 28x28x1",
        steps=10_000,
    ),
    "dsprites": _SPRITES,
    # Ours: the same, for a number of steps that a laptop can wait for.
    "sprites": dataclasses.replace(_SPRITES, learning_rate=1e-3, steps=10_000),
    # Colors are no probabilities.
    "celeb_a": VAESettings(codes="64*gaussian", likelihood="gaussian", steps=20_000),
    "general": VAESettings(codes="32*gaussian", steps=20_000),
}
PRESETS["fashion_mnist"] = dataclasses.replace(PRESETS["mnist"], binarize=False)
