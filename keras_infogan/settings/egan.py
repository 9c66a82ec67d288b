"""E-GAN's settings and presets (Wang et al. 2018, arXiv 1803.00657, Sections 3 and 4; released code
github.com/WANG-Chaoyue/EvolutionaryGAN). Loads without TensorFlow.

Where paper and code disagree, and what deviates here:
  - The paper halves the minimax and the heuristic loss, the code does not; here they are halved.
  - The optimizer's state travels with the individual, as in the authors' later PyTorch code; the
    first one keeps one state per loss.
  - The diversity takes the logarithm of the norm, as in the paper; the first code's takes that of
    the norm squared, so that its gamma counts twice.
  - The discriminator moves once a step, on the batch that the children are judged on.
  - Codes, with a recognizer on the discriminator's layers as in InfoGAN, are ours; they do not
    enter the fitness.
"""

import dataclasses

from keras_infogan import architectures, config
from keras_infogan.config import UserError, did_you_mean, setting
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_codes

MUTATIONS = ("minimax", "heuristic", "least_squares")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EGANSettings(config.Settings):
    """Everything that defines an E-GAN run, apart from the data."""

    title = "E-GAN"
    paper = "Wang et al. 2018, arXiv 1803.00657"
    stabilizers = ("--spectral_norm",)

    codes: str = setting(
        "", 'codes c beside the noise, for example "digit=categorical(10), slant=uniform"'
    )
    noise_size: int = setting(100, "length of the noise z", minimum=0, maximum=2**20)
    noise_distribution: str = setting(
        "uniform",
        "prior of the noise: U(-1, 1) as in the released code, or N(0, 1)",
        choices=("uniform", "normal"),
    )

    mutations: str = setting(
        ", ".join(MUTATIONS), "losses that children are bred by, one child each"
    )
    survivors: int = setting(
        1, "individuals that survive a step, each the parent of new children", minimum=1, maximum=16
    )
    selection: str = setting(
        "fitness",
        "the fittest children survive, or, to compare with, each parent has one child of a random "
        "mutation",
        choices=("fitness", "random"),
    )
    diversity_weight: float = setting(
        0.01, "gamma, weight of the diversity in the fitness", minimum=0.0
    )
    fitness_samples: int = setting(
        1,
        "images that a child's fitness is computed on, per real image of the batch",
        minimum=1,
        maximum=64,
    )

    discriminator_layers: str = setting(
        "",
        "layers of the discriminator but the last, which a recognizer shares; empty: made for the "
        "image size",
    )
    recognizer_layers: str = setting(
        "dense 128 bn", "layers between those and the recognizer's output, where there are codes"
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
    mutual_information_weight: float = setting(
        1.0, "lambda, weight of the information about codes", minimum=1e-6
    )

    generator_learning_rate: float = setting(
        2e-4, "Adam's step size for the generators", minimum=0.0
    )
    discriminator_learning_rate: float = setting(
        2e-4, "Adam's step size for the discriminator", minimum=0.0
    )
    adam_beta_1: float = setting(
        0.5, "Adam's decay of the first moment", minimum=0.0, maximum=0.999
    )
    generator_average_decay: float = setting(
        0.0,
        "decay per step of a moving average of the generator's weights along its line of descent, "
        "used for pictures and export; 0: none",
        minimum=0.0,
        maximum=0.99999,
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.mutation_names:
            raise UserError(
                f"--mutations: expected one or more of {', '.join(MUTATIONS)}, received none."
            )
        for name in self.mutation_names:
            if name not in MUTATIONS:
                raise UserError(
                    f"--mutations: unknown mutation {name!r}{did_you_mean(name, MUTATIONS)}; give "
                    f"one or more of {', '.join(MUTATIONS)}."
                )
        if len(set(self.mutation_names)) < len(self.mutation_names):
            raise UserError("--mutations names one twice; name each once.")
        continuous = [code for code in parse_codes(self.codes) if code.continuous]
        guided = next((code for code in continuous if code.guide), None)
        if guided:
            raise UserError(
                f"--codes: the codes of an E-GAN learn no change of the image, and {guided.name} "
                "names one; leave what stands in brackets out, or train an InfoGAN."
            )
        architectures.check_encoder("discriminator_layers", self.discriminator_layers)
        architectures.check_encoder("recognizer_layers", self.recognizer_layers, flat_input=True)
        architectures.parse_layers(self.generator_layers)

    @property
    def mutation_names(self):
        """The names in `mutations`, a list."""
        return [name.strip() for name in self.mutations.split(",") if name.strip()]

    @property
    def latent_spec(self):
        """The LatentSpec of these settings."""
        return LatentSpec(Noise(self.noise_size, self.noise_distribution), parse_codes(self.codes))

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
    "digits": EGANSettings(noise_size=32, generator_average_decay=0.99, steps=2500),
    # Half as wide as the DCGAN's on MNIST, because a step costs several of a GAN's.
    "mnist": EGANSettings(
        discriminator_layers="conv 32/2, conv 64/2 bn, dense 512 bn",
        generator_layers="dense 512 bn, dense 7x7x64 bn, conv 32/2 bn, conv 1/2",
        steps=5000,
    ),
    "general": EGANSettings(batch_size=64, steps=20_000),
}
