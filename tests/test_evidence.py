"""Evidence and scores on a model made of numpy, whose codes do exactly what is known of them."""

import tracemalloc
from typing import ClassVar

import numpy as np
import pytest

from keras_infogan import alarms, datasets, metrics, scoring
from keras_infogan.capabilities import CAPABILITIES
from keras_infogan.config import UserError
from keras_infogan.datasets import ImageSet
from keras_infogan.evidence import Evidence
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_codes

CODES = "kind=categorical(4), slant=uniform, smile=bernoulli(0.5)"


class Painter:
    """Paints each code into pixels of its own, and reads it back from there without error; noise
    goes into the rest.
    """

    title = "Painter"
    capabilities, has_hidden = tuple(CAPABILITIES), False
    classes = ("a", "b", "c", "d")
    likelihood: ClassVar = {
        "meaning": "nats of a coin for each image",
        "exact": True,
        "binary": False,
        "noise_size": 0,
    }

    def __init__(self, codes=CODES, noise_size=2):
        self.latent_spec = LatentSpec(Noise(noise_size), parse_codes(codes))

    def generate(self, latents):
        return (
            np.pad(latents, ((0, 0), (0, 16 - latents.shape[1])))
            .reshape(-1, 4, 4, 1)
            .astype(np.float32)
        )

    def encode(self, images):
        parts = self.latent_spec.unpack(images.reshape(len(images), -1)[:, : self.latent_spec.size])
        sure = {"categorical": lambda code: 100 * code, "bernoulli": lambda code: 200 * code - 100}
        answers = [
            sure.get(code.kind, lambda value: np.concatenate([value, value * 0 - 50], axis=1))(
                parts[code.name]
            )
            for code in self.latent_spec.codes
        ]
        return np.concatenate(answers, axis=1).astype(np.float32)

    def reconstruct(self, images):
        return self.generate(images.reshape(len(images), -1)[:, : self.latent_spec.size])

    def classify(self, images):
        flat = images.reshape(len(images), -1)[:, : self.latent_spec.size]
        return self.latent_spec.unpack(flat)["kind"][:, ::-1]

    def log_likelihood(self, images, seed=0, num_samples=1):
        return np.full(len(images), np.log(0.5))


class Untrained(Painter):
    """Reads the same of every image."""

    def encode(self, images):
        return 0 * super().encode(images)


def _real(count=600, noise_size=2, **known):
    """Real images of the painter's kind as uint8, with labels that are its categories, named the
    other way round.
    """
    painter = Painter(noise_size=noise_size)
    latents = painter.latent_spec.sample(count, 9)
    images = np.round((painter.generate(latents) + 1) * 127.5).astype(np.uint8)
    values = painter.latent_spec.values(latents)
    factors = np.stack([values["smile"], np.round(values["slant"] * 2)], axis=1)
    given = {
        "labels": 3 - values["kind"],
        "label_names": ("a", "b", "c", "d"),
        "factors": factors,
        "factor_names": ("smiling", "tilt"),
    }
    return ImageSet(
        images, **{key: value for key, value in given.items() if key in known.get("having", given)}
    )


def _features(images):
    return images.reshape(len(images), -1)[:, :5]


def _evidence(image_set=None, **changes):
    painter = Painter(**changes)
    return (
        Evidence(
            painter,
            lambda: image_set,
            lambda: (_features, "five pixels"),
            num_images=500,
            load_training=lambda: image_set,
            load_untrained=Untrained,
        )
        if image_set
        else Evidence(painter, num_images=500)
    )


