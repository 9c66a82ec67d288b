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
    "float16": {"precision": "mixed_float16"},
    "float16, separate recognizer, two generator updates": {
        "precision": "mixed_float16",
        "recognizer_optimizer": "separate",
        "share_fakes": False,
        "generator_updates": 2,
    },
}


# Loss scaling begins high and skips updates until it is low enough: after as many steps it is.
_SCALE_SETTLED = 10


def _step(model, batch):
    return {name: float(value) for name, value in tf.function(model.train_step)(batch).items()}


def _weights(model):
    return [variable.numpy() for variable in model.state]


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
    for _ in range(_SCALE_SETTLED if model.loss_scale else 0):
        values = _step(model, batch)
    assert np.isfinite(list(values.values())).all()
    assert set(values) == {"generator_loss", "discriminator_loss"} | {f"mutual_information/{code.name}" for code in model.latents.codes}
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(variable.numpy(), old), f"{variable.path} did not move"
    assert model.step == (1 + _SCALE_SETTLED if model.loss_scale else 1)


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("variant", ["default", "separate recognizer", "stabilized", "fresh fakes", "float16"])
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
@pytest.mark.parametrize("variant", ["default", "fresh fakes", "stabilized", "separate recognizer", "float16"])
def test_two_replicas_equal_one(name, variant, small, batch, strategies):
    weights = []
    for count in (1, 2):
        with strategies[count].scope():
            model = models.build(name, dataclasses.replace(small, **VARIANTS[variant]), SHAPE)
        model.fit(tf.data.Dataset.from_tensors(batch).repeat(), steps_per_epoch=3, verbose=0, shuffle=False)
        weights.append(_weights(model))
    for one, two in zip(*weights, strict=True):
        # float16 rounds a thousand times more coarsely, and differently where a replica has half the batch.
        assert one == pytest.approx(two, abs=2e-2 if variant == "float16" else 2e-4)


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("replicas", [1, 2])
def test_a_gradient_beyond_float16_skips_the_update_on_all_replicas(name, replicas, small, batch, strategies):
    """Only the second half of the batch, one replica's part of two, has images that no float16 holds."""
    strategy = strategies[replicas]
    with strategy.scope():
        model = models.build(name, dataclasses.replace(small, precision="mixed_float16"), SHAPE)

    def step(images):
        parts = strategy.experimental_distribute_values_from_function(
            lambda context: {"image": tf.constant(np.split(images, replicas)[context.replica_id_in_sync_group])}
        )
        train(parts)

    train = tf.function(lambda parts: strategy.run(model.train_step, (parts,)))
    images = batch["image"].numpy()
    for _ in range(_SCALE_SETTLED):
        step(images)
    skipped, scale = model.skipped_updates, model.discriminator_optimizer.dynamic_scale.numpy()
    before = [variable.numpy() for variable in model.discriminator_variables]
    images[-1] = 1e6
    step(images)
    assert model.step == _SCALE_SETTLED + 1
    assert model.skipped_updates == skipped + 1  # the discriminator's; the generator never sees a real image
    assert model.discriminator_optimizer.dynamic_scale.numpy() == scale / 2
    for variable, old in zip(model.discriminator_variables, before, strict=True):
        assert all(np.array_equal(copy.numpy(), old) for copy in strategy.experimental_local_results(variable.value))


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
