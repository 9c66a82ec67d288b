"""What an export says of itself: names, types, feeds, and reading it back, in contracts of this
version and of the first.
"""

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from conftest import SHAPE, SMALL, TINY

from keras_infogan import contract
from keras_infogan.capabilities import CAPABILITIES
from keras_infogan.codes import Categorical, Posterior, Uniform
from keras_infogan.config import UserError
from keras_infogan.contract import Contract
from keras_infogan.framing import CELEB_A
from keras_infogan.latents import LatentSpec, Noise

DATA = pathlib.Path(__file__).with_name("data")
CAN = {
    "infogan": ("generate", "encode"),
    "dcgan": ("generate",),
    "vae": ("generate", "encode", "reconstruct", "log_likelihood"),
}


def contract_of(settings, model="infogan", likelihood=None, **changes):
    """Returns the Contract of a model of these settings."""
    spec = settings.latent_spec
    known = {
        "title": settings.title,
        "paper": settings.paper,
        "reads": settings.reads,
        "dataset": "digits",
        "license": "CC BY 4.0",
        "fingerprint": None,
        "image_shape": SHAPE,
        "settings": dataclasses.asdict(settings),
        "trained_as": tuple(code.name for code in spec.codes),
        "step": 4,
        "capabilities": CAN[model],
        "likelihood": likelihood,
    }
    return Contract(model=model, latent_spec=spec, **{**known, **changes})


LIKELIHOOD = {
    "meaning": "a lower bound on the log likelihood, in nats",
    "exact": False,
    "binary": True,
    "noise_size": 2,
}


@pytest.fixture
def agreed():
    """A contract with a code of every kind: kind=categorical(3), slant=uniform, tilt=gaussian,
    smile=bernoulli.
    """
    return contract_of(SMALL)


@pytest.fixture(params=CAN)
def of_any(request):
    """A contract of codes and noise, of noise alone, and of codes alone with everything that can be
    asked of a model.
    """
    return contract_of(
        TINY[request.param], request.param, LIKELIHOOD if request.param == "vae" else None
    )


def _again(agreed, **changes):
    return contract.from_json(
        pathlib.Path("run"), json.loads(json.dumps(agreed.to_json() | changes))
    )


def test_it_is_read_back(agreed):
    spec = agreed.latent_spec.renamed({"slant": "lean"})
    renamed = dataclasses.replace(
        agreed,
        latent_spec=spec,
        categories="weights",
        image_type="uint8",
        image_layout="NCHW",
        fingerprint="cats",
    )
    assert _again(renamed) == renamed


def test_every_models_contract_is_read_back(of_any):
    assert _again(of_any) == of_any
    assert of_any.name == f"digits-{of_any.model}"


def test_it_stands_alone(of_any):
    """Who reads it needs no settings, no data set and no TensorFlow."""
    code = (
        "import sys, json; sys.modules.update(tensorflow=None, keras=None, sklearn=None)\n"
        "from keras_infogan import contract; agreed = contract.from_json('here', "
        "json.load(sys.stdin))\n"
        "assert not [name for name in sys.modules if name.startswith(('keras_infogan.settings', "
        "'keras_infogan.models', 'keras_infogan.datasets'))]\n"
        "print(agreed.latent_spec.size)"
    )
    content = of_any.to_json() | {
        "settings": {},
        "model": of_any.to_json()["model"] | {"name": "of another version"},
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(content),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout.strip()) == (0, str(of_any.latent_spec.size)), (
        result.stderr
    )


def _with_unknown_keys(content) -> Any:
    """Returns JSON in which every object has a key of a later version more."""
    if isinstance(content, dict):
        return {key: _with_unknown_keys(value) for key, value in content.items()} | {
            "a key of a later version": {"x": [1]}
        }
    return (
        [_with_unknown_keys(value) for value in content] if isinstance(content, list) else content
    )


def test_what_is_not_known_is_ignored(of_any):
    content = _with_unknown_keys(of_any.to_json())
    content["capabilities"].append("a capability of a later version")
    again = contract.from_json(pathlib.Path("run"), content)
    assert (
        dataclasses.replace(again, settings=of_any.settings, likelihood=of_any.likelihood) == of_any
    )


@pytest.mark.parametrize("version", [3, 99])
def test_a_contract_of_a_newer_version_is_one_sentence(agreed, tmp_path, version):
    with pytest.raises(
        UserError,
        match=(
            rf"was exported by a newer keras-infogan \(contract {version}, "
            r"this one reads up to 2\); update it"
        ),
    ):
        _again(agreed, contract=version)
    path = tmp_path / "generator.json"
    path.write_text(json.dumps({"contract": version, "all else": "may be different"}))
    with pytest.raises(UserError, match="newer keras-infogan"):
        contract.read(path)


@pytest.fixture
def first():
    """The JSON of an export that keras-infogan 0.1.0 made, of digits after 2,500 steps."""
    return json.loads((DATA / "contract_1.json").read_text())


