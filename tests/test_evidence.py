"""Evidence and scores on a model made of numpy, whose codes do exactly what is known of them."""

import numpy as np
import pytest

from keras_infogan import alarms, metrics, scoring
from keras_infogan.config import UserError
from keras_infogan.datasets import ImageSet
from keras_infogan.evidence import Evidence
from keras_infogan.latents import LatentSpec, Noise, parse_codes

CODES = "kind=categorical(4), slant=uniform, smile=bernoulli(0.5)"


class Painter:
    """Paints each code into pixels of its own, and reads it back from there without error; noise goes into the rest."""

    def __init__(self, codes=CODES, noise_size=2):
        self.latents = LatentSpec(Noise(noise_size), parse_codes(codes))

    def generate(self, latents):
        return np.pad(latents, ((0, 0), (0, 16 - latents.shape[1]))).reshape(-1, 4, 4, 1).astype(np.float32)

    def encode(self, images):
        parts = self.latents.unpack(images.reshape(len(images), -1)[:, : self.latents.size])
        sure = {"categorical": lambda code: 100 * code, "bernoulli": lambda code: 200 * code - 100}
        answers = [sure.get(code.kind, lambda value: np.concatenate([value, value * 0 - 50], axis=1))(parts[code.name]) for code in self.latents.codes]
        return np.concatenate(answers, axis=1).astype(np.float32)


def _real(count=600, **known):
    """Real images of the painter's kind as uint8, with labels that are its categories, named the other way round."""
    painter = Painter()
    latents = painter.latents.sample(count, 9)
    images = np.round((painter.generate(latents) + 1) * 127.5).astype(np.uint8)
    values = painter.latents.values(latents)
    factors = np.stack([values["smile"], np.round(values["slant"] * 2)], axis=1)
    given = {"labels": 3 - values["kind"], "label_names": ("a", "b", "c", "d"), "factors": factors, "factor_names": ("smiling", "tilt")}
    return ImageSet(images, **{key: value for key, value in given.items() if key in known.get("having", given)})


def _features(images):
    return images.reshape(len(images), -1)[:, :5]


def _evidence(image_set=None, **changes):
    painter = Painter(**changes)
    return Evidence(painter, lambda: image_set, lambda: (_features, "five pixels"), num_images=500) if image_set else Evidence(painter, num_images=500)


def test_a_model_that_does_what_its_codes_say_scores_best():
    result = scoring.score_all(metrics.chosen("all"), _evidence(_real()))
    scores = result["scores"]
    assert result["skipped"] == {}
    assert set(result["protocols"]) == set(metrics.METRICS)
    assert scores["mutual_information/kind"] == pytest.approx(np.log(4), abs=1e-3)
    assert scores["read_back_accuracy/kind"] == scores["read_back_accuracy/smile"] == 1
    assert scores["read_back_r2/slant"] == pytest.approx(1)
    assert scores["clustering_accuracy/kind"] == 1
    # Redrawing 4 equally likely categories moves two pixels by 1 three times in four; the pixels' variance is 4 * 3/16, one bit's 1/4, that of U(-1, 1) 1/3.
    variance = 3 / 4 + 1 / 4 + 3 * 1 / 3
    assert scores["effect/kind"] == pytest.approx(3 / 4 / variance, abs=0.03)
    assert scores["effect/noise"] == pytest.approx(2 / 3 / variance, abs=0.04)
    assert scores["isolation/slant"] == pytest.approx(1, abs=1e-6)
    assert scores["mutual_information_gap"] > 0.5
    assert "features: five pixels" in result["protocols"]["frechet_distance"]
    assert result["details"]["confusion"]["kind"]["matches"] == {"0": "d", "1": "c", "2": "b", "3": "a"}
    assert np.trace(np.fliplr(result["details"]["confusion"]["kind"]["counts"])) == 600
    table = result["details"]["information_on_factors"]
    assert np.argmax(table["nats"], axis=1).tolist()[1:] == [1, 0]
    assert table["nats"][2][0] == pytest.approx(table["entropies"][0])
    assert result["counts"] == {"generated images": 500, "starts of moves": 500, "real images": 600, "real images in the feature space": 500}
    assert alarms.alarms(scores, Painter().latents.codes, result["details"]["category_shares"]) == []


