"""Properties that every model must have: another model is another row of MODELS."""

import dataclasses
import functools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, TINY

from keras_infogan import models, trained

# By model: settings that change how it computes or trains.
# What every model is tried with, and beside it settings of its own.
COMMON = {
    "default": {},
    "bfloat16": {"precision": "mixed_bfloat16"},
    "float16": {"precision": "mixed_float16"},
}
OWN = {
    "infogan": {
        "fresh fakes": {"share_fakes": False},
        "two generator updates": {"share_fakes": False, "generator_updates": 2},
        "separate recognizer": {"recognizer_optimizer": "separate"},
        "separate recognizer, fresh fakes": {
            "recognizer_optimizer": "separate",
            "share_fakes": False,
        },
        "only watching": {"mutual_information_weight": 0.0},
        "only watching, separate recognizer": {
            "mutual_information_weight": 0.0,
            "recognizer_optimizer": "separate",
        },
        "stabilized": {
            "spectral_norm": True,
            "label_smoothing": 0.1,
            "instance_noise_std": 0.2,
            "generator_average_decay": 0.9,
        },
        "generator's recognizer, fixed deviation, no noise": {
            "recognizer_optimizer": "generator",
            "posterior_std": 1.0,
            "noise_size": 0,
        },
        "contrastive": {
            "contrastive_weight": 2.0,
            "share_fakes": False,
            "generator_updates": 2,
        },
        "taught by real images": {
            "codes": "kind=categorical(3), slant=uniform(shear=0.4), tilt=gaussian",
            "real_information_weight": 3.0,
            "generator_follows": True,
            "recognizer_average_decay": 0.9,
            "learning_rate_decay_start": 0.5,
            "augmentation": "shift 0.1, cutout 0.3",
        },
        "taught by labels": {"num_labels": 6},
        "taught by real images, fresh fakes, float16": {
            "codes": "kind=categorical(3), slant=uniform, tilt=gaussian",
            "precision": "mixed_float16",
            "share_fakes": False,
            "real_information_weight": 3.0,
            "generator_follows": True,
        },
        "float16, separate recognizer, two generator updates": {
            "precision": "mixed_float16",
            "recognizer_optimizer": "separate",
            "share_fakes": False,
            "generator_updates": 2,
        },
    },
    "dcgan": {
        "stabilized": {
            "spectral_norm": True,
            "label_smoothing": 0.1,
            "instance_noise_std": 0.2,
            "generator_average_decay": 0.9,
        },
        "Glorot's weights, normal noise": {"weight_std": 0.0, "noise_distribution": "normal"},
    },
    "vae": {
        "beta": {"beta": 4.0},
        "binarized, with capacity": {
            "binarize": True,
            "capacity": 5.0,
            "capacity_steps": 10,
            "beta": 10.0,
        },
        "gaussian": {"likelihood": "gaussian"},
    },
    "egan": {
        "two survivors, no codes": {
            "codes": "",
            "survivors": 2,
            "spectral_norm": True,
            "generator_average_decay": 0.9,
        },
        "a random child": {"selection": "random"},
    },
    "autoencoder": {"denoising": {"corruption": 0.3}, "squared": {"error": "squared"}},
    "vae_gan": {"three classes": {"three_classes": True}},
    "bigan": {
        "gaussian encoder": {"encoder": "gaussian"},
        "averaged": {"average_decay": 0.9, "learning_rate_decay_start": 0.5},
    },
    "triple_gan": {
        "labels alone": {"entropy_weight": 0.0, "balance_weight": 0.0, "dropout": 0.0},
    },
    "domain_adversarial": {
        "in turn": {"order": "in_turn"},
        "as in the paper": {"batch_norm": False, "dropout": 0.0},
    },
    "pixelcnn": {
        "gated": {"architecture": "gated"},
        "binarized": {"levels": 2},
        "conditional": {"conditional": True, "codes": "kind=categorical(3)"},
    },
    "pixelrnn": {"row": {"architecture": "row"}},
    "sequence_autoencoder": {
        "plain": {
            "swap_speaker": False,
            "speaker_weight": 0.0,
            "adversary_weight": 0.0,
            "instance_norm": False,
        },
        "squared": {"adversary_loss": "squared", "adversary_updates": 2},
    },
}
VARIANTS = {name: COMMON | OWN.get(name, {}) for name in models.MODELS}
ALL = [(name, variant) for name, variants in VARIANTS.items() for variant in variants]


