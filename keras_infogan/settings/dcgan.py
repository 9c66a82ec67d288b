"""DCGAN's settings and presets (Radford et al. 2015, arXiv 1511.06434, Section 4; released code
github.com/Newmu/dcgan_code). Loads without TensorFlow.

Where paper and code disagree, and what deviates here:
  - Kernels are 4x4, as in soumith/dcgan.torch; the paper's are 5x5.
  - Images are in [-1, 1] and generators end in tanh, as in the paper; the released MNIST script
    ends in a sigmoid, which is the same up to a change of scale.
  - The released code alternates, one minibatch for each player; here both move on the same one,
    which is a pass less.
  - No L2 penalty (the released code has 2.5e-5 on MNIST, the paper none), and batch norm keeps its
    scale and shift.
"""

import dataclasses

from keras_infogan import architectures, config
from keras_infogan.config import setting
from keras_infogan.latents import LatentSpec, Noise


@dataclasses.dataclass(frozen=True, kw_only=True)
class DCGANSettings(config.Settings):
    """Everything that defines a DCGAN run, apart from the data."""

    title = "DCGAN"
    paper = "Radford et al. 2015, arXiv 1511.06434"
    stabilizers = ("--spectral_norm", "--label_smoothing=0.1")

    noise_size: int = setting(100, "length of the noise z", minimum=1, maximum=2**20)
    noise_distribution: str = setting(
        "uniform",
        "prior of the noise: U(-1, 1) as in the paper, or N(0, 1)",
        choices=("uniform", "normal"),
    )

    discriminator_layers: str = setting(
        "", "layers of the discriminator but the last; empty: made for the image size"
    )
    generator_layers: str = setting("", "layers of the generator; empty: made for the image size")
    leaky_relu_slope: float = setting(
        0.2, "slope of the discriminator's leaky ReLU for negative inputs", minimum=0.0
    )
    weight_std: float = setting(
        0.02, "standard deviation of the weights to begin with; 0: Glorot's", minimum=0.0
    )
    spectral_norm: bool = setting(
        False, "spectral normalization of the discriminator's hidden layers"
    )

    generator_learning_rate: float = setting(
        2e-4, "Adam's step size for the generator", minimum=0.0
    )
    discriminator_learning_rate: float = setting(
        2e-4, "Adam's step size for the discriminator", minimum=0.0
    )
    adam_beta_1: float = setting(
        0.5, "Adam's decay of the first moment", minimum=0.0, maximum=0.999
    )

    label_smoothing: float = setting(
        0.0, "taken off the discriminator's target for real images", minimum=0.0, maximum=0.5
    )
    instance_noise_std: float = setting(
        0.0,
        "deviation of Gaussian noise on all images the discriminator sees, at step 0",
        minimum=0.0,
    )
    instance_noise_steps: int = setting(
        2000, "steps over which the instance noise falls to 0, linearly", minimum=1
    )
    generator_average_decay: float = setting(
        0.0,
        "decay per step of a moving average of the generator's weights, "
        "used for pictures and export; 0: none",
        minimum=0.0,
        maximum=0.99999,
    )

    def __post_init__(self):
        super().__post_init__()
        architectures.check_encoder("discriminator_layers", self.discriminator_layers)
        architectures.parse_layers(self.generator_layers)

    @property
    def latent_spec(self):
        """The LatentSpec of these settings: noise alone."""
        return LatentSpec(Noise(self.noise_size, self.noise_distribution), ())

    def for_images(self, image_shape):
        """Returns the settings with layers filled in for (height, width, channels) where they were
        left open; raises UserError if they do not fit.
        """
        discriminator, generator = architectures.completed(
            self.discriminator_layers, self.generator_layers, image_shape
        )
        return dataclasses.replace(
            self, discriminator_layers=discriminator, generator_layers=generator
        )


# A preset is chosen by the data set's name, or with --preset; "general" serves all other data.
PRESETS = {
    # 1,438 images: averaged weights give cleaner strokes.
    "digits": DCGANSettings(noise_size=32, generator_average_decay=0.99, steps=2500),
    # The released code's networks for MNIST (mnist/train_cond_dcgan.py), without labels; there 100
    # epochs and 100 of a falling rate.
    "mnist": DCGANSettings(
        discriminator_layers="conv 64/2, conv 128/2 bn, dense 1024 bn",
        generator_layers="dense 1024 bn, dense 7x7x128 bn, conv 64/2 bn, conv 1/2",
        steps=5000,
    ),
    # Figure 1's generator, for 64x64 images, with the discriminator of the released code
    # (faces/train_uncond_dcgan.py); 25 epochs there.
    "faces_64x64": DCGANSettings(
        discriminator_layers="conv 128/2, conv 256/2 bn, conv 512/2 bn, conv 1024/2 bn",
        generator_layers="dense 4x4x1024 bn, conv 512/2 bn, conv 256/2 bn, conv 128/2 bn, conv 3/2",
        steps=40_000,
    ),
    # Any other images, CelebA's at 32x32 among them: the same style, half as wide, as deep as the
    # image size asks for.
    "general": DCGANSettings(steps=20_000),
}
