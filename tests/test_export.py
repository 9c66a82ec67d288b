"""What export writes, that it agrees with the model, and what becomes of bad input, from the
command to the exported files.
"""

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from conftest import (
    WITHOUT_TENSORFLOW,
    command,
    command_without,
    sentence,
    succeed_here,
    untrained,
    wait_until,
)

from keras_infogan import contract, files, loaded, onnx_model, runs
from keras_infogan.config import UserError
from keras_infogan.export import __main__ as export_command
from keras_infogan.export import exporting
from keras_infogan.export.cpp_session import CppSession

# They come with the extra "export".
onnx = pytest.importorskip("onnx")
to_onnx = pytest.importorskip("keras_infogan.export.to_onnx")
parity = pytest.importorskip("keras_infogan.export.parity")
to_saved_model = pytest.importorskip("keras_infogan.export.to_saved_model")

pytestmark = pytest.mark.usefixtures("few_latents")

NAME = "digits-infogan"
DATA = pathlib.Path(__file__).with_name("data")


@pytest.fixture(scope="module")
def agreed(exported):
    return contract.read(exported / "generator.json")[1]


@pytest.fixture(scope="module")
def model(digits_run):
    return loaded.load_run(digits_run)[1]


@pytest.fixture(scope="module")
def saved_model(exported):
    return tf.saved_model.load(str(exported / NAME / "1")).signatures


@pytest.fixture(scope="module")
def session(exported):
    """A C++ process's view of the SavedModel."""
    with CppSession(exported / NAME / "1") as session:
        yield session


def _tensors(feeds):
    return {name: tf.constant(array) for name, array in feeds.items()}


def test_everything_is_there_and_described(exported):
    names = {path.name for path in exported.iterdir() if not path.name.startswith(".")}
    assert names == {
        NAME,
        "generator.onnx",
        "generator_fp16.onnx",
        "recognizer.onnx",
        "generator.json",
        "README.md",
        "generator.png",
    }
    content, _ = contract.read(exported / "generator.json")
    for name, facts in content["files"].items():
        if name.endswith(".onnx"):
            assert facts["sha256"] == hashlib.sha256((exported / name).read_bytes()).hexdigest()
            described = next(
                entry.value
                for entry in onnx.load(exported / name).metadata_props
                if entry.key == contract.METADATA_KEY
            )
            assert content.items() >= json.loads(described).items()
    assert {
        entry["name"]: entry["trained_as"] for entry in content["inputs"] if "trained_as" in entry
    } == {"digit": "digit", "tilt": "slant"}
    assert content["dataset"]["license"] == "CC BY 4.0"
    assert content["evaluation"] is None
    assert {"keras", "tensorflow", "tf2onnx", "onnxruntime"} <= content["versions"].keys()
    own = json.loads((exported / NAME / "1" / "assets.extra" / "generator.json").read_text())
    assert own == content
    # Half the size; the SavedModel holds every weight once.
    sizes = {name: facts["bytes"] for name, facts in content["files"].items()}
    assert sizes["generator_fp16.onnx"] < 0.6 * sizes["generator.onnx"]
    assert sizes[f"{NAME}/1"] < 1.4 * (sizes["generator.onnx"] + sizes["recognizer.onnx"])


def test_parity_is_measured_and_within_tolerance(exported):
    rows = json.loads((exported / "generator.json").read_text())["parity"]
    assert {(row["file"], row["signature"]) for row in rows} >= {
        *(
            (f"{NAME}/1", name)
            for name in ("serving_default", "from_seed", "blend", "latents", "png", "encode")
        ),
        ("generator.onnx", "generator"),
        ("generator_fp16.onnx", "generator"),
        ("recognizer.onnx", "recognizer"),
    }
    assert {row["through"] for row in rows} == {"Python", "the C++ loader", "ONNX Runtime"}
    for row in rows:
        assert row["largest_difference"] <= row["allowed"]
        assert row["latents"] > 9_900
    by_file = {row["file"]: row for row in rows}
    assert by_file["generator.onnx"]["allowed"] == 1e-5
    assert by_file["generator_fp16.onnx"]["allowed"] == 5e-3
    assert by_file["generator_fp16.onnx"]["largest_difference"] > 1e-5


def _changed(path, change):
    """Rewrites one output or weight of an ONNX file: `change` gets the proto."""
    proto = onnx.load(path)
    change(proto)
    onnx.save(proto, path)


