"""Properties that every model must have: another model is another row of MODELS."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE

from keras_infogan import models

VARIANTS = {
    "default": {},
    "fresh fakes": {"share_fakes": False},
    "two generator updates": {"share_fakes": False, "generator_updates": 2},
    "generator's recognizer": {"recognizer_optimizer": "generator"},
    "separate recognizer": {"recognizer_optimizer": "separate"},
    "separate recognizer, fresh fakes": {"recognizer_optimizer": "separate", "share_fakes": False},
    "only watching": {"mutual_information_weight": 0.0},
    "only watching, separate recognizer": {"mutual_information_weight": 0.0, "recognizer_optimizer": "separate"},
    "stabilized": {"spectral_norm": True, "label_smoothing": 0.1, "instance_noise_std": 0.2, "generator_average_decay": 0.9},
    "fixed deviation": {"posterior_std": 1.0},
    "bfloat16": {"precision": "mixed_bfloat16"},
}


def _step(model, batch):
    return {name: float(value) for name, value in tf.function(model.train_step)(batch).items()}


def _weights(model):
    return [variable.numpy() for variable in model.variables]


@pytest.fixture(autouse=True)
def _float32_again():
    yield
    import keras

    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_is_finite_and_moves_every_trainable_weight(name, variant, small, batch):
    model = models.build(name, dataclasses.replace(small, **VARIANTS[variant]), SHAPE)
    before = [variable.numpy() for variable in model.trainable_variables]
    values = _step(model, batch)
    assert np.isfinite(list(values.values())).all()
    assert set(values) == {"generator_loss", "discriminator_loss"} | {f"mutual_information/{code.name}" for code in model.latents.codes}
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(variable.numpy(), old), f"{variable.path} did not move"
    assert model.step == 1


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("variant", ["default", "separate recognizer", "stabilized", "fresh fakes"])
def test_save_and_restore_give_the_same_next_step(name, variant, small, batch, tmp_path):
    config = dataclasses.replace(small, **VARIANTS[variant])
    model = models.build(name, config, SHAPE)
    for _ in range(3):
        _step(model, batch)
    model.save_weights(tmp_path / "saved.weights.h5")
    restored = models.build(name, dataclasses.replace(config, seed=5), SHAPE)
    restored.config = dataclasses.replace(restored.config, seed=config.seed)
    restored.load_weights(tmp_path / "saved.weights.h5")
    assert _step(model, batch) == _step(restored, batch)
    for one, other in zip(_weights(model), _weights(restored), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("variant", ["default", "fresh fakes", "stabilized", "separate recognizer"])
def test_two_replicas_equal_one(name, variant, small, batch, strategies):
    weights = []
    for count in (1, 2):
        with strategies[count].scope():
            model = models.build(name, dataclasses.replace(small, **VARIANTS[variant]), SHAPE)
        model.fit(tf.data.Dataset.from_tensors(batch).repeat(), steps_per_epoch=3, verbose=0, shuffle=False)
        weights.append(_weights(model))
    for one, two in zip(*weights, strict=True):
        assert one == pytest.approx(two, abs=2e-4)


@pytest.mark.parametrize("name", models.MODELS)
def test_sample_and_encode(name, small):
    model = models.build(name, small, SHAPE)
    images = model.sample(7, seed=3)
    assert images.shape == (7, *SHAPE)
    assert np.abs(images).max() <= 1
    assert np.array_equal(images, model.sample(7, seed=3))
    assert not np.array_equal(images, model.sample(7, seed=4))
    answers = model.latents.describe(model.encode(images))
    assert set(answers) == {"kind", "kind_probability", "slant_mean", "slant_std", "tilt_mean", "tilt_std", "smile", "smile_probability"}
    assert all(len(column) == 7 for column in answers.values())
