"""What export writes, that it agrees with the model, and what becomes of bad input, from the command to the exported files."""

import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from conftest import SHAPE, SMALL, command, sentence

from keras_infogan import contract, models, onnx_model, runs
from keras_infogan.config import UserError
from keras_infogan.export import __main__ as export_command
from keras_infogan.export import exporting
from keras_infogan.export.cpp_session import CppSession

# They come with the extra "export".
onnx = pytest.importorskip("onnx")
to_onnx = pytest.importorskip("keras_infogan.export.to_onnx")
parity = pytest.importorskip("keras_infogan.export.parity")
to_saved_model = pytest.importorskip("keras_infogan.export.to_saved_model")

NAME = "digits-infogan"


@pytest.fixture(scope="module")
def agreed(exported):
    return contract.read(exported / "generator.json")[1]


@pytest.fixture(scope="module")
def model(digits_run):
    return runs.load(digits_run)[1]


@pytest.fixture(scope="module")
def saved_model(exported):
    return tf.saved_model.load(str(exported / NAME / "1")).signatures


def _tensors(feeds):
    return {name: tf.constant(array) for name, array in feeds.items()}


def test_everything_is_there_and_described(exported):
    names = {path.name for path in exported.iterdir() if not path.name.startswith(".")}
    assert names == {NAME, "generator.onnx", "generator_fp16.onnx", "recognizer.onnx", "generator.json", "README.md", "generator.png"}
    content, _ = contract.read(exported / "generator.json")
    for name, facts in content["files"].items():
        if name.endswith(".onnx"):
            assert facts["sha256"] == hashlib.sha256((exported / name).read_bytes()).hexdigest()
            described = next(entry.value for entry in onnx.load(exported / name).metadata_props if entry.key == contract.METADATA_KEY)
            assert content.items() >= json.loads(described).items()
    assert content["renamed"] == {"slant": "tilt"}
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
        *((f"{NAME}/1", name) for name in ("serving_default", "from_seed", "blend", "latents", "png", "encode")),
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
    proto.graph.node.append(onnx.helper.make_node(operation, [f"{name}_before", *(f"{name}_{index}" for index in range(len(constants)))], [name]))


@pytest.mark.parametrize(
    ("file", "change", "where"),
    [
        ("generator.onnx", _disturb_a_weight, r"images \[\d+, \d+, 0\] of latent \d+ \(digit \d"),
        ("recognizer.onnx", lambda proto: _replace_output(proto, "parameters", "Mul", np.float32(0)), "parameters"),
        ("recognizer.onnx", lambda proto: _replace_output(proto, "digit", "Mul", np.int64(0)), "digit"),
        ("recognizer.onnx", lambda proto: _replace_output(proto, "tilt_std", "Add", np.float32(0.001)), "tilt_std"),
        ("recognizer.onnx", lambda proto: _replace_output(proto, "digit_probabilities", "Log"), "digit_probabilities"),
    ],
)
def test_parity_finds_a_file_that_differs(exported, model, agreed, tmp_path, file, change, where):
    shutil.copytree(exported, tmp_path / "copy")
    _changed(tmp_path / "copy" / file, change)
    with pytest.raises(UserError, match=rf"{file} \(.*, through ONNX Runtime\) differs from Keras by .* in {where}"):
        parity.measure(agreed, model, tmp_path / "copy", [file])


def test_parity_finds_gray_levels_that_are_cut_off(every_kind, tmp_path, monkeypatch):
    model, agreed = every_kind
    agreed = dataclasses.replace(agreed, image_type="uint8")
    monkeypatch.setattr(to_onnx.tf, "round", tf.floor)
    to_onnx.write(agreed, model, tmp_path, fp16=False)
    with pytest.raises(UserError, match=r"generator\.onnx .* differs from Keras by 0\.00"):
        parity.measure(agreed, model, tmp_path, ["generator.onnx"])


def test_signatures_give_what_the_model_gives(saved_model, agreed, model):
    latents = agreed.latents.sample(7, 0)
    seeds = np.arange(7)
    images = (model.generate(latents) + 1) / 2
    for name in ("serving_default", "blend", "latents"):
        np.testing.assert_allclose(saved_model[name](**_tensors(agreed.feeds(name, latents)))["images"], images, atol=1e-5)
    noise = {"noise": agreed.latents.noise.from_seeds(seeds)}
    seeded = (model.generate(agreed.latents.pack(agreed.latents.unpack(latents) | noise)) + 1) / 2
    feeds = _tensors(agreed.feeds("from_seed", latents, seeds))
    np.testing.assert_allclose(saved_model["from_seed"](**feeds)["images"], seeded, atol=1e-5)
    png = saved_model["png"](**feeds)["image_bytes"]
    assert tf.io.decode_png(png[3]).shape == agreed.run.image_shape
    answers = {name: array.numpy() for name, array in saved_model["encode"](images=tf.constant(images)).items()}
    assert set(answers) == {"digit", "digit_probabilities", "tilt", "tilt_std", "parameters"}
    np.testing.assert_allclose(answers["parameters"], model.encode(images * 2 - 1), atol=1e-4)
    np.testing.assert_array_equal(answers["digit"], answers["digit_probabilities"].argmax(axis=1))
    np.testing.assert_allclose(answers["digit_probabilities"].sum(axis=1), 1, atol=1e-5)