def _disturb_a_weight(proto):
    weight = next(tensor for tensor in proto.graph.initializer if len(tensor.dims) == 2)
    array = onnx.numpy_helper.to_array(weight).copy()
    array[5, 0] += 0.5
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))


def _replace_output(proto, name, operation, *constants):
    """Passes an output through one more operation."""
    node = next(node for node in proto.graph.node if name in node.output)
    node.output[list(node.output).index(name)] = f"{name}_before"
    for index, constant in enumerate(constants):
        proto.graph.initializer.append(onnx.numpy_helper.from_array(constant, f"{name}_{index}"))
    proto.graph.node.append(
        onnx.helper.make_node(
            operation,
            [f"{name}_before", *(f"{name}_{index}" for index in range(len(constants)))],
            [name],
        )
    )


@pytest.mark.parametrize(
    ("file", "change", "where"),
    [
        ("generator.onnx", _disturb_a_weight, r"images \[\d+, \d+, 0\] of latent \d+ \(digit \d"),
        (
            "recognizer.onnx",
            lambda proto: _replace_output(proto, "parameters", "Mul", np.float32(0)),
            "parameters",
        ),
        (
            "recognizer.onnx",
            lambda proto: _replace_output(proto, "digit", "Mul", np.int64(0)),
            "digit",
        ),
        (
            "recognizer.onnx",
            lambda proto: _replace_output(proto, "tilt_std", "Add", np.float32(0.001)),
            "tilt_std",
        ),
        (
            "recognizer.onnx",
            lambda proto: _replace_output(proto, "digit_probabilities", "Log"),
            "digit_probabilities",
        ),
    ],
)
def test_parity_finds_a_file_that_differs(exported, model, agreed, tmp_path, file, change, where):
    shutil.copytree(exported, tmp_path / "copy")
    _changed(tmp_path / "copy" / file, change)
    with pytest.raises(
        UserError, match=rf"{file} \(.*, through ONNX Runtime\) differs from Keras by .* in {where}"
    ):
        parity.measure(agreed, model, tmp_path / "copy", [file])


def test_parity_finds_gray_levels_that_are_cut_off(every_kind, tmp_path, monkeypatch):
    run, model, agreed = every_kind
    agreed = dataclasses.replace(agreed, image_type="uint8")
    monkeypatch.setattr(to_onnx.tf, "round", tf.floor)
    to_onnx.write(agreed, run, model.learner, tmp_path, fp16=False)
    with pytest.raises(UserError, match=r"generator\.onnx .* differs from Keras by 0\.00"):
        parity.measure(agreed, model, tmp_path, ["generator.onnx"])


def test_signatures_give_what_the_model_gives(saved_model, agreed, model):
    latents = agreed.latent_spec.sample(7, 0)
    seeds = np.arange(7)
    images = (model.generate(latents) + 1) / 2
    for name in ("serving_default", "blend", "latents"):
        np.testing.assert_allclose(
            saved_model[name](**_tensors(agreed.feeds(name, latents=latents)))["images"],
            images,
            atol=1e-5,
        )
    noise = {"noise": agreed.latent_spec.noise.from_seeds(seeds)}
    seeded = (
        model.generate(agreed.latent_spec.pack(agreed.latent_spec.unpack(latents) | noise)) + 1
    ) / 2
    feeds = _tensors(agreed.feeds("from_seed", latents=latents, seeds=seeds))
    np.testing.assert_allclose(saved_model["from_seed"](**feeds)["images"], seeded, atol=1e-5)
    png = saved_model["png"](**feeds)["image_bytes"]
    assert tf.io.decode_png(png[3]).shape == agreed.image_shape
    answers = {
        name: array.numpy()
        for name, array in saved_model["encode"](images=tf.constant(images)).items()
    }
    assert set(answers) == {"digit", "digit_probabilities", "tilt", "tilt_std", "parameters"}
    np.testing.assert_allclose(answers["parameters"], model.encode(images * 2 - 1), atol=1e-4)
    np.testing.assert_array_equal(answers["digit"], answers["digit_probabilities"].argmax(axis=1))
    np.testing.assert_allclose(answers["digit_probabilities"].sum(axis=1), 1, atol=1e-5)


