"""What models can do, by name, and the one sentence where one cannot."""

import types

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, TINY

from keras_infogan import capabilities, models, trained
from keras_infogan.codes import Gaussian
from keras_infogan.config import UserError
from keras_infogan.latents import LatentSpec, Noise


def _model(*methods, noise_size=2):
    spec = LatentSpec(Noise(noise_size), (Gaussian("z"),))
    return types.SimpleNamespace(
        latent_spec=spec, **{name: lambda *values: values[0] for name in methods}
    )


CAN = {
    "infogan": ("generate", "encode"),
    "dcgan": ("generate",),
    "vae": ("generate", "encode", "reconstruct", "log_likelihood"),
    "autoencoder": ("generate", "encode", "reconstruct"),
    "vae_gan": ("generate", "encode", "reconstruct"),
    "bigan": ("generate", "encode", "reconstruct"),
    "triple_gan": ("generate", "encode", "classify"),
    "domain_adversarial": ("classify",),
    "sequence_autoencoder": ("decode", "encode", "reconstruct"),
    "pixelcnn": ("generate", "log_likelihood", "surprise", "complete"),
    "pixelrnn": ("generate", "log_likelihood", "surprise", "complete"),
}


@pytest.mark.parametrize("name", models.MODELS)
def test_what_each_model_can_do(name):
    model = models.build(name, TINY[name], SHAPE)
    expected = capabilities.of(model)
    assert expected == CAN.get(name, expected)
    latents, images = tf.constant(model.latent_spec.sample(3, 0)), tf.zeros((3, *SHAPE))
    shapes = {
        "generate": (3, *SHAPE),
        "decode": (3, *SHAPE),
        "encode": (3, model.latent_spec.total_parameters),
        "reconstruct": (3, *SHAPE),
        "log_likelihood": (3,),
        "classify": (3, getattr(model, "num_classes", 0)),
        "surprise": (3, *SHAPE[:2]),
        "complete": (3, *SHAPE),
    }
    for capability in expected:
        inputs = [latents if capability in ("generate", "decode") else images]
        if capability == "log_likelihood" and model.likelihood["noise_size"]:
            inputs.append(tf.zeros((3, model.likelihood["noise_size"])))
        if capability == "complete":
            inputs += [images, latents]
        result = capabilities.function(model, capability)(*inputs)
        assert tuple(result.shape) == shapes[capability]
        assert np.isfinite(result).all()
    face = trained.TrainedLearner(model)
    if face.has_hidden:
        hidden = face.hidden(images.numpy())
        assert hidden.dtype == np.float32
        assert len(hidden) == 3
        assert hidden.ndim == 2


@pytest.mark.parametrize(
    ("methods", "noise_size", "expected"),
    [
        ((), 2, ()),
        (("encode", "generate"), 2, ("generate", "encode")),
        (("encode", "generate"), 0, ("generate", "encode", "reconstruct")),
        (("generate",), 0, ("generate",)),
        (("encode", "decode"), 0, ("decode", "encode", "reconstruct")),
        (("encode", "generate", "reconstruct"), 2, ("generate", "encode", "reconstruct")),
        (("train", "log_likelihood"), 2, ("log_likelihood",)),
    ],
)
def test_a_method_is_a_capability_and_some_follow_from_others(methods, noise_size, expected):
    assert capabilities.of(_model(*methods, noise_size=noise_size)) == expected


def test_a_models_own_way_to_reconstruct_comes_first():
    model = _model("generate", "encode", noise_size=0)
    model.reconstruct = lambda images: "its own"
    assert capabilities.function(model, "reconstruct")(None) == "its own"


@pytest.mark.parametrize(
    ("title", "can", "asked", "expected"),
    [
        (
            "InfoGAN",
            ("generate", "encode"),
            "log_likelihood",
            "an InfoGAN cannot say how likely images are; it can generate from latents, encode",
        ),
        ("VAE", ("encode",), "generate", "a VAE cannot generate from latents; it can encode"),
        ("DCGAN", (), "reconstruct", "a DCGAN cannot reconstruct; it can do nothing of that kind"),
    ],
)
def test_what_a_model_cannot_do_is_one_sentence(title, can, asked, expected):
    model = types.SimpleNamespace(title=title, capabilities=can)
    with pytest.raises(UserError) as error:
        capabilities.require(model, asked)
    assert str(error.value).removesuffix(".") == expected
    for capability in can:
        capabilities.require(model, capability)