def test_blending_is_between(saved_model, model, agreed):
    halves = np.zeros((1, 10), np.float32)
    halves[0, [3, 7]] = 0.5
    noise = np.zeros((1, 16), np.float32)
    images = saved_model["blend"](digit=tf.constant(halves), tilt=tf.constant([0.0]), noise=tf.constant(noise))["images"]
    latents = np.concatenate([noise, halves, [[0]]], axis=-1).astype(np.float32)
    np.testing.assert_allclose(images, (model.generate(latents) + 1) / 2, atol=1e-5)


def test_only_core_operations_and_a_batch_of_any_size(exported, saved_model, agreed):
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel.FromString((exported / NAME / "1" / "saved_model.pb").read_bytes())
    graph = proto.meta_graphs[0].graph_def
    operations = {node.op for nodes in (graph.node, *(function.node_def for function in graph.library.function)) for node in nodes}
    registered = {op for op in operations if not op.startswith("__")} - {function.signature.name for function in graph.library.function}
    assert not {op for op in registered if "Py" in op or "Custom" in op or "Xla" in op}
    with CppSession(exported / NAME / "1") as session:  # a C++ process knows core operations only
        for count in (0, 1, 33):
            assert session.run("serving_default", agreed.feeds("serving_default", agreed.latents.sample(count, 0)))["images"].shape[0] == count


def test_warm_up_requests_are_few_and_answered(exported, saved_model):
    requests = list(to_saved_model.warm_up_requests(exported / NAME / "1"))
    assert 0 < len(requests) <= 1000
    assert {name for name, _ in requests} == set(saved_model) - {"__saved_model_init_op"}
    with CppSession(exported / NAME / "1") as session:
        for name, feeds in requests:
            outputs = session.run(name, feeds)
            assert {len(array) for array in outputs.values()} == {len(next(iter(feeds.values())))}


def test_a_warm_up_request_that_fails_stops_the_export(exported, agreed, model, tmp_path, monkeypatch):
    monkeypatch.setattr(to_saved_model, "warm_up_requests", lambda directory: [("from_seed", agreed.feeds("serving_default", agreed.latents.sample(1, 0)))])
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
def test_the_saved_model_refuses_what_is_out_of_range(exported, saved_model, agreed, through, signature, name, value, part):
    images = np.zeros((3, *agreed.run.image_shape), np.float32)
    feeds = agreed.feeds(signature, agreed.latents.sample(3, 0), np.arange(3), images)
    feeds[name] = feeds[name].copy()
    feeds[name][1] = value
    if through == "Python":
        with pytest.raises(tf.errors.InvalidArgumentError, match=part):
            saved_model[signature](**_tensors(feeds))
    else:
        with CppSession(exported / NAME / "1") as session, pytest.raises(UserError, match=part):
            session.run(signature, feeds)


def test_the_saved_model_refuses_wrong_shapes_and_types(exported, agreed):
    feeds = agreed.feeds("serving_default", agreed.latents.sample(3, 0))
    with CppSession(exported / NAME / "1") as session:
        for wrong in ({"noise": feeds["noise"][:, :5]}, {"digit": feeds["digit"].astype(np.float32)}, {"tilt": feeds["tilt"][:2]}):
            with pytest.raises(UserError):
                session.run("serving_default", feeds | wrong)
        assert len(session.run("serving_default", feeds)["images"]) == 3


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory):
    """A model with a code of every kind, untrained, and its contract."""
    run = runs.Run(tmp_path_factory.mktemp("every") / "kind", "infogan", "digits", None, SHAPE, SMALL)
    return models.build("infogan", SMALL, SHAPE), contract.Contract(run, SMALL.latents, 0)


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
    model, agreed = every_kind
    agreed = dataclasses.replace(agreed, **options)
    names = to_onnx.write(agreed, model, tmp_path)
    parity.measure(agreed, model, tmp_path, names)
    _, loaded = onnx_model.load(tmp_path / "generator.onnx")
    latents = agreed.latents.sample(5, 0)
    images = model.generate(latents)
    assert np.abs(loaded.generate(latents) - images).max() <= (1 / 255 + 2e-5 if agreed.image_type == "uint8" else 2e-5)
    assert loaded.contract == dataclasses.replace(agreed, run=dataclasses.replace(agreed.run, directory=tmp_path))