# What loss scaling adds is the Learner's, the same for all; the individuals of an E-GAN take their
# scale along.
SCALED = [("infogan", "float16"), ("egan", "float16")]


def _chosen(*variants):
    """Returns those of ALL that are called so."""
    return [(name, variant) for name, variant in ALL if variant in variants]


# Whose steps are taken on two replicas: of each model the variant that draws, keeps and computes
# from the batch as a whole all that it can. A contrastive InfoGAN's fakes are fresh, and its
# generator moves twice.
RICHEST = {
    "dcgan": "stabilized",
    "vae": "binarized, with capacity",
    "autoencoder": "denoising",
    "pixelcnn": "binarized",
}
REPLICATED = [
    *(("infogan", which) for which in ("stabilized", "taught by real images", "contrastive")),
    ("infogan", "separate recognizer"),
    *((name, RICHEST.get(name, "default")) for name in models.MODELS if name != "infogan"),
    ("infogan", "float16"),
    ("pixelcnn", "conditional"),
]
# Whose steps are traced: of each model those that have code of their own. To trace a step takes ten
# times as long as to take one.
TRACED = [
    which
    for which in ALL
    if which in REPLICATED + SCALED or which[1] not in ("default", "bfloat16", "float16")
]


def _settings(name, variant="default", **changes):
    return dataclasses.replace(TINY[name], **VARIANTS[name][variant] | changes)


def _logged(name, model):
    """Returns the names of what a model logs, where they are known."""
    spec = model.latent_spec
    taught = [
        code.name
        for code in spec.codes
        if not code.continuous and getattr(model.settings, "real_information_weight", 0)
    ]
    gan = {"generator_loss", "discriminator_loss"}
    return {
        "infogan": gan
        | {f"mutual_information/{code.name}" for code in spec.codes}
        | {f"{term}/{code}" for term in ("disagreement", "uncertainty") for code in taught}
        | {f"guidance/{code.name}" for code in spec.codes if code.continuous and code.guide}
        | ({"contrast_loss"} if getattr(model.settings, "contrastive_weight", 0) else set())
        | ({"label_loss"} if model.settings.num_classes else set()),
        "dcgan": gan,
        "vae": {"negative_bound", "reconstruction"}
        | {f"divergence/{code.name}" for code in spec.codes},
        "autoencoder": {"reconstruction"},
        "vae_gan": {"encoder_divergence", "dissimilarity", "decoder_loss", "discriminator_loss"},
        "bigan": gan | {"encoder_loss"},
        "domain_adversarial": {"label_loss", "domain_loss", "source_accuracy", "domain_accuracy"},
        "pixelcnn": {"negative_log_likelihood", "bits_per_dimension"},
        "pixelrnn": {"negative_log_likelihood", "bits_per_dimension"},
    }.get(name)


def test_every_model_is_tested_here():
    assert TINY.keys() == models.MODELS.keys()


# A loss scale at which nothing overflows; one that begins high skips updates until it is that low.
_SETTLED_SCALE = 256.0


def _settle(model):
    for optimizer in model.optimizers if model.loss_scale else ():
        optimizer.dynamic_scale.assign(_SETTLED_SCALE)


@functools.cache
def _built(name, variant):
    """Returns a model, and the state that it began with: once for all tests."""
    model = models.build(name, _settings(name, variant), SHAPE)
    _settle(model)
    return model, _weights(model)


def _begun(name, variant):
    """Returns a model as it is built, loss scales aside. It is shared: another call begins anew."""
    model, beginning = _built(name, variant)
    for variable, value in zip(model.state, beginning, strict=True):
        variable.assign(value)
    return model


