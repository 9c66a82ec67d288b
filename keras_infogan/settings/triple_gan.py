"""Triple-GAN's settings and presets (Li et al. 2017, arXiv 1703.02291; released code
github.com/zhenxuan00/triple-gan, x2y_yz2x_xy2p_ssl_mnist.py). Loads without TensorFlow.

Where the released code has what the paper has not, a setting says so. What deviates here:
  - Images are in [-1, 1] and the generator ends in tanh; its noise is U(-1, 1), not U(0, 1).
  - The classifier is half as wide and pads its convolutions, so that it takes any size; it has
    batch norm once, after the global pool, where the code has it after each convolution.
  - The classifier begins with the rates of all, not with Adam at 3e-4 and 0.9.
  - The generator has ReLU where the code has softplus, and takes the label at its input only; the
    discriminator has no weight normalization; the classifier has no L2 penalty.
  - Thousands of steps, not 1,000 epochs, in which the discriminator has to heed the label sooner: a
    fifth of the code's noise on its hidden layers, with all of which 900 steps of digits left the
    generator at one in ten images of the label asked for, with a fifth at three in four.
  - Rates fall linearly to 0 from the middle on, not by 0.995 per epoch from 300 of 1,000 on.
"""

import dataclasses

from keras_infogan import architectures, config
from keras_infogan.config import UserError, setting
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_label


@dataclasses.dataclass(frozen=True, kw_only=True)
class TripleGANSettings(config.Settings):
    """Everything that defines a Triple-GAN run, apart from the data."""

    title = "Triple-GAN"
    paper = "Li et al. 2017, arXiv 1703.02291"
    reads = ("image", "labeled_image", "label")
    stabilizers = ("--learning_rate=3e-4",)

    codes: str = setting(
        "kind=categorical(10)", "the label y, one categorical code with a value for each class"
    )
    noise_size: int = setting(100, "length of the noise z", minimum=1, maximum=2**20)
    num_labels: int = setting(
        100,
        "images whose labels are read, as many of each class, drawn with the seed; all others "
        "count as unlabeled",
        minimum=1,
    )

    classifier_filters: str = setting(
        "16, 32, 64",
        "filters of the classifier's three blocks of convolutions (released code: 32, 64, 128)",
    )
    generator_layers: str = setting("", "layers of the generator; empty: made for the image size")
    discriminator_layers: str = setting(
        "dense 1000, dense 500, dense 250, dense 250, dense 250",
        "dense layers of the discriminator but the last, each of which gets the label too",
    )
    leaky_relu_slope: float = setting(
        0.2, "slope of the discriminator's leaky ReLU for negative inputs", minimum=0.0
    )
    dropout: float = setting(
        0.5,
        "share of the classifier's features that are dropped between blocks",
        minimum=0.0,
        maximum=0.95,
    )
    image_noise_std: float = setting(
        0.3,
        "deviation of the noise on images that the discriminator sees, in [0, 1] of gray",
        minimum=0.0,
    )
    hidden_noise_std: float = setting(
        0.1,
        "deviation of the noise on the discriminator's hidden layers (released code: 0.5)",
        minimum=0.0,
    )

    classifier_share: float = setting(
        0.5,
        "alpha, the classifier's share of the fake pairs, of which the generator has the rest",
        minimum=0.0,
        maximum=1.0,
    )
    pseudo_weight: float = setting(
        0.1,
        "alpha_P, weight of the classifier's loss on generated images and their labels",
        minimum=0.0,
    )
    pseudo_start: float = setting(
        0.3,
        "share of training after which that loss counts (released code)",
        minimum=0.0,
        maximum=1.0,
    )
    guessed_share: float = setting(
        0.9,
        "share of the real pairs that are unlabeled images with the classifier's guess (released "
        "code: 400 of 401)",
        minimum=0.0,
        maximum=1.0,
    )
    entropy_weight: float = setting(
        0.3,
        "weight of the entropy of the classifier's answers to unlabeled images (released code)",
        minimum=0.0,
    )
    balance_weight: float = setting(
        1e-3,
        "weight by which the mean answer is drawn to equal shares (released code)",
        minimum=0.0,
    )
    first_balance_weight: float = setting(
        0.3, "the same, while the classifier trains alone (released code)", minimum=0.0
    )
    classifier_steps: int = setting(
        0,
        "steps that the classifier trains alone at first; with few labels its guesses would "
        "mislead the others (released code: 30 epochs up to 100 labels)",
        minimum=0,
    )

    learning_rate: float = setting(1e-3, "Adam's step size, of all three", minimum=0.0)
    adam_beta_1: float = setting(
        0.5, "Adam's decay of the first moment", minimum=0.0, maximum=0.999
    )
    learning_rate_decay_start: float = setting(
        0.5,
        "share of training after which the step size falls, linearly to 0; 1: never",
        minimum=0.0,
        maximum=1.0,
    )
    average_decay: float = setting(
        0.99,
        "decay per step of a moving average of the classifier's and the generator's weights, used "
        "for scores, pictures and export; 0: none",
        minimum=0.0,
        maximum=0.99999,
    )

    def __post_init__(self):
        super().__post_init__()
        parse_label(self.codes, "a Triple-GAN")
        architectures.check_encoder(
            "discriminator_layers", self.discriminator_layers, flat_input=True
        )
        architectures.parse_layers(self.generator_layers)
        if len(architectures.parse_numbers("classifier_filters", self.classifier_filters)) != 3:
            raise UserError(
                f"--classifier_filters={self.classifier_filters!r}: expected three numbers, such "
                "as '16, 32, 64'."
            )

    @property
    def num_classes(self):
        """How many classes the label tells apart."""
        return self.latent_spec.codes[0].num_values

    @property
    def latent_spec(self):
        """The LatentSpec of these settings: noise, and the label as a code."""
        return LatentSpec(Noise(self.noise_size), parse_label(self.codes, "a Triple-GAN"))

    def for_images(self, image_shape):
        """Returns the settings with layers filled in for (height, width, channels) where they were
        left open; raises UserError if they do not fit.
        """
        layers = self.generator_layers or architectures.general_layers(image_shape)[1]
        architectures.check_generator(layers, image_shape)
        return dataclasses.replace(self, generator_layers=layers)


# A preset is chosen by the data set's name, or with --preset; "general" serves all other data.
PRESETS = {
    # The generator of the released code.
    "mnist": TripleGANSettings(
        codes="digit=categorical(10)",
        generator_layers="dense 500 bn, dense 500 bn, dense 28x28x1",
        batch_size=100,
        classifier_steps=1000,
        steps=5000,
    ),
    "digits": TripleGANSettings(
        codes="digit=categorical(10)",
        generator_layers="dense 256 bn, dense 256 bn, dense 16x16x1",
        discriminator_layers="dense 256, dense 256",
        batch_size=64,
        classifier_steps=500,
        steps=2500,
    ),
    "general": TripleGANSettings(classifier_steps=2000, steps=20_000),
}