def test_blending_is_between(saved_model, model, agreed):
    halves = np.zeros((1, 10), np.float32)
    halves[0, [3, 7]] = 0.5
    noise = np.zeros((1, 16), np.float32)
    images = saved_model["blend"](
        digit=tf.constant(halves), tilt=tf.constant([0.0]), noise=tf.constant(noise)
    )["images"]
    latents = np.concatenate([noise, halves, [[0]]], axis=-1).astype(np.float32)
    np.testing.assert_allclose(images, (model.generate(latents) + 1) / 2, atol=1e-5)


def test_only_core_operations_and_a_batch_of_any_size(exported, session, agreed):
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel.FromString(
        (exported / NAME / "1" / "saved_model.pb").read_bytes()
    )
    graph = proto.meta_graphs[0].graph_def
    operations = {
        node.op
        for nodes in (graph.node, *(function.node_def for function in graph.library.function))
        for node in nodes
    }
    registered = {op for op in operations if not op.startswith("__")} - {
        function.signature.name for function in graph.library.function
    }
    assert not {op for op in registered if "Py" in op or "Custom" in op or "Xla" in op}
    for count in (0, 1, 33):  # a C++ process knows core operations only
        assert (
            session.run(
                "serving_default",
                agreed.feeds("serving_default", latents=agreed.latent_spec.sample(count, 0)),
            )["images"].shape[0]
            == count
        )


def test_warm_up_requests_are_few_and_answered(exported, saved_model, session):
    requests = list(to_saved_model.warm_up_requests(exported / NAME / "1"))
    assert 0 < len(requests) <= 1000
    assert {name for name, _ in requests} == set(saved_model) - {"__saved_model_init_op"}
    for name, feeds in requests:
        outputs = session.run(name, feeds)
        assert {len(array) for array in outputs.values()} == {len(next(iter(feeds.values())))}


def test_a_warm_up_request_that_fails_stops_the_export(
    exported, agreed, model, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        to_saved_model,
        "warm_up_requests",
        lambda directory: [
            ("from_seed", agreed.feeds("serving_default", latents=agreed.latent_spec.sample(1, 0)))
        ],
    )
    with pytest.raises(UserError, match="from_seed fails on its own warm-up request"):
        parity.measure(agreed, model, exported, [f"{NAME}/1"])


@pytest.mark.parametrize("through", ["Python", "C++"])
@pytest.mark.parametrize(
    ("signature", "name", "value", "part"),
    [
        ("serving_default", "digit", 10, "digit: expected an integer from 0 to 9"),
        ("serving_default", "digit", -1, "digit: expected an integer from 0 to 9"),
        ("serving_default", "tilt", np.nan, "tilt: expected finite numbers"),
        ("serving_default", "noise", np.inf, "noise: expected finite numbers"),
        ("from_seed", "seed", 2**32, "seed: expected an integer from 0 to 4294967295"),
        ("png", "seed", -1, "seed: expected an integer"),
        ("blend", "digit", 0.5, "digit: expected weights from 0 to 1 that sum to 1"),
        ("blend", "digit", np.nan, "digit: expected weights from 0 to 1 that sum to 1"),
        ("latents", "latents", np.nan, "latents: expected finite numbers"),
        ("encode", "images", 2.0, "images: expected numbers from 0 to 1"),
        ("encode", "images", np.nan, "images: expected numbers from 0 to 1"),
    ],
)
def test_the_saved_model_refuses_what_is_out_of_range(
    saved_model, session, agreed, through, signature, name, value, part
):
    images = np.zeros((3, *agreed.image_shape), np.float32)
    feeds = agreed.feeds(
        signature, latents=agreed.latent_spec.sample(3, 0), seeds=np.arange(3), images=images
    )
    feeds[name] = feeds[name].copy()
    feeds[name][1] = value
    if through == "Python":
        with pytest.raises(tf.errors.InvalidArgumentError, match=part):
            saved_model[signature](**_tensors(feeds))
    else:
        with pytest.raises(UserError, match=part):
            session.run(signature, feeds)