def test_a_model_that_does_what_its_codes_say_scores_best():
    result = scoring.score_all(metrics.chosen("all"), _evidence(_real()))
    scores = result["scores"]
    speech = {name for name, metric in metrics.METRICS.items() if metric.group == "speech"}
    assert set(result["skipped"]) == speech
    assert set(result["protocols"]) == set(metrics.METRICS) - speech
    assert scores["mutual_information/kind"] == pytest.approx(np.log(4), abs=1e-3)
    assert scores["read_back_accuracy/kind"] == scores["read_back_accuracy/smile"] == 1
    assert scores["read_back_r2/slant"] == pytest.approx(1)
    assert scores["clustering_accuracy/kind"] == 1
    # Redrawing 4 equally likely categories moves two pixels by 1 three times in four; the pixels'
    # variance is 4 * 3/16, one bit's 1/4, that of U(-1, 1) 1/3.
    variance = 3 / 4 + 1 / 4 + 3 * 1 / 3
    assert scores["effect/kind"] == pytest.approx(3 / 4 / variance, abs=0.03)
    assert scores["effect/noise"] == pytest.approx(2 / 3 / variance, abs=0.04)
    assert scores["isolation/slant"] == pytest.approx(1, abs=1e-6)
    assert scores["mutual_information_gap"] > 0.5
    assert "features: five pixels" in result["protocols"]["frechet_distance"]
    assert result["details"]["confusion"]["kind"]["matches"] == {
        "0": "d",
        "1": "c",
        "2": "b",
        "3": "a",
    }
    assert np.trace(np.fliplr(result["details"]["confusion"]["kind"]["counts"])) == 600
    table = result["details"]["information_on_factors"]
    assert np.argmax(table["nats"], axis=1).tolist()[1:] == [1, 0]
    assert table["nats"][2][0] == pytest.approx(table["entropies"][0])
    assert result["counts"] == {
        "generated images": 500,
        "starts of moves": 500,
        "real images": 600,
        "real images counted by class": 600,
        "real images in the feature space": 500,
        "real images reconstructed": 500,
        "real images whose likelihood was asked for": 500,
    }
    assert scores["class_shares/perplexity"] == pytest.approx(4, abs=0.1)
    # But for rounding to bytes.
    assert scores["reconstruction_error/mean_squared"] == pytest.approx(0, abs=1e-5)
    assert scores["reconstruction_error/distance_ratio"] < 0.02
    assert scores["feature_reconstruction_error"] == pytest.approx(0, abs=1e-4)
    assert "features: five pixels" in result["protocols"]["feature_reconstruction_error"]
    # Its categories, four pixels of an image, are the classes.
    assert scores["nearest_neighbor_accuracy/encoder"] == 1
    assert scores["nearest_neighbor_accuracy/pixels"] == 1
    assert scores["nearest_neighbor_accuracy/untrained_encoder"] < 0.5
    assert scores["k_means_accuracy"] > 0.45
    # Of the two factors one is a yes or no.
    assert "attribute_flips/smiling" in scores
    assert "attribute_flips/tilt" not in scores
    assert scores["log_likelihood/exact"] == pytest.approx(np.log(0.5))
    assert (
        alarms.alarms(scores, Painter().latent_spec.codes, result["details"]["category_shares"])
        == []
    )


def test_an_attribute_that_is_a_code_is_a_direction():
    evidence = _evidence(_real(noise_size=0), noise_size=0)
    scores = scoring.score_all(["attribute_flips"], evidence)["scores"]
    assert scores["attribute_flips/smiling"] == scores["attribute_flips/mean"] == 1
    assert scores["attribute_flips/smiling_random"] < 0.7


def test_what_cannot_be_had_is_said_and_everything_else_is_scored():
    result = scoring.score_all(metrics.chosen("all"), _evidence())
    assert {metrics.METRICS[name].group for name in result["protocols"]} == {"generator"}
    assert "comes without a data set" in result["skipped"]["clustering_accuracy"]["reason"]
    result = scoring.score_all(
        metrics.chosen("labels,factors"), _evidence(_real(having=("labels", "label_names")))
    )
    assert result["skipped"]["dci"] == {
        "reason": "the data set has no ground-truth factors",
        "kind": "missing",
    }
    assert result["scores"]["clustering_accuracy/kind"] == 1
    result = scoring.score_all(
        metrics.chosen("labels,mutual_information_gap"),
        _evidence(_real(having=("factors", "factor_names"))),
    )
    assert result["skipped"]["clustering_accuracy"]["reason"] == "the data set has no labels"
    assert "mutual_information_gap" in result["scores"]
    result = scoring.score_all(metrics.chosen("factors,images"), _evidence(_real(20)))
    assert "at least 100 images" in result["skipped"]["dci"]["reason"]
    result = scoring.score_all(
        metrics.chosen("all"), _evidence(codes="slant=uniform", noise_size=0)
    )
    assert result["skipped"]["read_back_accuracy"]["reason"] == "the model has no discrete code"
    assert "only one code" in result["skipped"]["isolation"]["reason"]
    assert result["scores"]["effect/slant"] == pytest.approx(1, abs=0.1)


