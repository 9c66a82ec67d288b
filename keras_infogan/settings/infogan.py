"""InfoGAN's settings and presets (Chen et al. 2016, arXiv 1606.03657, Appendix C, Tables 1 to 7).

Loads without TensorFlow.

What all presets share with the paper: Adam with beta_1 0.5 (released code), 4x4 convolutions, batch
norm as in the tables, leaky ReLU of slope 0.1 in the trunk, ReLU in the generator, softmax and
diagonal Gaussian posteriors, batches of 128 (every author script).

Deviations of all presets, with the reason:
  - Images are in [-1, 1] and every generator ends in tanh. Tables 4 and 6 end in a sigmoid on [0,
    1], which is the same up to a change of scale (2 sigmoid(x) - 1 = tanh(x / 2)); one range for
    all data sets rules out a mismatch between real and generated images.
  - Weights start from Keras's default (Glorot), not N(0, 0.02): the information rises as early as
    in the paper's Figure 1 only with it (docs/design.md).
  - The last transposed convolution of Tables 1, 4 and 6 states no stride; the sizes need 2.
  - Continuous posteriors are learned as in the paper, but clamped (see `codes.Posterior`), because
    their negative log-likelihood is unbounded below.
  - One batch of fakes serves both updates (`share_fakes`), where the released code draws afresh for
    the generator's; it is one pass less.
"""

import dataclasses
import types

from keras_infogan import architectures, augment, config
from keras_infogan.codes import Posterior
from keras_infogan.config import setting
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_codes, with_continuous_weight