def test_the_saved_model_refuses_wrong_shapes_and_types(session, agreed):
    feeds = agreed.feeds("serving_default", latents=agreed.latent_spec.sample(3, 0))
    for wrong in (
        {"noise": feeds["noise"][:, :5]},
        {"digit": feeds["digit"].astype(np.float32)},
        {"tilt": feeds["tilt"][:2]},
    ):
        with pytest.raises(UserError):
            session.run("serving_default", feeds | wrong)
    assert len(session.run("serving_default", feeds)["images"]) == 3


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory):
    """A run whose model has a code of every kind, the model, untrained, and its contract."""
    run, model = untrained("infogan", tmp_path_factory.mktemp("every"))
    return (
        run,
        model,
        dataclasses.replace(exporting.contract_of(run, {}), capabilities=model.capabilities),
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"categories": "weights"},
        {"image_type": "uint8"},
        {"image_layout": "NCHW"},
        {"categories": "weights", "image_type": "uint8", "image_layout": "NCHW"},
    ],
)
def test_every_option_gives_the_same_images(every_kind, tmp_path, options):
    run, model, agreed = every_kind
    agreed = dataclasses.replace(agreed, **options)
    names = to_onnx.write(agreed, run, model.learner, tmp_path)
    parity.measure(agreed, model, tmp_path, names)
    loaded = onnx_model.load(tmp_path / "generator.onnx")
    latents = agreed.latent_spec.sample(5, 0)
    images = model.generate(latents)
    assert np.abs(loaded.generate(latents) - images).max() <= (
        1 / 255 + 2e-5 if agreed.image_type == "uint8" else 2e-5
    )
    assert loaded.contract == agreed


def test_every_kind_of_code_in_a_saved_model(every_kind, tmp_path):
    _, model, agreed = every_kind
    to_saved_model.write(agreed, model.learner, tmp_path / "1")
    rows = parity.measure(agreed, model, tmp_path, ["1"])
    assert {row["signature"] for row in rows} == set(agreed.signatures())


@pytest.mark.parametrize("name", ["dcgan", "vae"])
@pytest.mark.parametrize("form", [{}, {"image_type": "uint8", "image_layout": "NCHW"}])
def test_every_model_gives_the_same_in_every_format(exported_untrained, tmp_path, name, form):
    """One that has noise and no codes, and one that has codes and no noise."""
    run, model, directory = exported_untrained(name)
    if form:
        directory = tmp_path
        exporting.export(
            run, exporting.contract_of(run, {}, **form), directory, ["saved_model", "onnx"]
        )
    content, agreed = contract.read(directory / "generator.json")
    assert (agreed.capabilities, agreed.likelihood) == (model.capabilities, model.likelihood)
    assert {row["signature"] for row in content["parity"]} == {
        *agreed.signatures(),
        *agreed.onnx_graphs(),
    }
    loaded = onnx_model.load(directory / "generator.onnx")
    assert (loaded.contract, loaded.capabilities, loaded.likelihood) == (
        agreed,
        model.capabilities,
        model.likelihood,
    )
    assert _run_card(directory) == ["(1, 8, 8, 1)", "(1, 1, 8, 8)" if form else "(1, 8, 8, 1)"]


def test_scores_come_under_the_exported_names(every_kind):
    _, _, agreed = every_kind
    renamed = dataclasses.replace(
        agreed, latent_spec=agreed.latent_spec.renamed({"kind": "species"})
    )
    metrics = {
        "evaluated": {"step": 3},
        "scores": {
            "mutual_information/kind": 1.0,
            "effect/slant": 0.5,
            "effect/noise": 0.01,
            "frechet_distance": 2.0,
            "dci/slant": 0.1,
            "dci/completeness": 0.2,
        },
        "details": {
            "confusion": {"kind": {"matches": {"0": "dog", "1": "cat"}}},
            "category_shares": {"kind": [0.98, 0.01, 0.01]},
        },
        "skipped": {},
        "alarms": [
            {"kind": "ignored_noise", "sentence": "The noise is ignored: ..."},
            {"kind": "uneven_categories", "sentence": "Category 0 of kind holds ..."},
            {"kind": "unfinished", "sentence": "The run is unfinished: step 3 of 4."},
        ],
    }
    said = exporting._evaluation(renamed, metrics)
    assert said is not None
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
    assert exporting._evaluation(renamed, None) is None