def _steps(step, batch, count=1):
    """Takes steps and returns what the last one reports."""
    for _ in range(count):
        report = step(batch)
    return {name: float(value) for name, value in report.items()}


def _weights(model):
    return [variable.numpy() for variable in model.state]


@pytest.fixture(autouse=True)
def _nothing_global_changes():
    """Keras's own policy is the user's."""
    yield
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(("name", "variant"), ALL)
def test_a_step_is_finite_and_moves_every_trainable_weight(name, variant, batch):
    model = _begun(name, variant)
    before = [variable.numpy() for variable in model.trainable_variables]
    step = model.train_step
    if (name, variant) in TRACED:
        step = tf.function(step, autograph=False)  # as Keras's fit does
    values = _steps(step, batch)
    assert np.isfinite(list(values.values())).all()
    assert set(values) == (_logged(name, model) or set(values))
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(variable.numpy(), old), f"{variable.path} did not move"
    assert model.step == 1
    assert not model.skipped_updates


@pytest.mark.parametrize(
    ("name", "variant"),
    _chosen("default", "separate recognizer", "stabilized", "fresh fakes")
    + _chosen("binarized", "binarized, with capacity")
    + SCALED,
)
def test_save_and_restore_give_the_same_next_step(name, variant, batch, tmp_path):
    settings = _settings(name, variant)
    model = _begun(name, variant)
    _steps(model.train_step, batch, 2)
    model.save_weights(tmp_path / "saved.weights.h5")
    restored = models.build(name, dataclasses.replace(settings, seed=5), SHAPE)
    restored.settings = dataclasses.replace(restored.settings, seed=settings.seed)
    restored.load_weights(tmp_path / "saved.weights.h5")
    assert _steps(model.train_step, batch) == _steps(restored.train_step, batch)
    for one, other in zip(_weights(model), _weights(restored), strict=True):
        assert np.array_equal(one, other)


def _parts(batch, strategy):
    """Returns a batch of which each replica of a strategy has its part."""
    count = strategy.num_replicas_in_sync
    return strategy.experimental_distribute_values_from_function(
        lambda context: {
            name: tf.constant(np.split(values, count)[context.replica_id_in_sync_group])
            for name, values in batch.items()
        }
    )


@pytest.mark.parametrize(
    ("name", "variant", "through_fit"),
    [(*which, False) for which in REPLICATED] + [("vae", "binarized, with capacity", True)],
)
def test_two_replicas_equal_one(name, variant, through_fit, batch, strategies):
    """The second step begins with all that the first one left."""
    alone = _begun(name, variant)
    with strategies[2].scope():
        model = models.build(name, _settings(name, variant), SHAPE)
    # Where a sum over pixels overflows, half a batch may not.
    _settle(model)
    _steps(alone.train_step, batch, 2)
    if through_fit:
        batches = tf.data.Dataset.from_tensors(batch).repeat()
        model.fit(batches, steps_per_epoch=2, verbose=0, shuffle=False)
    else:
        parts = _parts(batch, strategies[2])
        for _ in range(2):
            strategies[2].run(model.train_step, (parts,))
    for one, two in zip(_weights(alone), _weights(model), strict=True):
        # float16 rounds a thousand times more coarsely, and differently where a replica
        # has half the batch.
        assert one == pytest.approx(two, abs=3e-2 if variant == "float16" else 2e-4)


# By model: how many of its players see real images, if not one alone.
SEE_REAL_IMAGES = {
    "triple_gan": 2,
    "vae_gan": 3,
    "bigan": 2,
    "domain_adversarial": 3,
}