def test_output_that_is_not_finite_is_said_and_real_images_are_still_read():
    evidence = _evidence(_real())
    painter, paint = evidence.model, evidence.model.generate
    painter.generate = lambda latents: np.where(
        np.arange(len(latents))[:, None, None, None] == 3, np.nan, paint(latents)
    )
    result = scoring.score_all(
        metrics.chosen("generator,labels,modularity,explicitness,images"), evidence
    )
    assert (
        "generator's images are not finite for 1 of 500 inputs"
        in result["skipped"]["mutual_information"]["reason"]
    )
    assert "not finite" in result["skipped"]["frechet_distance"]["reason"]
    assert {entry["kind"] for entry in result["skipped"].values()} == {"not_finite"}
    assert result["scores"]["clustering_accuracy/kind"] == 1
    assert result["scores"].keys() >= {"modularity", "explicitness"}
    found = alarms.alarms(result["scores"], (), {}, result["skipped"].values())
    assert found == [
        alarms.Alarm(
            "not_finite",
            "The generator's images are not finite for 1 of 500 inputs; "
            "the model cannot be scored on them.",
        )
    ]


def _memory_of_scores(count, monkeypatch):
    """Returns the most bytes held at once while scores that only count are computed on `count`
    images, and those scores.
    """
    monkeypatch.setattr("keras_infogan.evidence.MOST_POINTS", 200)
    images, trained_on = _real(count), _real(200)
    evidence = Evidence(
        *(Painter(), lambda: images, lambda: (_features, "five pixels"), 200),
        load_training=lambda: trained_on,
    )
    tracemalloc.start()
    names = [
        *("clustering_accuracy", "normalized_mutual_information", "adjusted_rand_index"),
        *("consistency", "k_means_accuracy", "modularity", "nearest_neighbor_accuracy"),
        *("classification_accuracy", "frechet_distance"),
    ]
    try:
        result = scoring.score_all(names, evidence)
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_real_images(monkeypatch):
    """But for the order in which a sample is drawn, 8 bytes for each image for a moment."""
    few, many = 5_000, 25_000
    _memory_of_scores(few, monkeypatch)  # what is loaded once
    (least, _), (most, result) = (_memory_of_scores(count, monkeypatch) for count in (few, many))
    assert most - least < 16 * (many - few), "a byte for each pixel"
    assert set(result["skipped"]) == set()
    assert result["counts"]["real images counted by class"] == many
    assert result["counts"]["real images"] == 200
    assert result["scores"]["clustering_accuracy/kind"] == 1
    counts = np.array(result["details"]["class_confusion"]["images"]["counts"])
    assert counts.sum() == many
    assert result["scores"]["classification_accuracy"] == np.trace(counts) / many == 1


def test_all_images_are_counted_as_the_sample_is(monkeypatch):
    whole = _evidence(_real(2500)).category_counts
    monkeypatch.setattr("keras_infogan.evidence.MOST_POINTS", 100)
    for name, counts in _evidence(_real(2500)).category_counts.items():
        np.testing.assert_array_equal(counts, whole[name])


def test_an_answer_outside_the_sample_that_is_not_finite_keeps_no_other_score_back(monkeypatch):
    monkeypatch.setattr("keras_infogan.evidence.MOST_POINTS", 100)
    evidence = _evidence(_real(500))
    unsampled = evidence.image_set.images[np.setdiff1d(np.arange(500), evidence._points)[0]]
    encode = evidence.model.encode

    def encode_all_but_one(images):
        odd = (images == datasets.to_float(unsampled)).all(axis=(1, 2, 3))
        return np.where(odd[:, None], np.nan, encode(images))

    evidence.model.encode = encode_all_but_one
    result = scoring.score_all(["clustering_accuracy", "k_means_accuracy"], evidence)
    assert set(result["scores"]) == {"k_means_accuracy"}
    assert result["skipped"]["clustering_accuracy"]["kind"] == "not_finite"