def test_a_contract_says_of_a_run_what_it_is(every_kind):
    run, _, _ = every_kind
    agreed = exporting.contract_of(
        run, {"slant": "lean"}, categories="weights", image_type="uint8", image_layout="NCHW"
    )
    assert (agreed.model, agreed.title, agreed.dataset, agreed.license, agreed.step) == (
        "infogan",
        "InfoGAN",
        "digits",
        "CC BY 4.0",
        0,
    )
    assert [code.name for code in agreed.latent_spec.codes] == ["kind", "lean", "tilt", "smile"]
    assert agreed.trained_as == ("kind", "slant", "tilt", "smile")
    assert (agreed.categories, agreed.image_type, agreed.image_layout) == (
        "weights",
        "uint8",
        "NCHW",
    )
    assert "secret" not in json.dumps(
        exporting.contract_of(dataclasses.replace(run, data_dir="/somewhere/secret"), {}).to_json()
    )


def _run_of_version_2(directory):
    shutil.copy(DATA / "config_2.json", directory / "config.json")
    run = runs.read(directory)
    run.checkpoints.mkdir()
    (run.checkpoints / "step_00002500.weights.h5").touch()
    return run


@pytest.mark.parametrize("text", ["{}", "[]", "5", '{"contract": 1e999}', "[" * 100_000])
def test_a_damaged_contract_in_the_directory_is_one_sentence(tmp_path, text):
    run = _run_of_version_2(tmp_path)
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "generator.json").write_text(text)
    with pytest.raises(UserError, match=r"generator\.json is damaged"):
        exporting.check_output(exporting.contract_of(run, {}), tmp_path / "export")


@pytest.mark.parametrize("name", ["[1]", "a*", "who?", "a\\b"])
def test_a_directory_that_tensorflow_takes_for_a_pattern_is_refused(tmp_path, name):
    contract = exporting.contract_of(run := _run_of_version_2(tmp_path), {})
    with pytest.raises(UserError, match="give another --export_dir, or --formats=onnx"):
        exporting.export(run, contract, tmp_path / name, ["saved_model"])
    assert not (tmp_path / name).exists()


def test_an_export_of_the_first_contract_may_be_replaced(tmp_path):
    """By the same run's, whatever its codes are called now, and by no other's."""
    run = _run_of_version_2(tmp_path)
    export_dir = tmp_path / "export"
    export_dir.mkdir()
    shutil.copy(DATA / "contract_1.json", export_dir / "generator.json")
    exporting.check_output(exporting.contract_of(run, {"continuous_2": "width"}), export_dir)
    other = dataclasses.replace(
        run, settings=dataclasses.replace(run.settings, codes="digit=categorical(10), 3*uniform")
    )
    with pytest.raises(UserError, match="that has other images or codes"):
        exporting.check_output(exporting.contract_of(other, {}), export_dir)


def test_the_graph_is_lean_and_named(exported):
    for name, transposes in (("generator", 1), ("generator_fp16", 1), ("recognizer", 1)):
        proto = onnx.load(exported / f"{name}.onnx")
        onnx.checker.check_model(proto, full_check=True)
        assert [opset.version for opset in proto.opset_import if opset.domain == ""] == [18]
        assert {opset.domain for opset in proto.opset_import} <= {"", "ai.onnx.ml"}
        # One layout inside: one change before the convolutions, one after; of gray images
        # either is a reshape.
        assert sum(node.op_type == "Transpose" for node in proto.graph.node) == transposes
        for value in (*proto.graph.input, *proto.graph.output):
            assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert (
        "prior: each with probability 1/10"
        in onnx.load(exported / "generator.onnx").graph.input[0].doc_string
    )


def test_the_model_card_loads_what_it_says(exported):
    assert _run_card(exported) == ["(1, 16, 16, 1)"] * 2
    assert "| `tilt` |" in (exported / "README.md").read_text()


def _run_card(directory):
    """Runs the lines of a model card in Python, with TensorFlow and with ONNX Runtime, and returns
    the shapes of the images that they make, texts.
    """
    card, shapes = (directory / "README.md").read_text(), []
    assert "{{" not in card
    for block in re.findall(r"```python\n(.*?)```", card, re.DOTALL):
        names = {}
        with contextlib.chdir(directory):
            exec(compile(block, "README.md", "exec"), names)
        shapes.append(str(np.shape(names["images"])))
    return shapes


def test_the_next_export_is_the_next_version(digits_run, tmp_path):
    output = tmp_path / "out"
    for version in (1, 2):
        printed = succeed_here(
            "export", f"--run_dir={digits_run}", f"--export_dir={output}", "--formats=saved_model"
        )
        assert str(output / NAME / str(version)) in printed.splitlines()
    assert sorted(path.name for path in (output / NAME).iterdir()) == ["1", "2"]
    assert [path for path in output.iterdir() if path.name.startswith(".exporting")] == []