@dataclasses.dataclass(frozen=True, kw_only=True)
class InfoGANSettings(config.Settings):
    """Everything that defines an InfoGAN run, apart from the data."""

    title = "InfoGAN"
    paper = "Chen et al. 2016, arXiv 1606.03657"
    stabilizers = ("--spectral_norm", "--label_smoothing=0.1")
    retired = types.MappingProxyType(
        {
            "continuous_weight": (
                'give the weight to the codes themselves, as in --codes="2*uniform(weight=0.5)"'
            ),
            "max_posterior_std": (
                "the upper limit of a learned deviation is 1, the widest that a prior has"
            ),
        }
    )

    codes: str = setting(
        "categorical(10), 2*uniform",
        'the codes c, for example "digit=categorical(10), slant=uniform, 2*bernoulli(0.5)"',
    )
    noise_size: int = setting(62, "length of the noise z", minimum=0, maximum=2**20)
    noise_distribution: str = setting(
        "uniform",
        "prior of the noise: U(-1, 1) as in the released code, or N(0, 1)",
        choices=("uniform", "normal"),
    )

    trunk_layers: str = setting(
        "", "layers that discriminator and recognizer share; empty: made for the image size"
    )
    discriminator_layers: str = setting("", "layers between trunk and the discriminator's output")
    recognizer_layers: str = setting(
        "dense 128 bn", "layers between trunk and the recognizer's output"
    )
    generator_layers: str = setting("", "layers of the generator; empty: made for the image size")
    leaky_relu_slope: float = setting(
        0.1,
        "slope of the leaky ReLU for negative inputs (paper 0.1, released code 0.01)",
        minimum=0.0,
    )
    spectral_norm: bool = setting(
        False, "spectral normalization of the trunk and the heads' hidden layers"
    )

    generator_learning_rate: float = setting(
        1e-3, "Adam's step size for the generator", minimum=0.0
    )
    discriminator_learning_rate: float = setting(
        2e-4, "Adam's step size for trunk, discriminator and recognizer", minimum=0.0
    )
    learning_rate_decay_start: float = setting(
        1.0,
        "share of the steps after which all rates fall linearly, to 0 at the end; 1: they stay",
        minimum=0.0,
        maximum=1.0,
    )
    adam_beta_1: float = setting(
        0.5, "Adam's decay of the first moment", minimum=0.0, maximum=0.999
    )
    generator_updates: int = setting(
        1, "generator updates per step; more than one needs --noshare_fakes", minimum=1
    )
    share_fakes: bool = setting(
        True,
        "one batch of fakes serves both updates; otherwise the generator's gets a fresh one, "
        "after the discriminator's",
    )

    mutual_information_weight: float = setting(
        1.0, "the paper's lambda; 0 gives a plain GAN whose recognizer only watches", minimum=0.0
    )
    posterior_std: float = setting(
        0.0, "standard deviation of Q(c|x) for continuous codes; 0: learned", minimum=0.0
    )
    min_posterior_std: float = setting(
        Posterior.min_std,
        "lower limit of a learned deviation, whose upper one is 1; "
        "below 0.399 the bound can pass H(c)",
        minimum=1e-3,
        maximum=0.999,
    )
    recognizer_optimizer: str = setting(
        "discriminator",
        "where the information's gradient goes: generator, trunk and recognizer within the "
        "updates of discriminator and generator (paper, released code); generator and recognizer "
        "only, by the generator's optimizer; or all three, by a separate optimizer",
        choices=("discriminator", "generator", "separate"),
    )

    real_information_weight: float = setting(
        0.0,
        "weight with which the recognizer learns discrete codes from real images too: image and "
        "changed copy agree, all values are in use; 0: not",
        minimum=0.0,
    )
    uncertainty_weight: float = setting(
        0.1, "weight within that of H(c|x): how early the recognizer makes up its mind", minimum=0.0
    )
    changes: str = setting(
        "rotate 20, shear 0.2, scale 0.15, shift 0.075, cutout 0.3",
        "what leaves a real image what it is, for the changed copies",
    )
    num_labels: int = setting(
        0,
        "images whose labels the first categorical code learns, as many of each class, drawn with "
        "the seed (an extension: the paper reads none); 0: none",
        minimum=0,
    )
    generator_follows: bool = setting(
        False,
        "the information of discrete codes moves the generator alone, not trunk and recognizer, "
        "which learn them from real images",
    )

    guidance_weight: float = setting(
        1.0,
        "weight with which continuous codes learn the change that --codes names for them, such as "
        "slant=uniform(shear=0.4), from real images and their copies",
        minimum=0.0,
    )

    contrastive_weight: float = setting(
        0.0,
        "alpha, weight with which generator and a further network make it visible which code two "
        "images have in common (InfoGAN-CR, Lin et al. 2020, arXiv 1906.06034); 0: not",
        minimum=0.0,
    )
    contrastive_start: float = setting(
        0.0,
        "share of the steps after which that moves the generator; the network learns before",
        minimum=0.0,
        maximum=1.0,
    )

    label_smoothing: float = setting(
        0.0, "taken off the discriminator's target for real images", minimum=0.0, maximum=0.5
    )
    augmentation: str = setting(
        "",
        "changes to all images that the trunk sees, real and generated (DiffAugment), such as "
        "'shift 0.125, cutout 0.25'",
    )
    instance_noise_std: float = setting(
        0.0, "deviation of Gaussian noise on all images the trunk sees, at step 0", minimum=0.0
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
    recognizer_average_decay: float = setting(
        0.0,
        "decay per step of a moving average of trunk and recognizer, "
        "used to encode and for export; 0: none",
        minimum=0.0,
        maximum=0.99999,
    )

    def __post_init__(self):
        super().__post_init__()
        if not self.latent_spec.codes:
            raise config.UserError(
                "--codes is empty; an InfoGAN needs at least one code, for example "
                '--codes="categorical(10)".'
            )
        if self.generator_updates > 1 and self.share_fakes:
            raise config.UserError(
                f"--generator_updates={self.generator_updates} needs a fresh batch of fakes for "
                "each update; add --noshare_fakes."
            )
        if self.contrastive_weight and len(self.latent_spec.codes) < 2:
            raise config.UserError(
                f"--contrastive_weight={self.contrastive_weight} tells codes apart, and --codes "
                "has one alone; give two or more, or --contrastive_weight=0."
            )
        augment.parse_changes("changes", self.changes)
        augment.parse_changes("augmentation", self.augmentation)
        self._check_learning_from_real_images()
        architectures.check_encoder("trunk_layers", self.trunk_layers)
        architectures.check_encoder(
            "discriminator_layers", self.discriminator_layers, flat_input=True
        )
        architectures.check_encoder("recognizer_layers", self.recognizer_layers, flat_input=True)
        architectures.parse_layers(self.generator_layers)

    @property
    def _guided(self):
        """The codes that learn a change."""
        return [code for code in self.latent_spec.codes if code.continuous and code.guide]

    def _check_learning_from_real_images(self):
        changes = augment.parse_changes("changes", self.changes)
        hidden = augment.parse_changes("augmentation", self.augmentation).keys()
        guided = self._guided
        for code in guided:
            change, unit = code.guide
            if hidden & {change, "flip"}:
                raise config.UserError(
                    f"--augmentation={self.augmentation!r} hides from the recognizer what "
                    f"{code.name} is to learn; leave {' and '.join(hidden & {change, 'flip'})} "
                    "out of it."
                )
            if not changes.get(change):
                raise config.UserError(
                    f"--codes: {code.name} is to learn {change}, by which no image is changed; add "
                    f"it to --changes, for example '{change} {unit:g}'."
                )
        off = "or give --real_information_weight=0 --nogenerator_follows, which is the paper's game"
        if self.generator_follows and not self.real_information_weight:
            raise config.UserError(
                "--generator_follows leaves the recognizer to learn from real images; it needs "
                "--real_information_weight above 0, or add --nogenerator_follows."
            )
        if self.recognizer_optimizer != "discriminator":
            if guided:
                raise config.UserError(
                    f"--codes: that {guided[0].name} learns a change moves the recognizer with the "
                    "discriminator; it needs --recognizer_optimizer=discriminator, or leave "
                    f"{guided[0].guide[0]} out."
                )
            if self.real_information_weight:
                raise config.UserError(
                    "--real_information_weight moves the recognizer with the discriminator; it "
                    f"needs --recognizer_optimizer=discriminator, {off}."
                )
            if self.recognizer_average_decay:
                raise config.UserError(
                    "--recognizer_average_decay averages trunk and recognizer together; it needs "
                    "--recognizer_optimizer=discriminator, or give --recognizer_average_decay=0."
                )
        if guided and not self.mutual_information_weight:
            raise config.UserError(
                "--mutual_information_weight=0 is a plain GAN whose recognizer only watches, which "
                "one that learns from real images does not; raise it, or leave "
                f"{guided[0].guide[0]} out of --codes."
            )
        if self.real_information_weight and not self.mutual_information_weight:
            raise config.UserError(
                "--mutual_information_weight=0 is a plain GAN whose recognizer only watches, which "
                f"one that learns from real images does not; raise it, {off}."
            )
        if self.num_labels and not (
            self.num_classes
            and self.recognizer_optimizer == "discriminator"
            and self.mutual_information_weight
        ):
            raise config.UserError(
                "--num_labels teaches a categorical code through the discriminator's recognizer; "
                "it needs one in --codes, --recognizer_optimizer=discriminator and "
                "--mutual_information_weight above 0, or leave it out."
            )
        discrete = [code.name for code in self.latent_spec.codes if not code.continuous]
        if self.real_information_weight and len(discrete) > 1:
            # Nothing keeps several from learning the same of an image.
            raise config.UserError(
                f"of {', '.join(discrete)} one alone can be learned from real images; keep one "
                f"discrete code, {off}."
            )

    @property
    def reads(self):
        """What training takes of a batch."""
        return ("image", "labeled_image", "label") if self.num_labels else ("image",)

    @property
    def labeled_code(self):
        """The code that learns labels, the first categorical one; None without labels."""
        codes = self.latent_spec.codes if self.num_labels else ()
        return next((code for code in codes if code.has_categories), None)

    @property
    def num_classes(self):
        """How many classes that code tells apart, 0 without labels."""
        return self.labeled_code.num_values if self.labeled_code else 0

    @property
    def latent_spec(self):
        """The LatentSpec of these settings."""
        posterior = Posterior(self.posterior_std, self.min_posterior_std)
        return LatentSpec(
            Noise(self.noise_size, self.noise_distribution), parse_codes(self.codes), posterior
        )

    @classmethod
    def from_json(cls, content):
        content = dict(content)
        content["codes"] = with_continuous_weight(
            content["codes"], content.pop("continuous_weight", 1.0)
        )
        if content.pop("max_posterior_std", 1.0) != 1.0:
            raise config.UserError(
                "this run was trained with --max_posterior_std, which keras-infogan 0.1.0 was the "
                "last to have; use that version for it."
            )
        return super().from_json(content)

    def for_images(self, image_shape):
        """Returns the settings with layers filled in for (height, width, channels) where
        they were left open.

        Raises:
          UserError: if the layers cannot make such images.
        """
        for code in self._guided:
            if code.guide[0] in ("saturation", "warmth") and image_shape[-1] != 3:
                raise config.UserError(
                    f"--codes: {code.name} is to learn {code.guide[0]}, which takes images in "
                    "color, and these are gray; leave it out."
                )
        trunk, generator = architectures.completed(
            self.trunk_layers, self.generator_layers, image_shape
        )
        return dataclasses.replace(self, trunk_layers=trunk, generator_layers=generator)


_TABLE_4 = InfoGANSettings(
    codes="5*uniform",
    noise_size=128,
    trunk_layers="conv 64/2, conv 128/2 bn, dense 1024 bn",
    recognizer_layers="",
    generator_layers="dense 1024 bn, dense 8x8x128 bn, conv 64/2 bn, conv 1/2",
    mutual_information_weight=0.2,
    generator_learning_rate=5e-4,
    discriminator_learning_rate=2e-4,
    instance_noise_std=0.5,
    instance_noise_steps=2000,
    steps=20_000,
)
_TABLE_6 = InfoGANSettings(
    codes="3*categorical(20), rotation=uniform(weight=10)",
    noise_size=128,
    trunk_layers="conv 64/2, conv 128/2 bn, conv 256/2 bn, conv 256 bn, conv 256 bn, dense 1024 bn",
    recognizer_layers="",
    generator_layers=(
        "dense 1024 bn, dense 8x8x256 bn, conv 256 bn, conv 256 bn, conv 128/2 bn, "
        "conv 64/2 bn, conv 1/2"
    ),
    steps=20_000,
)
_TABLE_3 = InfoGANSettings(
    codes="10*categorical(10)",
    noise_size=128,
    trunk_layers="conv 64/2, conv 128/2 bn, conv 256/2 bn",
    generator_layers="dense 2x2x448 bn, conv 256/2 bn, conv 128/2, conv 64/2, conv 3/2",
    steps=20_000,
)

# What makes digits digits with any seed (docs/results.md has the ablation): the recognizer learns
# its categories from real images, an image and a copy that is turned, sheared, scaled and shifted a
# little being of one category (regularized information maximization, Krause et al. 2010; IMSAT, Hu
# et al. 2017, arXiv 1702.08720; on GANs compare Elastic-InfoGAN, arXiv 1910.01112), and the
# generator follows. In the paper's game the recognizer learns from generated images alone: the
# information is all there after a hundred steps, whatever partition the generator began with, and
# nothing moves it any more. Slant and width learn what shear and aspect are, likewise without
# labels (compare AET, Zhang et al. 2019, arXiv 1901.04596).
_FROM_REAL_IMAGES = {
    "real_information_weight": 3.0,
    "generator_follows": True,
    "discriminator_learning_rate": 1e-3,
    "recognizer_average_decay": 0.99,
    "learning_rate_decay_start": 0.5,
}
# How far slant and width go: 1.7 times as far as their standard deviation within a digit, so that a
# uniform code has that of the images.
_SLANT_AND_WIDTH = {"changes": "shear 0.3, aspect 0.2, scale 0.1, shift 0.075, cutout 0.3"}

# A preset is chosen by the data set's name, or with --preset; "general" serves all other data.
PRESETS = {
    # The embedded default, ours: Table 1 shrunk to 16x16 images. 1,438 of them: a discriminator as
    # fast as the generator and averaged weights give cleaner strokes than Table 1's rates. The
    # paper's game, as in version 0.1.0.
    "digits_paper": InfoGANSettings(
        codes="digit=categorical(10), 2*uniform",
        noise_size=16,
        trunk_layers="conv 32/2, conv 64/2 bn, dense 256 bn",
        generator_layers="dense 256 bn, dense 4x4x64 bn, conv 32/2 bn, conv 1/2",
        discriminator_learning_rate=1e-3,
        generator_average_decay=0.99,
        steps=2500,
    ),
    # Table 1 to the letter. 5,000 iterations as in the released script (50 x 100).
    "mnist_paper": InfoGANSettings(
        codes="digit=categorical(10), 2*uniform",
        noise_size=62,
        trunk_layers="conv 64/2, conv 128/2 bn, dense 1024 bn",
        generator_layers="dense 1024 bn, dense 7x7x128 bn, conv 64/2 bn, conv 1/2",
        steps=5000,
    ),
    # Table 2. Continuous codes: the main text says 2, the appendix 4; the generator's input of 168
    # = 124 + 40 + 4 says 4. Iterations are not public.
    "svhn_cropped": dataclasses.replace(
        _TABLE_3, codes="4*categorical(10), 4*uniform", noise_size=124
    ),
    # Table 3, with batch norm on every layer of the generator but the last, and instance noise. As
    # printed, the discriminator wins from the start and every image comes out the same, the codes
    # hidden in differences nobody sees; noise on all that the trunk sees hides them from the
    # recognizer too (docs/results.md has the figures). Iterations are not public.
    "celeb_a": dataclasses.replace(
        _TABLE_3,
        generator_layers="dense 2x2x448 bn, conv 256/2 bn, conv 128/2 bn, conv 64/2 bn, conv 3/2",
        instance_noise_std=0.5,
        instance_noise_steps=3000,
    ),
    # Table 3 to the letter.
    "celeb_a_paper": _TABLE_3,
    # Tables 4 and 5, the row of azimuth; the two other rows follow. With instance noise, for the
    # reason given at celeb_a: on a few hundred faces the discriminator won within 500 steps and the
    # generator made no face at all.
    "faces_3d": _TABLE_4,
    "faces_3d_elevation": dataclasses.replace(
        _TABLE_4,
        mutual_information_weight=0.1,
        generator_learning_rate=3e-4,
        discriminator_learning_rate=4e-4,
    ),
    "faces_3d_lighting": dataclasses.replace(
        _TABLE_4,
        mutual_information_weight=0.1,
        generator_learning_rate=3e-4,
        discriminator_learning_rate=8e-4,
    ),
    # Tables 6 and 7, rotation; width follows. Categoricals: the main text says 4, the appendix 3;
    # the input of 189 = 128 + 60 + 1 says 3.
    "chairs_3d": _TABLE_6,
    "chairs_3d_width": dataclasses.replace(
        _TABLE_6, codes="3*categorical(20, weight=2), width=uniform(weight=0.05)"
    ),
    # "InfoGAN (modified)" of Lin et al., ICML 2020, arXiv 1906.06034: 28 epochs, the generator
    # updated twice a step. Deviation: ReLU, not leaky ReLU, between the generator's convolutions.
    "dsprites": InfoGANSettings(
        codes="5*uniform",
        noise_size=5,
        trunk_layers="conv 32/2, conv 32/2, conv 64/2, conv 64/2, dense 128",
        recognizer_layers="dense 128",
        spectral_norm=True,
        generator_layers=(
            "dense 128 bn, dense 4x4x64 bn, conv 64/2 bn, conv 32/2 bn, conv 32/2 bn, conv 1/2"
        ),
        mutual_information_weight=0.05,
        generator_learning_rate=1e-3,
        discriminator_learning_rate=2e-3,
        generator_updates=2,
        share_fakes=False,
        batch_size=64,
        steps=322_560,
    ),
    # Any other images: Table 3's style, layers made for the image size.
    "general": InfoGANSettings(noise_size=64, steps=20_000),
}
# InfoGAN-CR of the same paper: after 288,000 steps alpha is 2. Deviations: the released code begins
# the network that compares anew at that step, and moves it once a step; here it goes on, and moves
# with each update of the generator.
PRESETS["dsprites_contrastive"] = dataclasses.replace(
    PRESETS["dsprites"], contrastive_weight=2.0, contrastive_start=288_000 / 322_560
)
# Ours: as dsprites, but for a number of steps that a laptop can wait for.
PRESETS["sprites"] = dataclasses.replace(PRESETS["dsprites"], steps=20_000)
PRESETS["digits"] = dataclasses.replace(
    PRESETS["digits_paper"],
    codes="digit=categorical(10), slant=uniform(shear=0.15), width=uniform(aspect=0.08)",
    # The same changes are several units of these codes, and their squares large.
    guidance_weight=0.15,
    **_FROM_REAL_IMAGES,
    **_SLANT_AND_WIDTH,
)
# Table 1's networks.
PRESETS["mnist"] = dataclasses.replace(
    PRESETS["mnist_paper"],
    codes="digit=categorical(10), slant=uniform(shear=0.4), width=uniform(aspect=0.2)",
    steps=1500,
    **_FROM_REAL_IMAGES,
    **_SLANT_AND_WIDTH,
)
PRESETS["fashion_mnist"] = dataclasses.replace(
    PRESETS["mnist_paper"],
    codes="article=categorical(10), 2*uniform",
    steps=1500,
    **_FROM_REAL_IMAGES,
)
