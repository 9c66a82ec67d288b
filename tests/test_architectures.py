import dataclasses

import pytest

from keras_infogan import architectures, datasets, models
from keras_infogan.architectures import Conv, Dense
from keras_infogan.config import UserError


def test_parses_the_notation_of_the_tables():
    layers = architectures.parse_layers("conv 64/2, conv 128 bn, dense 1024 bn, dense 7x7x128")
    assert layers == (
        Conv(64, 2, False),
        Conv(128, 1, True),
        Dense((1024,), True),
        Dense((7, 7, 128), False),
    )
    assert architectures.parse_layers("") == ()


@pytest.mark.parametrize(
    "text",
    [
        *("conv", "conv 64/0", "dense 0", "dense 7x7", "conv 64/2 relu", "pool 2"),
        *("dense 99999999999", "conv 1048577/2", "conv 8/9999999", "dense 4x4x9999999"),
        f"dense {'9' * 150}",
    ],
)
def test_names_the_layer_it_cannot_read(text):
    with pytest.raises(UserError, match=text):
        architectures.parse_layers(f"conv 8/2, {text}")


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        (
            {"recognizer_layers": "conv 64/2"},
            "--recognizer_layers='conv 64/2': a convolution needs an image",
        ),
        ({"discriminator_layers": "conv 64/2"}, "--discriminator_layers"),
        ({"trunk_layers": "dense 64, conv 8/2"}, "--trunk_layers"),
        ({"trunk_layers": "dense 2x2x8"}, "only a generator"),
    ],
)
def test_layers_that_cannot_follow_each_other_are_refused(settings, part):
    with pytest.raises(UserError, match=part):
        dataclasses.replace(models.presets("infogan")["mnist"], **settings)


@pytest.mark.parametrize("text", ["", "dense 100", "conv 8/2", "dense 100, conv 8/2"])
def test_a_generator_must_make_an_image(text):
    with pytest.raises(UserError, match="generator_layers"):
        architectures.generated_shape(architectures.parse_layers(text))


@pytest.mark.parametrize("model", models.MODELS)
@pytest.mark.parametrize(
    "name", [name for name, facts in datasets.DATASETS.items() if facts.channels]
)
def test_every_preset_makes_its_data_sets_images(name, model):
    facts = datasets.DATASETS[name]
    shape = (facts.image_size, facts.image_size, facts.channels)
    settings = models.presets(model)[models.preset_for(model, name)].for_images(shape)
    for name in ("decoder_layers", "generator_layers"):  # of what makes images at once
        layers = architectures.parse_layers(getattr(settings, name, ""))
        assert not layers or architectures.generated_shape(layers) == shape


@pytest.mark.parametrize("size", [8, 16, 28, 32, 48, 64, 128, 256])
def test_general_layers_make_the_size(size):
    _, generator = architectures.general_layers((size, size, 3))
    architectures.check_generator(generator, (size, size, 3))


@pytest.mark.parametrize("size", [7, 30, 100, 178])
def test_general_layers_refuse_other_sizes(size):
    with pytest.raises(UserError, match=f"{size}x{size}"):
        architectures.general_layers((size, size, 3))


def test_a_wrong_image_size_is_told_with_both_sizes():
    with pytest.raises(UserError, match="28x28x1 images but the data has 64x64x3"):
        models.presets("infogan")["mnist"].for_images((64, 64, 3))


def test_whose_layers_they_are_is_said():
    with pytest.raises(UserError, match=r"or other --decoder_layers"):
        models.presets("vae")["mnist"].for_images((64, 64, 3))
    with pytest.raises(UserError, match=r"add one to --decoder_layers"):
        architectures.check_generator("conv 8/2", (8, 8, 1), "decoder_layers")
