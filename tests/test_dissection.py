"""Units held against segments, switched off and on, where the answers are known because one unit
draws everything.
"""

import dataclasses

import keras
import numpy as np
import pytest
from conftest import SHAPE, TINY

from keras_infogan import dissection, models, segments, trained
from keras_infogan.config import UserError
from keras_infogan.models.dcgan import DCGAN


class _Drawing(DCGAN):
    """Of four units the first draws light rows in the left half, others in each image; the last
    does as it likes and draws nothing, and the rest are off.
    """

    def make_networks(self):
        super().make_networks()
        inputs = keras.Input((self.latent_spec.size,))
        maps = keras.layers.Reshape((4, 4, 4))(keras.layers.Dense(64)(inputs))
        light = keras.layers.Conv2D(1, 1, activation="tanh")(keras.layers.UpSampling2D(2)(maps))
        self.generator = keras.Model(inputs, light)
        kernel = np.zeros((4, 4, 4, 4), np.float32)
        for row in range(4):
            kernel[row, row, :2, 0] = 4
        kernel[..., 3] = np.random.default_rng(0).normal(size=(4, 4, 4))
        _, dense, *_, last = self.generator.layers
        dense.set_weights([kernel.reshape(4, 64), np.zeros(64)])
        last.set_weights([np.reshape([3, 0, 0, 0], (1, 1, 4, 1)), np.array([-1])])


@pytest.fixture(scope="module")
def opened():
    drawing = _Drawing(TINY["dcgan"], SHAPE)
    drawing.compile()
    return dissection.OpenGenerator(trained.TrainedLearner(drawing), "reshape_1")


@pytest.fixture(scope="module")
def segment(opened):
    return segments.segmenter("light", opened.model.sample(1, 0))


def test_the_generator_stays_what_it_was(opened):
    latents = opened.model.latent_spec.sample(7, 0)
    (made, maps), *_ = opened.images_and_maps(latents)
    assert maps.shape == (7, 4, 4, 4)
    assert made == pytest.approx(opened.model.generate(latents), abs=1e-6)
    assert opened.images_with(latents) == pytest.approx(made, abs=1e-6)
    assert "call" not in vars(opened._keras_layer)


def test_units_are_set_everywhere_or_at_places(opened):
    latents = opened.model.latent_spec.sample(3, 0)
    dark = opened.images_with(latents, [0])
    assert dark == pytest.approx(np.full((3, *SHAPE), np.tanh(-1)), abs=1e-6)
    assert opened.images_with(latents, [1, 3]) == pytest.approx(opened.images_with(latents))
    places = np.zeros((3, 4, 4, 1), np.float32)
    places[:, 3, 2] = 1
    changed = opened.images_with(latents, [0], 5.0, places) != opened.images_with(latents)
    assert changed[:, 6:, 4:6].all()
    assert changed.sum() == 3 * 4


def test_the_unit_that_draws_agrees_and_more_than_with_other_images(opened, segment):
    names, own, shuffled = dissection.agreement(opened, segment, 200, seed=0)
    assert names[0] == "light"
    assert own.ious[0, 0] > 0.7
    assert own.ious[0, 0] > 1.5 * shuffled.ious[0, 0]
    assert own.found[0, 0]
    assert own.ratios[0, 0] == own.ratios.max()
    # Units that are off tell nothing.
    assert own.ratios[1:3] == pytest.approx(0, abs=1e-6)
    assert not own.found[1:3].any()


def test_agreement_is_intersection_by_union_at_the_best_threshold(opened, segment):
    """The same from the images themselves."""
    _, own, _ = dissection.agreement(opened, segment, 100, seed=0)
    latents = opened.model.latent_spec.sample(200, 0)
    (_, _), (made, maps) = opened.images_and_maps(latents)
    active = dissection.resized(maps, SHAPE[:2])[..., 3] > own.thresholds[3, 1]
    masks = segment(made)["upper half"]
    assert own.ious[3, 1] == pytest.approx((active & masks).sum() / (active | masks).sum())


def test_the_unit_that_draws_is_found_and_does_it(opened, segment, monkeypatch):
    monkeypatch.setattr(dissection, "_STAND_IN_IMAGES", 500)
    effects, left_out, ious = dissection.effects(opened, segment, 1, 200, seed=0)
    effect = effects["light"]
    assert "light" not in left_out
    assert ious["light"] > 0.8
    assert effect.units.tolist() == [0]
    assert effect.removed["light"] == 1
    assert effect.inserted > 0.9
    for units_of_random, inserted in zip(
        effect.removed_by_random, effect.inserted_by_random, strict=True
    ):
        assert (units_of_random, inserted) in ((0, 0), (1, effect.inserted))


def test_what_hardly_any_image_shows_is_left_out(opened, monkeypatch):
    monkeypatch.setattr(dissection, "_STAND_IN_IMAGES", 50)

    def segment(made):
        nowhere = np.zeros(made.shape[:3], bool)
        return {"nothing": nowhere, "all": ~nowhere}

    effects, left_out, _ = dissection.effects(opened, segment, 1, 50, seed=0)
    assert effects == {}
    assert left_out == {"nothing": "hardly any image shows it", "all": "it is everywhere"}


def test_the_unit_behind_artifacts_is_found(opened):
    """Where real images are those without what a unit draws."""
    latents = opened.model.latent_spec.sample(100, 9)
    real = opened.images_with(latents, [0]) + np.random.default_rng(0).normal(
        0, 0.1, (100, *SHAPE)
    ).astype(np.float32)

    def featurize(images):
        return images[:, ::4, 0, 0]

    found = dissection.artifacts(opened, featurize, (real, real), 1, 100, seed=0)
    assert found["units"] == [0]
    assert found["without_units"] < 0.1 < found["frechet_distance"]
    assert len(found["without_random_units"]) == 5
    chosen = dissection.artifacts(opened, featurize, (real, real), 1, 100, seed=0, chosen=[3])
    assert chosen["without_units"] == pytest.approx(found["frechet_distance"])
    with pytest.raises(UserError, match="give a larger --num"):
        dissection.artifacts(opened, featurize, (real[:2], real[:2]), 1, 100, seed=0)


@pytest.mark.parametrize(
    ("layer", "part"),
    [
        ("activation_9", "the layer 'activation_9' is not there; those with maps are reshape_1"),
        ("dense_1", "the layer 'dense_1' has no map"),
    ],
)
def test_a_layer_that_cannot_be_looked_into_is_one_sentence(opened, layer, part):
    with pytest.raises(UserError) as error:
        dissection.OpenGenerator(opened.model, layer)
    assert part in str(error.value)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("pixelcnn", "a PixelCNN draws its images pixel by pixel"),
        ("vae", "this VAE generates without a map of units (its layers: dense_1, "),
        ("domain_adversarial", "cannot generate from latents"),
    ],
)
def test_a_model_without_such_a_generator_is_one_sentence(name, part):
    settings = TINY[name]
    if name == "vae":
        settings = dataclasses.replace(settings, decoder_layers="dense 16, dense 8x8x1")
    model = trained.TrainedLearner(models.build(name, settings, SHAPE))
    with pytest.raises(UserError) as error:
        dissection.OpenGenerator(model)
    assert part in str(error.value)


def test_units_that_are_not_there_are_one_sentence(opened):
    with pytest.raises(UserError, match="at most 2, half the units of reshape_1, received 3"):
        opened.check_units(3)
    with pytest.raises(UserError, match="has units 0 to 3, and no 4"):
        opened.check_units(2, [1, 4])