def test_every_kind_of_code_in_a_saved_model(every_kind, tmp_path):
    model, agreed = every_kind
    to_saved_model.write(agreed, model, tmp_path / "1")
    rows = parity.measure(agreed, model, tmp_path, ["1"])
    assert {row["signature"] for row in rows} == set(agreed.signatures())


def test_the_graph_is_lean_and_named(exported):
    for name, transposes in (("generator", 1), ("generator_fp16", 1), ("recognizer", 1)):
        proto = onnx.load(exported / f"{name}.onnx")
        onnx.checker.check_model(proto, full_check=True)
        assert [opset.version for opset in proto.opset_import if opset.domain == ""] == [18]
        assert {opset.domain for opset in proto.opset_import} <= {"", "ai.onnx.ml"}
        # One layout inside: one change before the convolutions, one after; of gray images either is a reshape.
        assert sum(node.op_type == "Transpose" for node in proto.graph.node) == transposes
        for value in (*proto.graph.input, *proto.graph.output):
            assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert "prior: each with probability 1/10" in onnx.load(exported / "generator.onnx").graph.input[0].doc_string


def test_the_model_card_loads_what_it_says(exported):
    card = (exported / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        code = block + "\nimport numpy; print(numpy.asarray(images).shape)"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=exported, timeout=120, check=False)
        assert result.stdout.strip() == "(1, 16, 16, 1)", result.stderr
    assert "{{" not in card
    assert "| `tilt` |" in card


def test_the_next_export_is_the_next_version(digits_run, tmp_path):
    output = tmp_path / "out"
    for version in (1, 2):
        result = command("export", f"--run_dir={digits_run}", f"--output_dir={output}", "--formats=saved_model")
        assert result.returncode == 0, result.stderr
        assert str(output / NAME / str(version)) in result.stdout.splitlines()
    assert sorted(path.name for path in (output / NAME).iterdir()) == ["1", "2"]
    assert [path for path in output.iterdir() if path.name.startswith(".exporting")] == []


def _contents(directory):
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_an_export_that_fails_leaves_the_old_one(exported, digits_run, agreed, tmp_path, monkeypatch):
    output = tmp_path / "out"
    shutil.copytree(exported, output)
    (output / ".exporting_of_a_killed_process").mkdir()
    before = _contents(output)
    monkeypatch.setattr(parity, "_FLOAT16", 1e-9)
    with pytest.raises(UserError, match=r"generator_fp16\.onnx .* nothing was exported \(leave this file out with --nofp16\)"):
        exporting.export(contract.Contract(runs.read(digits_run), agreed.latents, 6), output, ["onnx"])
    assert _contents(output) == before
    assert not list(output.glob(".exporting*"))


@pytest.mark.parametrize("failing", range(1, 14, 3))
def test_a_fault_while_files_are_put_in_place_brings_the_old_ones_back(exported, digits_run, agreed, tmp_path, monkeypatch, failing):
    output = tmp_path / "out"
    shutil.copytree(exported, output)
    before = _contents(output)

    def write(contract, directory, formats, fp16, saved_model):
        names = ["README.md", "generator.png", "generator.onnx", "recognizer.onnx", saved_model, "generator.json"]
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
    mine = contract.Contract(runs.read(digits_run), agreed.latents, 6)
    if failing <= 12:
        with pytest.raises(KeyboardInterrupt):
            exporting.export(mine, output, ["saved_model", "onnx"])
        assert _contents(output) == before
    else:
        exporting.export(mine, output, ["saved_model", "onnx"])
        assert (len(calls), (output / NAME / "2").read_text()) == (12, "new")
        assert not (output / "generator_fp16.onnx").exists()  # it would be the old one
    assert not list(output.glob(".exporting*"))


