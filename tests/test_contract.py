"""What an export says of itself: names, types, feeds, and reading it back."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
from conftest import SHAPE, SMALL

from keras_infogan import contract, runs
from keras_infogan.config import UserError
from keras_infogan.contract import Contract


@pytest.fixture
def agreed():
    """A contract with a code of every kind: kind=categorical(3), slant=uniform, tilt=gaussian, smile=bernoulli."""
    run = runs.Run(pathlib.Path("run"), "infogan", "digits", "/somewhere/secret", SHAPE, SMALL)
    return Contract(run, SMALL.latents, 4)


def test_it_is_read_back_and_keeps_the_place_of_the_data_to_itself(agreed):
    renamed = dataclasses.replace(agreed, latents=agreed.latents.renamed({"slant": "lean"}), categories="weights", image_type="uint8", image_layout="NCHW")
    text = json.dumps(renamed.to_json())
    assert "secret" not in text
    again = contract.from_json(pathlib.Path("run"), json.loads(text))
    assert again == dataclasses.replace(renamed, run=dataclasses.replace(renamed.run, data_dir=None))


def test_every_input_says_what_it_takes(agreed):
    inputs = {entry["name"]: entry for entry in agreed.to_json()["inputs"]}
    assert list(inputs) == ["kind", "slant", "tilt", "smile", "noise", "seed"]
    assert (inputs["kind"]["type"], inputs["kind"]["range"], inputs["kind"]["weights"]["shape"]) == ("int64", [0, 2], ["batch", 3])
    assert (inputs["slant"]["range"], inputs["tilt"]["range"], inputs["smile"]["range"]) == ([-1, 1], None, [0, 1])
    assert inputs["seed"]["example"]["noise_begins_with"] == pytest.approx(agreed.latents.noise.from_seeds(np.array([1]))[0, :4], abs=1e-6)


def test_feeds_stand_for_latents(agreed):
    latents = agreed.latents.sample(5, 0)
    parts = agreed.latents.unpack(latents)
    by_index = agreed.feeds("serving_default", latents)
    assert list(by_index) == ["kind", "slant", "tilt", "smile", "noise"]
    assert (by_index["kind"].dtype, by_index["kind"].shape, by_index["noise"].shape) == (np.int64, (5,), (5, 4))
    np.testing.assert_array_equal(np.eye(3)[by_index["kind"]], parts["kind"])
    weights = agreed.feeds("blend", latents)
    np.testing.assert_array_equal(weights["kind"], parts["kind"])
    assert weights["smile"].dtype == np.float32
    assert list(agreed.feeds("from_seed", latents, np.arange(5)))[-1] == "seed"
    assert list(agreed.feeds("latents", latents)) == ["latents"]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_images_change_type_and_layout_and_back(agreed, layout):
    images = np.random.default_rng(0).random((2, 4, 4, 3), np.float32)
    floats = dataclasses.replace(agreed, image_layout=layout)
    np.testing.assert_array_equal(floats.from_onnx_images(floats.to_onnx_images(images)), images)
    integers = dataclasses.replace(floats, image_type="uint8")
    assert integers.to_onnx_images(images).dtype == np.uint8
    assert np.abs(integers.from_onnx_images(integers.to_onnx_images(images)) - images).max() <= 0.5 / 255 + 1e-7


def test_no_noise_is_no_input(agreed):
    config = dataclasses.replace(SMALL, noise_size=0)
    without = Contract(dataclasses.replace(agreed.run, config=config), config.latents, 4)
    assert "noise" not in without.feeds("serving_default", config.latents.sample(2, 0))
    assert [entry["name"] for entry in without.to_json()["inputs"]][-1] == "seed"


@pytest.mark.parametrize("name", ["seed", "images", "latents", "image_bytes", "parameters", "kind_probabilities", "Seed", "KIND", "class", "self"])
def test_names_that_no_input_can_have_are_refused(agreed, name):
    with pytest.raises(UserError, match=f"the name '{name}' cannot be .*--rename=slant=NAME|the name 'kind' cannot be"):
        Contract(agreed.run, agreed.latents.renamed({"slant": name}), 4)


@pytest.mark.parametrize(
    ("names", "part"),
    [
        ({"color": "hue"}, "there is no code 'color'"),
        ({"slnt": "hue"}, "did you mean 'slant'"),
        ({"slant": "tilt"}, "'tilt' is given twice"),
        ({"slant": "noise"}, "'noise' is reserved"),
        ({"slant": "a b"}, "'a b' is no name"),
    ],
)
def test_bad_renames_are_refused(agreed, names, part):
    with pytest.raises(UserError, match=part):
        agreed.latents.renamed(names)


def test_codes_may_swap_names(agreed):
    swapped = agreed.latents.renamed({"slant": "tilt", "tilt": "slant"})
    assert [(code.name, code.kind) for code in swapped.codes[1:3]] == [("tilt", "uniform"), ("slant", "gaussian")]


def test_scores_come_under_the_exported_names(agreed):
    renamed = dataclasses.replace(agreed, latents=agreed.latents.renamed({"kind": "species"}))
    metrics = {
        "evaluated": {"step": 4},
        "scores": {
            "mutual_information/kind": 1.0,
            "effect/slant": 0.5,
            "effect/noise": 0.01,
            "frechet_distance": 2.0,
            "dci/slant": 0.1,
            "dci/completeness": 0.2,
        },
        "details": {"confusion": {"kind": {"matches": {"0": "dog", "1": "cat"}}}, "category_shares": {"kind": [0.98, 0.01, 0.01]}},
        "skipped": {},
        "alarms": ["The noise is ignored: ...", "Category 0 of kind holds ...", "The run is unfinished: step 4 of 5."],
    }
    said = contract.evaluation(renamed, metrics)
    # The parts of dci are no codes, whatever their names.
    expected = {
        "mutual_information/species": 1.0,
        "effect/slant": 0.5,
        "effect/noise": 0.01,
        "frechet_distance": 2.0,
        "dci/slant": 0.1,
        "dci/completeness": 0.2,
    }
    assert said["scores"] == expected
    assert said["labels_of_categories"] == {"species": {"0": "dog", "1": "cat"}}
    assert [alarm.split(" hold")[0].split(":")[0] for alarm in said["alarms"]] == [
        "The noise is ignored",
        "Categories 1, 2 of species",
        "The run is unfinished",
    ]
    assert contract.evaluation(renamed, None) is None


def test_what_cannot_be_read_is_said(tmp_path, agreed):
    path = tmp_path / "generator.json"
    with pytest.raises(UserError, match="is not an export"):
        contract.read(path)
    with pytest.raises(UserError, match="there is no such directory"):
        contract.read(tmp_path / "nowhere" / "generator.json")
    for folder, part in (("web", "has the explorer only"), ("export", r"it has no generator\.json; .*export has")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "generator.json").write_text("{}")
        with pytest.raises(UserError, match=part):
            contract.read(path)
    path.write_text("{}")
    with pytest.raises(UserError, match="is damaged"):
        contract.read(path)
    path.write_text(json.dumps(agreed.to_json() | {"contract": 99}))
    with pytest.raises(UserError, match="newer keras-infogan"):
        contract.read(path)
    path.write_text(json.dumps(agreed.to_json()))
    assert contract.read(path)[1].latents == agreed.latents