def test_what_cannot_be_had_is_said_and_everything_else_is_scored():
    result = scoring.score_all(metrics.chosen("all"), _evidence())
    assert {metrics.METRICS[name].group for name in result["protocols"]} == {"generator"}
    assert "comes without a data set" in result["skipped"]["clustering_accuracy"]
    result = scoring.score_all(metrics.chosen("labels,factors"), _evidence(_real(having=("labels", "label_names"))))
    assert result["skipped"]["dci"] == "the data set has no ground-truth factors"
    assert result["scores"]["clustering_accuracy/kind"] == 1
    result = scoring.score_all(metrics.chosen("labels,mutual_information_gap"), _evidence(_real(having=("factors", "factor_names"))))
    assert result["skipped"]["clustering_accuracy"] == "the data set has no labels"
    assert "mutual_information_gap" in result["scores"]
    result = scoring.score_all(metrics.chosen("factors,images"), _evidence(_real(20)))
    assert "at least 100 images" in result["skipped"]["dci"]
    result = scoring.score_all(metrics.chosen("all"), _evidence(codes="slant=uniform", noise_size=0))
    assert result["skipped"]["read_back_accuracy"] == "the model has no discrete code"
    assert "only one code" in result["skipped"]["isolation"]
    assert result["scores"]["effect/slant"] == pytest.approx(1, abs=0.1)


def test_output_that_is_not_finite_is_said_and_real_images_are_still_read():
    evidence = _evidence(_real())
    painter, paint = evidence.model, evidence.model.generate
    painter.generate = lambda latents: np.where(np.arange(len(latents))[:, None, None, None] == 3, np.nan, paint(latents))
    result = scoring.score_all(metrics.chosen("all"), evidence)
    assert "generator's images are not finite for 1 of 500 inputs" in result["skipped"]["mutual_information"]
    assert "not finite" in result["skipped"]["frechet_distance"]
    assert result["scores"]["clustering_accuracy/kind"] == 1
    assert result["scores"].keys() >= {"modularity", "explicitness"}
    found = alarms.alarms(result["scores"], (), {}, result["skipped"].values())
    assert found == ["The generator's images are not finite for 1 of 500 inputs; the model cannot be scored on them."]


def test_data_that_cannot_be_loaded_is_tried_once():
    tried = []

    def load():
        tried.append(1)
        raise UserError("no network")

    result = scoring.score_all(metrics.chosen("labels,factors,images"), Evidence(Painter(), load, load, num_images=100))
    assert set(result["skipped"].values()) == {"no network"}
    assert len(tried) == 2, "images once, features once"


def test_draws_follow_the_seed():
    one, same, other = (Evidence(Painter(), num_images=300, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.moved_images["kind"], same.moved_images["kind"])
    assert not np.array_equal(one.start_images, other.start_images)


def test_a_number_that_is_not_finite_is_no_score(monkeypatch):
    monkeypatch.setattr("keras_infogan.metrics.effect.effect", lambda moved_images, start_images: float("nan"))
    result = scoring.score_all(["effect"], _evidence())
    assert result["scores"] == {}
    assert result["skipped"] == {"effect": "kind came out as nan"}


def test_names_and_groups_of_scores():
    assert metrics.chosen("all") == list(metrics.METRICS)
    assert metrics.chosen("labels, dci,dci")[-1] == "dci"
    assert len(metrics.chosen("labels, dci,dci")) == 5
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
    first["skipped"]["effect"] = "why"
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


KIND, SLANT, _ = parse_codes(CODES)


def test_a_code_read_back_well_under_a_wide_fixed_posterior_is_not_ignored():
    assert alarms.alarms({"mutual_information/slant": -0.23, "read_back_r2/slant": 0.99, "effect/slant": 0.2}, (SLANT,), {}) == []


@pytest.mark.parametrize(
    ("scores", "shares", "part"),
    [
        ({"mutual_information/kind": 0.05}, {}, "The code kind is ignored: an image tells 0.05 of 1.39 nats"),
        ({"mutual_information/kind": -3.0}, {}, "tells 0.00 of 1.39 nats"),
        ({"mutual_information/slant": -0.2, "read_back_r2/slant": 0.1}, {}, "The code slant is ignored"),
        ({"mutual_information/slant": 0.6, "effect/slant": 0.001}, {}, "The code slant hides"),
        ({"mutual_information/kind": 0.7, "read_back_accuracy/kind": 0.5}, {}, "Categories of kind collapse: only 50% of the images"),
        ({"effect/noise": 0.001}, {}, "The noise is ignored: it takes part in 0.1%"),
        ({"density_coverage/coverage": 0.02}, {}, "near only 2% of the real ones"),
        ({}, {"kind": [0.8, 0.1, 0.1, 0.0]}, "Category 0 of kind holds 80% of the real images; an equal share is 25%"),
        ({}, {"kind": [0.5, 0.5, 0.0, 0.0]}, "Categories 2, 3 of kind hold almost no real image"),
    ],
)
def test_alarms(scores, shares, part):
    found = alarms.alarms(scores, (KIND, SLANT), shares)
    assert any(part in sentence for sentence in found), found
    assert len(found) == 1 + (shares.get("kind", [0])[0] == 0.8)