def test_a_killed_export_leaves_the_old_one(exported, digits_run, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(exported, output)
    before = _contents(output)
    process = subprocess.Popen([sys.executable, "-m", "keras_infogan.export", f"--run_dir={digits_run}", f"--output_dir={output}"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(output.glob(".exporting_*/written/*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert {path: data for path, data in _contents(output).items() if not path.parts[0].startswith(".exporting")} == before


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
        to_saved_model.write(agreed, model, tmp_path / "1")


def test_scores_need_no_tensorflow(exported, digits_run, tmp_path):
    """And are those of the run itself, but for the images, for whose feature space TensorFlow would be needed."""
    files = tmp_path / "files"
    shutil.copytree(exported, files)
    code = "import sys, runpy; sys.modules.update(tensorflow=None, keras=None); runpy.run_module('keras_infogan.evaluate', run_name='__main__')"
    arguments = [f"--onnx={files / 'generator.onnx'}", "--num_images=500"]
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    scored = json.loads((files / "metrics.json").read_text())
    assert "a feature space takes TensorFlow" in scored["skipped"]["frechet_distance"]
    assert "data:image/png" in (files / "report.html").read_text()
    copy = tmp_path / "run"
    shutil.copytree(digits_run, copy)
    assert command("evaluate", f"--run_dir={copy}", "--num_images=500", "--metrics=generator,labels").returncode == 0
    expected = {key.replace("/slant", "/tilt"): value for key, value in json.loads((copy / "metrics.json").read_text())["scores"].items()}
    assert {"effect/noise", "clustering_accuracy/digit"} <= expected.keys()
    assert scored["scores"] == pytest.approx(expected, abs=1e-3)
    # An export after an evaluation says what was found, under the new names.
    assert command("export", f"--run_dir={copy}", "--formats=onnx", "--nofp16", "--rename=slant=tilt").returncode == 0
    assert [path.name for path in (copy / "export").glob("generator_fp16*")] == []
    said = json.loads((copy / "export" / "generator.json").read_text())["evaluation"]
    assert said["scores"] == expected
    assert said["labels_of_categories"]["digit"] == json.loads((copy / "metrics.json").read_text())["details"]["confusion"]["digit"]["matches"]
    assert f"| clustering_accuracy/digit | {expected['clustering_accuracy/digit']:.3f} |" in (copy / "export" / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "Give --run_dir"),
        (["--run_dir=nowhere"], "not a run directory"),
        (["--run_dir=RUN", "--formats=tflite"], "--formats: expected one or more of saved_model, onnx, web, received 'tflite'"),
        (["--run_dir=RUN", "--formats=saved_modl"], "did you mean 'saved_model'"),
        (["--run_dir=RUN", "--formats="], "received none"),
        (["--run_dir=RUN", "--rename=slant"], "cannot read 'slant'"),
        (["--run_dir=RUN", "--rename=slant=a,slant=b"], "each code once"),
        (["--run_dir=RUN", "--rename=slant=digit"], "'digit' is given twice"),
        (["--run_dir=RUN", "--rename=slant=seed"], "the name 'seed' cannot be .* --rename=slant=NAME"),
        (["--run_dir=RUN", "--rename=color=hue"], "there is no code 'color'"),
        (["--run_dir=RUN", "--output_dir=occupied"], "is not empty and not an export"),
        (["--run_dir=RUN", "--output_dir=other"], "holds an export of mnist-infogan"),
        (["--run_dir=RUN", "--output_dir=codes"], "holds an export of digits-infogan that has other images or codes"),
        (["--run_dir=RUN", "--output_dir=damaged"], "is damaged .* remove it, or give another"),
        (["--run_dir=RUN", "--output_dir=occupied/file"], "cannot write to"),
    ],
)
def test_bad_input_is_one_sentence_before_tensorflow_loads(digits_run, exported, tmp_path, arguments, part):
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "file").write_text("precious")
    (tmp_path / "other").mkdir()
    content = json.loads((exported / "generator.json").read_text())
    (tmp_path / "other" / "generator.json").write_text(json.dumps(content | {"name": "mnist-infogan"}))
    (tmp_path / "codes").mkdir()
    settings = content["run"]["settings"] | {"codes": "class=categorical(10)"}
    (tmp_path / "codes" / "generator.json").write_text(json.dumps(content | {"run": content["run"] | {"settings": settings}}))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "generator.json").write_text("[]")
    before = _contents(tmp_path)
    code = "import sys, runpy; sys.modules.update(tensorflow=None, keras=None); runpy.run_module('keras_infogan.export', run_name='__main__')"
    arguments = [argument.replace("RUN", str(digits_run)) for argument in arguments]
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert re.search(part, sentence(result))
    assert _contents(tmp_path) == before


def test_a_second_export_at_the_same_time_is_turned_away(digits_run, tmp_path):
    with runs.locked_directory(tmp_path, "--output_dir", "exporting"):
        assert "another process is exporting in" in sentence(command("export", f"--run_dir={digits_run}", f"--output_dir={tmp_path}"))


def test_a_missing_package_is_named(monkeypatch):
    find = export_command.importlib.util.find_spec
    monkeypatch.setattr(export_command.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name))
    with pytest.raises(UserError, match=r"needs tf2onnx, which is not installed; .*\[export\]"):
        export_command.parse_formats("onnx")