def _contents(directory):
    return {
        path.relative_to(directory): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_an_export_that_fails_leaves_the_old_one(
    exported, digits_run, agreed, tmp_path, monkeypatch
):
    output = tmp_path / "out"
    shutil.copytree(exported, output)
    (output / ".exporting_of_a_killed_process").mkdir()
    before = _contents(output)
    monkeypatch.setattr(parity, "_FLOAT16", 1e-9)
    with pytest.raises(
        UserError,
        match=r"generator_fp16\.onnx .* nothing was exported \(leave this file out with --nofp16\)",
    ):
        exporting.export(runs.read(digits_run), agreed, output, ["onnx"])
    assert _contents(output) == before
    assert not list(output.glob(".exporting*"))


@pytest.mark.parametrize("failing", range(1, 14, 3))
def test_a_fault_while_files_are_put_in_place_brings_the_old_ones_back(
    exported, digits_run, agreed, tmp_path, monkeypatch, failing
):
    output = tmp_path / "out"
    shutil.copytree(exported, output)
    before = _contents(output)

    def write(run, contract, directory, formats, fp16, unit_layer, saved_model):
        names = [
            "README.md",
            "generator.png",
            "generator.onnx",
            "recognizer.onnx",
            saved_model,
            "generator.json",
        ]
        for name in names:
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_text("new")
        return names

    monkeypatch.setattr(exporting, "_write", write)
    move, calls = exporting._move, []

    def move_or_fail(*arguments):
        calls.append(arguments)
        if len(calls) == failing:
            raise KeyboardInterrupt
        move(*arguments)

    monkeypatch.setattr(exporting, "_move", move_or_fail)
    run = runs.read(digits_run)
    if failing <= 12:
        with pytest.raises(KeyboardInterrupt):
            exporting.export(run, agreed, output, ["saved_model", "onnx"])
        assert _contents(output) == before
    else:
        exporting.export(run, agreed, output, ["saved_model", "onnx"])
        assert (len(calls), (output / NAME / "2").read_text()) == (12, "new")
        assert not (output / "generator_fp16.onnx").exists()  # it would be the old one
    assert not list(output.glob(".exporting*"))


def test_a_killed_export_leaves_the_old_one(exported, digits_run, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(exported, output)
    before = _contents(output)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "keras_infogan.export",
            f"--run_dir={digits_run}",
            f"--export_dir={output}",
        ],
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: list(output.glob(".exporting_*/written/*")), process)
    process.kill()
    process.wait()
    assert {
        path: data
        for path, data in _contents(output).items()
        if not path.parts[0].startswith(".exporting")
    } == before


def test_an_export_killed_while_it_was_put_in_place_can_be_repeated(exported, agreed, tmp_path):
    shutil.copy(exported / "generator.onnx", tmp_path)
    exporting.check_output(agreed, tmp_path)
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="is not empty and not an export"):
        exporting.check_output(agreed, tmp_path)


def test_a_full_disk_is_one_sentence(model, agreed, tmp_path, monkeypatch):
    def fail(*arguments, **kwargs):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(UserError, match=r"cannot be written .*No space left"):
        to_saved_model.write(agreed, model.learner, tmp_path / "1")


