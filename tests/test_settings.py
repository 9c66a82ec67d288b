"""Each model's own settings: what they refuse, what they make of what is left open.

None needs TensorFlow.
"""

import dataclasses
import subprocess
import sys

import pytest

from keras_infogan import models
from keras_infogan.codes import LogVariancePosterior, Posterior
from keras_infogan.config import Settings, UserError
from keras_infogan.latents import LatentSpec


def test_settings_and_presets_load_without_tensorflow():
    code = (
        "import sys; sys.modules.update(tensorflow=None, keras=None)\n"
        "from keras_infogan import models\n"
        "for name in models.MODELS: [preset.latent_spec for preset in "
        "models.presets(name).values()]"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", models.MODELS)
def test_a_models_settings_are_those_of_all_models_and_its_own(name):
    kind = models.settings_class(name)
    own, shared = (
        [field.name for field in dataclasses.fields(settings)] for settings in (kind, Settings)
    )
    assert own[: len(shared)] == shared
    assert len(own) > len(shared)
    # What is gone is not there, and what a preset is called is free for every data set's name.
    assert not set(kind.retired) & set(own)
    assert "general" in models.presets(name)
    assert isinstance(kind().latent_spec, LatentSpec)


@pytest.mark.parametrize("name", models.MODELS)
def test_settings_are_read_back_from_json(name):
    for settings in models.presets(name).values():
        assert type(settings).from_json(dataclasses.asdict(settings)) == settings
    with pytest.raises(
        UserError,
        match=(
            f"{models.settings_class(name).title} has no setting 'stepz' here; update keras-infogan"
        ),
    ):
        models.settings_class(name).from_json(dataclasses.asdict(settings) | {"stepz": 3})


@pytest.mark.parametrize(
    ("name", "settings", "part"),
    [
        ("infogan", {"codes": ""}, "--codes is empty"),
        ("infogan", {"generator_updates": 2}, "add --noshare_fakes"),
        ("infogan", {"min_posterior_std": 1.0}, "--min_posterior_std must be at most 0.999"),
        ("dcgan", {"noise_size": 0}, "--noise_size must be at least 1"),
        ("dcgan", {"discriminator_layers": "dense 8, conv 8/2"}, "--discriminator_layers"),
        ("dcgan", {"generator_layers": "conf 8"}, "expected a layer such as"),
        ("vae", {"codes": ""}, "the latents of a VAE are gaussian, and there are none"),
        (
            "vae",
            {"codes": "2*gaussian, kind=categorical(3)"},
            "the latents of a VAE are gaussian, and kind is categorical",
        ),
        (
            "vae",
            {"binarize": True, "likelihood": "gaussian"},
            "--likelihood=bernoulli is the one that fits",
        ),
        ("pixelcnn", {"levels": 1}, "--levels must be at least 2"),
        ("pixelcnn", {"codes": "kind=categorical(3)"}, "add --conditional, or leave it out"),
        ("pixelrnn", {"codes": "kind=categorical(3)"}, "add --conditional, or leave it out"),
        (
            "pixelcnn",
            {"conditional": True, "codes": "slant=uniform"},
            "a conditional PixelCNN has its label as the one code",
        ),
        (
            "pixelrnn",
            {"conditional": True, "codes": "2*categorical(3)"},
            "a conditional PixelRNN has its label as the one code",
        ),
        ("pixelcnn", {"levels": 4, "binarization": "fixed"}, "--levels=4 are more than two"),
        ("pixelrnn", {"levels": 4, "binarization": "fixed"}, "--levels=4 are more than two"),
        ("pixelcnn", {"architecture": "gatet"}, "(did you mean 'gated'?)"),
        ("pixelrnn", {"architecture": "column"}, "--architecture must be one of diagonal, row"),
        ("vae", {"likelihood": "poisson"}, "--likelihood must be one of bernoulli, gaussian"),
        ("vae", {"encoder_layers": "dense 8, conv 8/2"}, "--encoder_layers"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(name, settings, part):
    with pytest.raises(UserError, match=part):
        models.settings_class(name)(**settings)


def test_what_each_model_generates_from():
    infogan, dcgan, vae = (
        models.settings_class(name)().latent_spec for name in ("infogan", "dcgan", "vae")
    )
    assert (infogan.noise.size, len(infogan.codes), infogan.posterior) == (62, 3, Posterior())
    assert (dcgan.noise.size, len(dcgan.codes), dcgan.total_parameters) == (100, 0, 0)
    assert (vae.noise.size, len(vae.codes), vae.posterior, vae.total_parameters) == (
        0,
        10,
        LogVariancePosterior(),
        20,
    )


@pytest.mark.parametrize("name", models.MODELS)
def test_layers_left_open_are_filled_in_for_the_images(name):
    kind = models.settings_class(name)
    layers = [field.name for field in dataclasses.fields(kind) if field.name.endswith("_layers")]
    made = [setting for setting in layers if not getattr(kind(), setting)]
    if not made:
        pytest.skip("nothing of it is made for the image size")
    filled = kind().for_images((32, 32, 3))
    assert [getattr(filled, setting) for setting in layers] != [
        getattr(kind(), setting) for setting in layers
    ]
    assert filled.for_images((32, 32, 3)) == filled
    with pytest.raises(UserError, match=r"30x30"):
        kind().for_images((30, 30, 3))
