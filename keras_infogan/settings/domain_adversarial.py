"""Settings and presets of domain-adversarial training (Ganin and Lempitsky 2015, arXiv 1409.7495;
Ganin et al. 2016, arXiv 1505.07818, JMLR 17). Loads without TensorFlow.

Deviations of all presets, with the reason:
  - Images are in [-1, 1] everywhere; the paper subtracts the mean image.
  - A batch is as many images of each of the two data sets: `batch_size` is half of the paper's 128.
  - Batch norm and dropout, which the paper's network has not and later code has; without either
    domains stay further apart (--batch_norm=false --dropout=0 is the paper's).
  - L_d is the mean over both data sets' images, as in pumpikano/tf-dann; equation 9 adds the two
    means, with which 1,500 steps of MNIST and MNIST-M ended with one class for all images.
"""

import dataclasses

from keras_infogan import architectures, config
from keras_infogan.config import UserError, setting
from keras_infogan.latents import LatentSpec, Noise


@dataclasses.dataclass(frozen=True, kw_only=True)
class DomainAdversarialSettings(config.Settings):
    """Everything that defines a run of domain-adversarial training, apart from the first data
    set.
    """

    title = "domain-adversarial classifier"
    paper = "Ganin et al. 2016, arXiv 1505.07818"
    reads = ("image", "label", "target_image")
    places = ("target_data_dir",)
    stabilizers = ("--domain_weight=0.1",)

    target_dataset: str = setting(
        "", "the second data set, the target, of which no label is read in training"
    )
    target_data_dir: str = setting(
        "", "its folder or zip of images, or where tensorflow-datasets keeps it; empty: as usual"
    )
    num_classes: int = setting(10, "how many classes there are", minimum=2, maximum=10_000)

    filters: str = setting(
        "32, 48",
        "filters of the feature extractor's 5x5 convolutions, each followed by 2x2 max pooling",
    )
    batch_norm: bool = setting(
        False, "batch norm after each of them, of each data set's images by themselves in training"
    )
    label_layers: str = setting(
        "dense 100, dense 100", "layers of the label predictor but the last, dense ones"
    )
    domain_layers: str = setting(
        "dense 100", "layers of the domain classifier but the last, dense ones"
    )

    dropout: float = setting(
        0.0,
        "share of the features, and of the label predictor's hidden layers, that is dropped in "
        "training",
        minimum=0.0,
        maximum=0.95,
    )

    domain_weight: float = setting(
        1.0,
        "what lambda, the weight of the domains in the features' objective, rises to; 0: trained "
        "on the first data set only",
        minimum=0.0,
    )
    domain_weight_slope: float = setting(
        10.0, "how fast it rises: lambda is 2 / (1 + exp(-slope p)) - 1 at progress p", minimum=0.0
    )
    order: str = setting(
        "together",
        "whether all three networks move at once, as in the paper, or one after another in each "
        "step: domain classifier, label predictor, features",
        choices=("together", "in_turn"),
    )
    learning_rate: float = setting(
        0.01, "step size to begin with; it falls as (1 + 10 p)^-0.75 with progress p", minimum=0.0
    )
    momentum: float = setting(0.9, "momentum of gradient descent", minimum=0.0, maximum=0.9999)

    def __post_init__(self):
        super().__post_init__()
        architectures.parse_numbers("filters", self.filters)
        for name in ("label_layers", "domain_layers"):
            architectures.check_encoder(name, getattr(self, name), flat_input=True)

    @property
    def latent_spec(self):
        """Nothing: it generates no images."""
        return LatentSpec(Noise(0), ())

    def for_images(self, image_shape):
        """Returns the settings, having checked that pooling leaves some of (height, width,
        channels).
        """
        halvings = len(architectures.parse_numbers("filters", self.filters))
        if min(image_shape[:2]) < 2**halvings:
            raise UserError(
                f"--filters={self.filters!r} halves the image {halvings} times, "
                f"and {image_shape[0]}x{image_shape[1]} pixels are too few; give fewer, or a "
                "larger --image_size."
            )
        return self


_NORMALIZED = DomainAdversarialSettings(batch_norm=True, dropout=0.3, batch_size=64)

# A preset is chosen by the first data set's name, or with --preset; "general" serves all others.
PRESETS = {
    # The networks of the paper for MNIST and MNIST-M (its Figure 4a).
    "mnist": dataclasses.replace(_NORMALIZED, target_dataset="mnist_m", steps=3000),
    # Other images: one convolution more, for there is more to see.
    "general": dataclasses.replace(_NORMALIZED, filters="32, 48, 64", steps=5000),
}