def test_scores_need_no_tensorflow(exported, digits_run, tmp_path):
    """And are those of the run itself, but for the images, for whose feature space TensorFlow
    would be needed.
    """
    copied = tmp_path / "files"
    shutil.copytree(exported, copied)
    arguments = [f"--onnx={copied / 'generator.onnx'}", "--num=500"]
    result = command_without(WITHOUT_TENSORFLOW, "evaluate", *arguments)
    assert result.returncode == 0, result.stderr
    scored = json.loads((copied / "metrics.json").read_text())
    assert "a feature space takes TensorFlow" in scored["skipped"]["frechet_distance"]["reason"]
    assert "data:image/png" in (copied / "report.html").read_text()
    copy = tmp_path / "run"
    shutil.copytree(digits_run, copy)
    succeed_here("evaluate", f"--run_dir={copy}", "--num=500", "--metrics=generator,real,labels")
    expected = {
        key.replace("/slant", "/tilt"): value
        for key, value in json.loads((copy / "metrics.json").read_text())["scores"].items()
    }
    assert {"effect/noise", "clustering_accuracy/digit"} <= expected.keys()
    # The network as it began, and layers within it, an exported file does not have.
    known = {
        key: value for key, value in expected.items() if not re.search("hidden|untrained", key)
    }
    assert scored["scores"] == pytest.approx(known, abs=1e-3)
    # An export after an evaluation says what was found, under the new names.
    succeed_here("export", f"--run_dir={copy}", "--formats=onnx", "--nofp16", "--rename=slant=tilt")
    assert [path.name for path in (copy / "export").glob("generator_fp16*")] == []
    said = json.loads((copy / "export" / "generator.json").read_text())["evaluation"]
    assert said["scores"] == expected
    assert (
        said["labels_of_categories"]["digit"]
        == json.loads((copy / "metrics.json").read_text())["details"]["confusion"]["digit"][
            "matches"
        ]
    )
    assert (
        f"| clustering_accuracy/digit | {expected['clustering_accuracy/digit']:.3f} |"
        in (copy / "export" / "README.md").read_text()
    )


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "Give --run_dir"),
        (["--run_dir=nowhere"], "not a run directory"),
        (
            ["--run_dir=RUN", "--formats=tflite"],
            "--formats: expected one or more of saved_model, onnx, web, received 'tflite'",
        ),
        (["--run_dir=RUN", "--formats=saved_modl"], "did you mean 'saved_model'"),
        (["--run_dir=RUN", "--formats="], "received none"),
        (["--run_dir=RUN", "--rename=slant"], "cannot read 'slant'"),
        (["--run_dir=RUN", "--rename=slant=a,slant=b"], "each code once"),
        (["--run_dir=RUN", "--rename=slant=digit"], "'digit' is given twice"),
        (
            ["--run_dir=RUN", "--rename=slant=seed"],
            "the name 'seed' cannot be .* --rename=slant=NAME",
        ),
        (["--run_dir=RUN", "--rename=color=hue"], "there is no code 'color'"),
        (["--run_dir=RUN", "--export_dir=occupied"], "is not empty and not an export"),
        (["--run_dir=RUN", "--output_dir=occupied"], "is not empty and not an export"),
        (["--run_dir=RUN", "--export_dir=newer"], "was exported by a newer keras-infogan"),
        (["--run_dir=RUN", "--export_dir=other"], "holds an export of mnist-infogan"),
        (
            ["--run_dir=RUN", "--export_dir=codes"],
            "holds an export of digits-infogan that has other images or codes",
        ),
        (["--run_dir=RUN", "--export_dir=damaged"], "is damaged .* remove it, or give another"),
        (["--run_dir=RUN", "--export_dir=occupied/file"], "cannot write to"),
    ],
)
def test_bad_input_is_one_sentence_before_tensorflow_loads(
    digits_run, exported, tmp_path, arguments, part
):
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "file").write_text("precious")
    (tmp_path / "other").mkdir()
    content = json.loads((exported / "generator.json").read_text())
    (tmp_path / "other" / "generator.json").write_text(
        json.dumps(content | {"dataset": content["dataset"] | {"name": "mnist"}})
    )
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "generator.json").write_text(
        json.dumps(
            content | {"inputs": [entry for entry in content["inputs"] if entry["name"] != "tilt"]}
        )
    )
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "generator.json").write_text(json.dumps(content | {"contract": 3}))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "generator.json").write_text("[]")
    before = _contents(tmp_path)
    arguments = [argument.replace("RUN", str(digits_run)) for argument in arguments]
    result = command_without(WITHOUT_TENSORFLOW, "export", *arguments, cwd=tmp_path)
    assert re.search(part, sentence(result))
    assert _contents(tmp_path) == before


def test_a_second_export_at_the_same_time_is_turned_away(digits_run, tmp_path):
    with files.locked_directory(tmp_path, "--export_dir", "exporting"):
        assert "another process is exporting in" in sentence(
            command("export", f"--run_dir={digits_run}", f"--export_dir={tmp_path}")
        )


def test_a_missing_package_is_named(monkeypatch):
    find = export_command.importlib.util.find_spec
    monkeypatch.setattr(
        export_command.importlib.util,
        "find_spec",
        lambda name: None if name == "tf2onnx" else find(name),
    )
    with pytest.raises(UserError, match=r"needs tf2onnx, which is not installed; .*\[export\]"):
        export_command.parse_formats("onnx")
