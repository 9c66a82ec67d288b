"""Gains of units: by name, checked, the same from a run, from exported files and from servers."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
import urllib3
from conftest import PATIENCE, serve_locally, without_onnx

import keras_infogan
from keras_infogan import contract, dissection, loaded, onnx_model
from keras_infogan.config import UserError
from keras_infogan.units import Units

pytest.importorskip("onnxruntime")
exporting = pytest.importorskip("keras_infogan.export.exporting")

LAYER = "activation_3"


@pytest.fixture(scope="module")
def dissected(digits_run, tmp_path_factory):
    """A copy of `digits_run` whose unit 2 a dissection matched to holes."""
    run = tmp_path_factory.mktemp("dissected") / "digits"
    shutil.copytree(digits_run, run)
    model = loaded.load_run(run, LAYER)[1]
    assert model.units is not None
    places = range(len(model.units.segments))
    units = [{"segment": "hole" if place == 2 else None} for place in places]
    content = {"layer": LAYER, "step": model.step, "units": units}
    (run / "dissection").mkdir()
    (run / "dissection" / "units.json").write_text(json.dumps(content))
    return run


@pytest.fixture(scope="module")
def export_dir(dissected, few_latents, tmp_path_factory):
    """Its export in both formats, open at a layer."""
    run = loaded.load_run(dissected)[0]
    directory = tmp_path_factory.mktemp("opened") / "export"
    agreed = exporting.contract_of(run, {})
    formats = ["saved_model", "onnx"]
    exporting.export(run, agreed, directory, formats, fp16=False, unit_layer=LAYER)
    return directory


@pytest.fixture(scope="module")
def saved_model(export_dir, tmp_path_factory):
    """The export without its ONNX files."""
    return without_onnx(export_dir, tmp_path_factory.mktemp("saved_model") / "export")


@pytest.fixture(scope="module")
def run(dissected):
    return keras_infogan.load(dissected, unit_layer=LAYER)


def test_a_gain_of_0_removes_a_unit_and_1_leaves_it(run):
    model, count = run.trained, len(run.units.segments)
    opened = dissection.OpenGenerator(model, LAYER)
    latents = model.latent_spec.sample(5, 0)
    gains = np.ones((5, count), np.float32)
    assert model.edit(latents, gains) == pytest.approx(model.generate(latents), abs=1e-6)
    gains[:, [0, 2]] = 0
    without = opened.images_with(latents, [0, 2])
    assert model.edit(latents, gains) == pytest.approx(without, abs=1e-6)
    assert np.abs(without - model.generate(latents)).max() > 1e-3


def test_the_contract_says_which_units_there_are(export_dir, run):
    content, agreed = contract.read(export_dir / "generator.json")
    count = len(run.units.segments)
    assert agreed.capabilities == ("generate", "encode", "edit")
    assert agreed.units is not None
    assert agreed.units.layer == LAYER
    assert [place for place, name in enumerate(agreed.units.segments) if name] == [2]
    assert agreed.units.segments[2] == "hole"
    assert content["units"]["shape"] == ["batch", count]
    gain = {"type": "float32", "shape": ["batch", count]}
    plain = content["signatures"]["serving_default"]["inputs"]
    assert content["signatures"]["edit"]["inputs"] == plain | {"unit_gain": gain}
    assert content["onnx"]["editor"]["inputs"] == plain | {"unit_gain": gain}
    rows = {(row["signature"], row["through"]): row for row in content["parity"]}
    assert ("editor", "ONNX Runtime") in rows
    assert any(signature == "edit" for signature, _ in rows)
    assert "`editor.onnx`" in (export_dir / "README.md").read_text()


def test_all_edit_the_same(run, export_dir, saved_model):
    count = len(run.units.segments)
    gains = np.random.default_rng(0).uniform(0, 1, (3, count))
    expected = run.generate(digit=3, slant=0.7, seed=1, num=3, unit_gain=gains)
    assert (expected != run.generate(digit=3, slant=0.7, seed=1, num=3)).any()
    for path in (
        export_dir,
        export_dir / "editor.onnx",
        export_dir / "generator.onnx",
        saved_model,
    ):
        images = keras_infogan.load(path).generate(
            digit=3, slant=0.7, seed=1, num=3, unit_gain=gains
        )
        assert np.abs(images.astype(int) - expected.astype(int)).max() <= 1, path


def test_gains_are_given_by_unit_or_for_all(run):
    count = len(run.units.segments)
    of_all = np.ones(count)
    of_all[2] = 0
    by_unit = run.generate(num=2, unit_gain={2: 0})
    assert (by_unit == run.generate(num=2, unit_gain=of_all)).all()
    assert (by_unit == run.generate(num=2, unit_gain=[of_all, of_all])).all()
    assert (run.generate(num=2, unit_gain={}) == run.generate(num=2)).all()


@pytest.mark.parametrize("kind", ["local", "rest", "grpc"])
def test_servers_take_gains_by_name(export_dir, run, kind):
    client = pytest.importorskip("keras_infogan.serving.client")
    expected = run.generate(digit=3, slant=0.7, num=3, unit_gain={0: 0, 2: 0.5})
    if kind == "local":
        with serve_locally(export_dir) as url:
            _check_served(client, url, export_dir, expected)
    else:
        double = pytest.importorskip("tensorflow_serving_double")
        with double.serve(export_dir / "digits-infogan") as (rest, grpc):
            url = f"http://localhost:{rest}" if kind == "rest" else f"grpc://localhost:{grpc}"
            _check_served(client, url, export_dir, expected)


def _check_served(client, url, export_dir, expected):
    for where in ({"contract": export_dir}, {"model": "digits-infogan"}):
        connected = client.connect(url, **where, timeout=PATIENCE)
        images = connected.generate(digit=3, slant=0.7, num=3, unit_gain={0: 0, 2: 0.5})
        assert np.abs(images.astype(int) - expected.astype(int)).max() <= 1
    assert connected.units == Units("", (None,) * len(connected.units.segments))


def test_a_server_refuses_gains_of_other_numbers(export_dir):
    agreed = contract.read(export_dir / "generator.json")[1]
    assert agreed.units is not None
    count, latents = len(agreed.units.segments), agreed.latent_spec.sample(1, 0)
    feeds = agreed.feeds("edit", latents=latents, unit_gain=np.ones((1, count)))
    inputs = {name: array.tolist() for name, array in feeds.items()}
    with serve_locally(export_dir) as url:
        for gains, part in (
            ([[1.0] * (count - 1)], f"unit_gain: expected the shape (batch, {count}), received"),
            ([[float("nan")] * count], "unit_gain: expected finite numbers, and number 0 is not"),
            ([["x"] * count], "unit_gain: expected float32 numbers, received 'x'"),
        ):
            body = {"signature_name": "edit", "inputs": inputs | {"unit_gain": gains}}
            response = urllib3.request(
                "POST",
                f"{url}/v1/models/digits-infogan:predict",
                body=json.dumps(body).encode(),
                timeout=PATIENCE,
                retries=False,
            )
            assert response.status == 400
            assert part in response.json()["error"]


def test_onnx_marks_an_image_whose_gain_is_no_number(export_dir):
    model = onnx_model.load(export_dir / "editor.onnx", needs=("edit",))
    assert model.units is not None
    gains = np.ones((2, len(model.units.segments)), np.float32)
    gains[1, 0] = np.inf
    images = model.edit(model.latent_spec.sample(2, 0), gains)
    assert np.isfinite(images[0]).all()
    assert np.isnan(images[1]).all()


@pytest.mark.parametrize(
    ("gains", "part"),
    [
        ([1, 0], r"unit_gain: expected the shape \(\d+,\) or \(2, \d+\), received \(2,\)"),
        ({2: np.nan}, "unit_gain: expected finite numbers"),
        ({2: 1e39}, "unit_gain: expected finite numbers"),
        ({9999: 0}, r"unit_gain: expected units from 0 to \d+, received 9999"),
        ({"hole": 0}, r"unit_gain: expected units from 0 to \d+, received 'hole'"),
        ({2: "x"}, "unit_gain: expected numbers, received"),
        ([[1], [1, 2]], "unit_gain: expected numbers, received"),
    ],
)
def test_wrong_gains_are_one_sentence(run, gains, part):
    with pytest.raises(UserError, match=part):
        run.generate(num=2, unit_gain=gains)


def test_gains_and_a_blend_are_one_sentence(run):
    with pytest.raises(UserError, match="expected one category for each code beside it"):
        run.generate(digit={3: 0.5, 8: 0.5}, unit_gain={2: 0})


def test_what_is_not_open_says_how_to_open_it(dissected, export_dir, exported):
    for path in (dissected, exported):
        with pytest.raises(UserError, match="open at no layer; export the run with --unit_layer"):
            keras_infogan.load(path).generate(unit_gain={2: 0})
    with pytest.raises(UserError, match=r"is an export, open at the layer .*; load the run"):
        keras_infogan.load(export_dir, unit_layer=LAYER)
    with pytest.raises(UserError, match="the layer 'activation_9' is not there"):
        keras_infogan.load(dissected, unit_layer="activation_9")


@pytest.mark.parametrize("change", [{"step": 1}, {"layer": "reshape_1"}, {"units": []}])
def test_another_dissection_names_no_units(dissected, tmp_path, change):
    run = dataclasses.replace(loaded.load_run(dissected)[0], directory=tmp_path)
    content = json.loads((dissected / "dissection" / "units.json").read_text())
    (tmp_path / "dissection").mkdir()
    (tmp_path / "dissection" / "units.json").write_text(json.dumps(content | change))
    model = loaded.load_run(dissected, LAYER)[1]
    assert exporting._dissected(run, model) == model.units


@pytest.mark.parametrize("text", ["{", "[]", '{"layer": 5, "step": 6, "units": []}'])
def test_a_damaged_dissection_is_one_sentence(dissected, tmp_path, text):
    run = dataclasses.replace(loaded.load_run(dissected)[0], directory=tmp_path)
    (tmp_path / "dissection").mkdir()
    (tmp_path / "dissection" / "units.json").write_text(text)
    with pytest.raises(UserError, match=r"units.json is damaged; remove it, or dissect"):
        exporting._dissected(run, loaded.load_run(dissected, LAYER)[1])


@pytest.mark.parametrize("units", [None, {}, {"layer": "a", "segments": []}, {"layer": "a"}])
def test_damaged_units_of_a_contract_are_damage(export_dir, units):
    content = json.loads((export_dir / "generator.json").read_text()) | {"units": units}
    with pytest.raises(ValueError, match="units are"):
        contract.from_json(pathlib.Path("run"), content)