def test_data_that_cannot_be_loaded_is_tried_once():
    tried = []

    def load():
        tried.append(1)
        raise UserError("no network")

    result = scoring.score_all(
        metrics.chosen("labels,factors,images"),
        Evidence(Painter(), load, load, num_images=100, load_training=load),
    )
    assert {entry["reason"] for entry in result["skipped"].values()} == {"no network"}
    assert len(tried) == 3, "real images, those trained on, and features once each"


def test_draws_follow_the_seed():
    one, same, other = (Evidence(Painter(), num_images=300, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.moved_images["kind"], same.moved_images["kind"])
    assert not np.array_equal(one.start_images, other.start_images)


def test_a_number_that_is_not_finite_is_no_score(monkeypatch):
    monkeypatch.setattr(
        "keras_infogan.metrics.effect.effect", lambda moved_images, start_images: float("nan")
    )
    result = scoring.score_all(["effect"], _evidence())
    assert result["scores"] == {}
    assert result["skipped"] == {"effect": {"reason": "kind came out as nan", "kind": "missing"}}


def test_names_and_groups_of_scores():
    assert metrics.chosen("all") == list(metrics.METRICS)
    assert metrics.chosen("labels, dci,dci")[-1] == "dci"
    assert len(metrics.chosen("labels, dci,dci")) == 7
    with pytest.raises(UserError, match="did you mean 'dci'"):
        metrics.chosen("dcii")


def test_a_partial_evaluation_keeps_what_was_scored_before_on_the_same_step():
    def content(command, step, **scores):
        empty = {"details": {}, "counts": {}}
        return {
            "command": command,
            "evaluated": {"step": step},
            "scores": scores,
            "protocols": dict.fromkeys(scores, "p"),
            "seconds": {},
            "skipped": {},
            **empty,
        }

    first = scoring.merged(content("one", 5, dci=0.5, modularity=0.1), None)
    first["skipped"]["effect"] = {"reason": "why", "kind": "missing"}
    second = scoring.merged(content("two", 5, dci=0.7, effect=0.3), first)
    assert second["scores"] == {"modularity": 0.1, "dci": 0.7, "effect": 0.3}
    assert second["commands"] == ["one", "two"]
    assert second["skipped"] == {}
    assert scoring.merged(content("three", 6, dci=0.9), second)["scores"] == {"dci": 0.9}


def test_moves_are_as_many_as_memory_allows():
    class Large(Painter):
        def generate(self, latents):
            return np.zeros((len(latents), 600, 600, 3), np.float32)

    assert len(Evidence(Painter()).start_images) == 1000
    assert len(Evidence(Large()).start_images) == 50


@pytest.mark.parametrize(
    ("capabilities", "scored"),
    [
        (("generate",), {"effect", "gray_level_change", "isolation", "frechet_distance"}),
        (("generate", "encode"), {"mutual_information", "clustering_accuracy", "dci"}),
        (("generate", "encode", "reconstruct"), {"reconstruction_error"}),
        (("generate", "log_likelihood"), {"log_likelihood"}),
    ],
)
def test_what_a_model_cannot_do_is_said(capabilities, scored):
    evidence = _evidence(_real())
    evidence.model.capabilities = capabilities
    result = scoring.score_all(metrics.chosen("all"), evidence)
    assert scored <= result["protocols"].keys()
    reasons = {name: entry["reason"] for name, entry in result["skipped"].items()}
    needed = {
        "mutual_information": "encode",
        "dci": "encode",
        "reconstruction_error": "reconstruct",
        "log_likelihood": "say how likely images are",
    }
    needed = {name: what for name, what in needed.items() if name not in result["protocols"]}
    for name, what in needed.items():
        assert reasons[name].startswith(f"a Painter cannot {what}; it can generate from latents")


def test_a_generator_without_codes_is_scored_on_its_images():
    painter = Painter(codes="")
    painter.capabilities = ("generate",)
    result = scoring.score_all(
        metrics.chosen("generator,images"),
        Evidence(painter, _real, lambda: (_features, "five pixels"), num_images=500),
    )
    assert result["skipped"]["mutual_information"]["reason"]
    assert "there are no codes" in result["skipped"]["isolation"]["reason"]
    assert result["scores"]["effect/noise"] == pytest.approx(1, abs=0.1)
    assert "frechet_distance" in result["scores"]