@pytest.mark.parametrize(
    ("replicas", "name"),
    [(1, name) for name in models.MODELS] + [(2, name) for name, _ in SCALED],
)
def test_a_gradient_beyond_float16_skips_the_update_on_all_replicas(
    name, replicas, batch, strategies
):
    """Only the second half of the batch, one replica's part of two, has images that
    no float16 holds.
    """
    strategy = strategies[replicas] if replicas > 1 else tf.distribute.get_strategy()
    with strategy.scope():
        model = models.build(name, _settings(name, "float16"), SHAPE)
    _settle(model)

    def replicated(parts):
        strategy.run(model.train_step, (parts,))

    # One is traced for two replicas.
    traced = replicas > 1 and name == "infogan"
    train = tf.function(replicated, autograph=False) if traced else replicated

    def step(images):
        train(_parts({**batch, "image": images}, strategy))

    images = batch["image"].numpy()
    step(images)
    assert model.skipped_updates == 0
    before = [
        [variable.numpy() for variable in player.variables] for player in model.players.values()
    ]
    images[-1] = 1e6
    step(images)
    assert model.step == 2
    halved = [
        optimizer.dynamic_scale.numpy() == _SETTLED_SCALE / 2 for optimizer in model.optimizers
    ]
    # A discriminator's; a generator never sees a real image, and the adversary on words sees what
    # was normalized before.
    assert sum(halved) == SEE_REAL_IMAGES.get(name, 1)
    assert model.skipped_updates == sum(halved)
    for player, olds, was_skipped in zip(model.players.values(), before, halved, strict=True):
        for variable, old in zip(player.variables, olds, strict=True):
            assert not was_skipped or all(
                np.array_equal(copy.numpy(), old)
                for copy in strategy.experimental_local_results(variable.value)
            )


@pytest.mark.parametrize("name", models.MODELS)
def test_sample_and_encode(name):
    model = trained.TrainedLearner(models.build(name, _settings(name), SHAPE))
    if "generate" not in model.capabilities:
        return
    images = model.sample(7, seed=3)
    assert images.shape == (7, *SHAPE)
    assert np.abs(images).max() <= 1
    assert np.array_equal(images, model.sample(7, seed=3))
    assert not np.array_equal(images, model.sample(7, seed=4))
    if "encode" not in model.capabilities:
        return
    answers = model.latent_spec.describe(model.encode(images))
    expected = {
        (code.name, f"{code.name}_std" if code.continuous else f"{code.name}_probability")
        for code in model.latent_spec.codes
    }
    assert set(answers) == {column for pair in expected for column in pair}
    assert all(len(column) == 7 for column in answers.values())


@pytest.mark.parametrize("name", models.MODELS)
def test_settings_and_presets_go_by_a_models_name(name):
    kind = models.settings_class(name)
    assert type(TINY[name]) is kind
    assert kind.title
    assert kind.paper
    assert {type(settings) for settings in models.presets(name).values()} == {kind}
    fitting = "mnist" if "mnist" in models.presets(name) else "general"
    assert models.preset_for(name, "mnist") == fitting
    assert models.preset_for(name, "my_own") == "general"


@pytest.mark.parametrize("name", models.MODELS)
def test_the_seed_alone_makes_the_weights(name):
    """Whatever random numbers the user has drawn before."""
    weights = []
    for seed, before in ((0, 1), (0, 2), (1, 1)):
        random.seed(before)
        keras.utils.set_random_seed(before)
        state = random.getstate()
        weights.append(
            [
                variable.numpy()
                for variable in models.build(
                    name, _settings(name, seed=seed), SHAPE
                ).trainable_variables
            ]
        )
        assert random.getstate() == state
    assert all(np.array_equal(one, other) for one, other in zip(*weights[:2], strict=True))
    assert not all(
        np.array_equal(one, other) for one, other in zip(weights[0], weights[2], strict=True)
    )


@pytest.mark.parametrize("name", models.MODELS)
def test_the_precision_asked_for_is_that_of_the_networks_only(name):
    settings = _settings(name, precision="mixed_float16")
    for precision, expected in ((None, "float16"), ("float32", "float32")):
        model = models.build(name, settings, SHAPE, precision)
        assert model.settings.precision == "mixed_float16"
        assert model.latent_spec == settings.latent_spec
        kernels = [
            layer
            for network in model.layers
            for layer in network.layers
            if isinstance(layer, (keras.layers.Conv2D, keras.layers.GRU))
        ]
        assert {layer.compute_dtype for layer in kernels[:1]} == {expected}
        assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
