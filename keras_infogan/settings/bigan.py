"""BiGAN's settings and presets (Donahue et al. 2017, arXiv 1605.09782; released code
github.com/jeffdonahue/bigan), and ALI's Gaussian encoder (Dumoulin et al. 2017, arXiv 1606.00704).
Loads without TensorFlow.

Deviations of all presets, with the reason:
  - Images are in [-1, 1] and the generator ends in tanh; the released code ends in a sigmoid,
    which is the same up to a change of scale.
  - No L2 penalty (2.5e-5 there), batch norm keeps its scale and shift, and its statistics are
    moving averages; there they are computed anew over 1,000 batches.
  - No batch norm where image and latents join. The two kinds of pairs pass apart, so it would take
    away what all images of a kind share, such as a black background, and nothing would move the
    generator to make it: on MNIST the discriminator won within 500 steps.
  - The losses are sums of their two halves, as in equation 3; the released code takes half of each,
    which Adam does not see.
  - The learning rate falls linearly to 0, not exponentially to a hundredth.
"""

import dataclasses

from keras_infogan import architectures, config
from keras_infogan.codes import LogVariancePosterior, Posterior
from keras_infogan.config import setting
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_latents


@dataclasses.dataclass(frozen=True, kw_only=True)
class BiGANSettings(config.Settings):
    """Everything that defines a BiGAN run, apart from the data."""

    title = "BiGAN"
    paper = "Donahue et al. 2017, arXiv 1605.09782"

    codes: str = setting(
        "50*uniform",
        'the latents z, uniform or gaussian, for example "50*uniform" or "size=gaussian, '
        '3*gaussian"',
    )
    encoder: str = setting(
        "deterministic",
        "E(x): one vector for each image, or a Gaussian to draw it from, as in ALI "
        "(Dumoulin et al. 2017)",
        choices=("deterministic", "gaussian"),
    )

    encoder_layers: str = setting(
        "", "layers of the encoder but the last; empty: made for the image size"
    )
    generator_layers: str = setting("", "layers of the generator; empty: made for the image size")
    discriminator_layers: str = setting(
        "",
        "layers by which the discriminator reads the image, before the latents join; "
        "empty: made for the image size",
    )
    joint_layers: str = setting(
        "dense 1024", "layers of the discriminator on image and latents together but the last"
    )
    leaky_relu_slope: float = setting(
        0.2, "slope of leaky ReLU for negative inputs in encoder and discriminator", minimum=0.0
    )
    weight_std: float = setting(
        0.02, "standard deviation of the weights to begin with; 0: Glorot's", minimum=0.0
    )

    learning_rate: float = setting(2e-4, "Adam's step size", minimum=0.0)
    learning_rate_decay_start: float = setting(
        1.0,
        "share of the steps after which the learning rate falls linearly to 0; 1: it does not",
        minimum=0.0,
        maximum=1.0,
    )
    adam_beta_1: float = setting(
        0.5, "Adam's decay of the first moment", minimum=0.0, maximum=0.999
    )
    average_decay: float = setting(
        0.0,
        "decay per step of a moving average of the weights of encoder and generator, "
        "used for pictures, scores and export; 0: none",
        minimum=0.0,
        maximum=0.99999,
    )

    def __post_init__(self):
        super().__post_init__()
        self._parsed_codes()
        architectures.check_encoder("encoder_layers", self.encoder_layers)
        architectures.check_encoder("discriminator_layers", self.discriminator_layers)
        architectures.check_encoder("joint_layers", self.joint_layers, flat_input=True)
        architectures.parse_layers(self.generator_layers)

    def _parsed_codes(self):
        return parse_latents(self.codes, "a BiGAN", ("uniform", "gaussian"), "50*uniform")

    @property
    def latent_spec(self):
        """The LatentSpec of these settings: codes alone.

        A deterministic encoder gives means and no deviation. Where one is asked for, as by the
        information bound, it is the one at which that bound can reach H(c) and no more.
        """
        deterministic = Posterior(std=Posterior().min_std)
        posterior = LogVariancePosterior() if self.encoder == "gaussian" else deterministic
        return LatentSpec(Noise(0), self._parsed_codes(), posterior)

    def for_images(self, image_shape):
        """Returns the settings with layers filled in for (height, width, channels) where they were
        left open; raises UserError if they do not fit.
        """
        encoder, generator = architectures.completed(
            self.encoder_layers, self.generator_layers, image_shape
        )
        discriminator, _ = architectures.completed(
            self.discriminator_layers, generator, image_shape
        )
        return dataclasses.replace(
            self,
            encoder_layers=encoder,
            generator_layers=generator,
            discriminator_layers=discriminator,
        )


# A preset is chosen by the data set's name, or with --preset; "general" serves all other data.
PRESETS = {
    # 1,438 images: averaged weights give cleaner strokes.
    "digits": BiGANSettings(
        codes="10*uniform",
        encoder_layers="dense 256, dense 256 bn",
        generator_layers="dense 256 bn, dense 256 bn, dense 16x16x1",
        discriminator_layers="dense 256",
        joint_layers="dense 256",
        average_decay=0.99,
        steps=3000,
    ),
    # The released code's networks (train_mnist.sh, net.py). There 200 epochs, and 200 of a falling
    # rate; 11,700 steps are 25 epochs.
    "mnist": BiGANSettings(
        encoder_layers="dense 1024, dense 1024 bn",
        generator_layers="dense 1024 bn, dense 1024 bn, dense 28x28x1",
        discriminator_layers="dense 1024",
        learning_rate_decay_start=0.5,
        steps=11_700,
    ),
    # Any other images: convolutions made for the image size. The paper's networks for ImageNet
    # (Appendix C.2) are AlexNet's and read another size than they make.
    "general": BiGANSettings(codes="64*uniform", steps=20_000),
}
PRESETS["fashion_mnist"] = PRESETS["mnist"]