def test_contract_1_loads(first):
    agreed = contract.read(DATA / "contract_1.json")[1]
    assert (agreed.model, agreed.title, agreed.dataset, agreed.license) == (
        "infogan",
        "InfoGAN",
        "digits",
        "CC BY 4.0",
    )
    assert (agreed.name, agreed.step, agreed.image_shape, agreed.capabilities) == (
        "digits-infogan",
        2500,
        (16, 16, 1),
        ("generate", "encode"),
    )
    assert agreed.latent_spec == LatentSpec(
        Noise(16),
        (Categorical("digit", 10), Uniform("slant"), Uniform("continuous_2")),
        Posterior(),
    )
    assert agreed.trained_as == ("digit", "continuous_1", "continuous_2")
    assert agreed.settings == first["run"]["settings"]
    assert (agreed.categories, agreed.image_type, agreed.image_layout, agreed.likelihood) == (
        "index",
        "float32",
        "NHWC",
        None,
    )


def test_a_contract_of_before_is_framed_as_its_data_set(of_any):
    content = of_any.to_json()
    del content["images"]["framing"]
    content["dataset"]["name"] = "celeb_a"
    assert contract.from_json(pathlib.Path("export"), content).framing == CELEB_A


def test_contract_1_means_what_contract_2_says(first):
    """Signatures and files are the same, and what is written of it now is read back."""
    agreed = contract.from_json(pathlib.Path("export"), first)
    content = agreed.to_json()
    assert content["contract"] == 2
    for part in ("signatures", "onnx", "categories", "name", "step"):
        assert content[part] == first[part]
    assert content["images"].items() >= first["images"].items()
    assert content["inputs"] == first["inputs"]
    assert _again(agreed) == agreed


def test_the_posterior_of_contract_1_stood_in_its_settings(first):
    first["run"]["settings"] |= {
        "posterior_std": 0.5,
        "min_posterior_std": 0.1,
        "max_posterior_std": 2.0,
    }
    assert contract.from_json(pathlib.Path("export"), first).latent_spec.posterior == Posterior(
        0.5, 0.1, 2.0
    )
    del first["run"]["settings"]["posterior_std"]
    with pytest.raises(KeyError):
        contract.from_json(pathlib.Path("export"), first)


def test_every_input_says_what_it_takes(agreed):
    inputs = {entry["name"]: entry for entry in agreed.to_json()["inputs"]}
    assert list(inputs) == ["kind", "slant", "tilt", "smile", "noise", "seed"]
    assert (
        inputs["kind"]["type"],
        inputs["kind"]["range"],
        inputs["kind"]["weights"]["shape"],
    ) == ("int64", [0, 2], ["batch", 3])
    assert (inputs["slant"]["range"], inputs["tilt"]["range"], inputs["smile"]["range"]) == (
        [-1, 1],
        None,
        [0, 1],
    )
    assert inputs["seed"]["example"]["noise_begins_with"] == pytest.approx(
        agreed.latent_spec.noise.from_seeds(np.array([1]))[0, :4], abs=1e-6
    )


def test_signatures_and_files_are_those_of_what_a_model_can_do(of_any):
    signatures = {name: graph.capability for name, graph in of_any.signatures().items()}
    files = {name: graph.capability for name, graph in of_any.onnx_graphs().items()}
    assert (
        set(signatures.values())
        == set(files.values())
        == set(of_any.capabilities)
        <= set(CAPABILITIES)
    )
    expected = {
        "infogan": {"serving_default", "from_seed", "blend", "latents", "png", "encode"},
        "dcgan": {"serving_default", "from_seed", "latents", "png"},
        "vae": {
            "serving_default",
            "from_seed",
            "latents",
            "png",
            "encode",
            "reconstruct",
            "log_likelihood",
        },
    }
    assert set(signatures) == expected[of_any.model]
    assert (
        set(files)
        == {
            "infogan": {"generator", "recognizer"},
            "dcgan": {"generator"},
            "vae": {"generator", "recognizer", "reconstructor", "scorer"},
        }[of_any.model]
    )


def test_every_name_of_an_input_or_output_is_reserved(of_any):
    """But for the codes' own and what ends as theirs do: no code can be called so."""
    content = of_any.to_json()
    names, endings = content["reserved_names"]["names"], tuple(content["reserved_names"]["endings"])
    codes = [code.name for code in of_any.latent_spec.codes]
    used = {
        tensor.name
        for graph in (*of_any.signatures().values(), *of_any.onnx_graphs().values())
        for tensor in (*graph.inputs, *graph.outputs)
    }
    assert [
        name for name in used if name not in (*codes, *names) and not name.endswith(endings)
    ] == []


def test_feeds_stand_for_latents(agreed):
    latents = agreed.latent_spec.sample(5, 0)
    parts = agreed.latent_spec.unpack(latents)
    by_index = agreed.feeds("serving_default", latents=latents)
    assert list(by_index) == ["kind", "slant", "tilt", "smile", "noise"]
    assert (by_index["kind"].dtype, by_index["kind"].shape, by_index["noise"].shape) == (
        np.int64,
        (5,),
        (5, 4),
    )
    np.testing.assert_array_equal(np.eye(3)[by_index["kind"]], parts["kind"])
    weights = agreed.feeds("blend", latents=latents)
    np.testing.assert_array_equal(weights["kind"], parts["kind"])
    assert weights["smile"].dtype == np.float32
    assert list(agreed.feeds("from_seed", latents=latents, seeds=np.arange(5)))[-1] == "seed"
    assert list(agreed.feeds("latents", latents=latents)) == ["latents"]


def test_feeds_have_the_names_types_and_shapes_of_every_graph(of_any):
    spec = of_any.latent_spec
    given = {
        "latents": spec.sample(3, 0),
        "seeds": np.arange(3),
        "images": np.full((3, *SHAPE), 0.5, np.float32),
    }
    given["noise"] = of_any.likelihood_noise.from_seeds(np.arange(3))
    for graphs in (of_any.signatures(), of_any.onnx_graphs()):
        for name, graph in graphs.items():
            feeds = of_any.feeds(name, **given)
            assert {key: (str(array.dtype), array.shape) for key, array in feeds.items()} == {
                tensor.name: (tensor.type, (3, *tensor.shape)) for tensor in graph.inputs
            }
            checks = of_any.checks(feeds, graph.capability)
            assert all(valid.all() for valid, _ in checks.values())


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_images_change_type_and_layout_and_back(agreed, layout):
    images = np.random.default_rng(0).random((2, 4, 4, 3), np.float32)
    floats = dataclasses.replace(agreed, image_layout=layout)
    np.testing.assert_array_equal(floats.from_onnx_images(floats.to_onnx_images(images)), images)
    integers = dataclasses.replace(floats, image_type="uint8")
    assert integers.to_onnx_images(images).dtype == np.uint8
    assert (
        np.abs(integers.from_onnx_images(integers.to_onnx_images(images)) - images).max()
        <= 0.5 / 255 + 1e-7
    )


def test_no_noise_is_no_input():
    settings = dataclasses.replace(SMALL, noise_size=0)
    without = contract_of(settings)
    assert "noise" not in without.feeds(
        "serving_default", latents=settings.latent_spec.sample(2, 0)
    )
    assert [entry["name"] for entry in without.to_json()["inputs"]][-1] == "seed"
    assert _again(without) == without


@pytest.mark.parametrize(
    "name",
    [
        "seed",
        "images",
        "latents",
        "image_bytes",
        "parameters",
        "kind_probabilities",
        "Seed",
        "KIND",
        "class",
        "self",
    ],
)
def test_names_that_no_input_can_have_are_refused(agreed, name):
    with pytest.raises(
        UserError,
        match=f"the name '{name}' cannot be .*--rename=slant=NAME|the name 'kind' cannot be",
    ):
        dataclasses.replace(
            agreed, latent_spec=agreed.latent_spec.renamed({"slant": name})
        ).check_names()


def test_the_name_of_an_output_is_free_where_no_file_has_that_output(agreed):
    named = agreed.latent_spec.renamed({"slant": "log_likelihood", "tilt": "reconstructions"})
    dataclasses.replace(agreed, latent_spec=named).check_names()  # an InfoGAN has neither
    for capability in ("log_likelihood", "reconstruct"):
        with pytest.raises(UserError, match="cannot be that of an input"):
            dataclasses.replace(
                agreed, latent_spec=named, capabilities=(*agreed.capabilities, capability)
            ).check_names()


def test_names_of_what_was_exported_are_read_as_they_are(agreed):
    """An export of contract 1 could have a code called Label."""
    named = dataclasses.replace(agreed, latent_spec=agreed.latent_spec.renamed({"slant": "Label"}))
    assert _again(named) == named


@pytest.mark.parametrize("number", [1e999, "two", None])
def test_a_strange_version_is_damage(tmp_path, agreed, number):
    path = tmp_path / "generator.json"
    path.write_text(json.dumps(agreed.to_json() | {"contract": number}))
    with pytest.raises(UserError, match="is damaged"):
        contract.read(path)


def test_what_cannot_be_read_is_said(tmp_path, agreed):
    path = tmp_path / "generator.json"
    with pytest.raises(UserError, match="is not an export"):
        contract.read(path)
    with pytest.raises(UserError, match="there is no such directory"):
        contract.read(tmp_path / "nowhere" / "generator.json")
    for folder, part in (
        ("web", "has the explorer only"),
        ("export", r"it has no generator\.json; .*export has"),
    ):
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
    assert contract.read(path)[1].latent_spec == agreed.latent_spec


@pytest.mark.parametrize(
    "key",
    [
        "model",
        "capabilities",
        "step",
        "dataset",
        "inputs",
        "posterior",
        "images",
        "settings",
        "categories",
        "contract",
    ],
)
@pytest.mark.parametrize("value", [None, "x", [], {}, 7])
def test_a_damaged_part_is_one_sentence_or_does_no_harm(tmp_path, agreed, key, value):
    path = tmp_path / "generator.json"
    path.write_text(json.dumps(agreed.to_json() | {key: value}))
    with contextlib.suppress(UserError):
        contract.read(path)
