"""Exported files without TensorFlow: loading, devices, buffers, bad files and bad inputs."""

import json
import shutil

import numpy as np
import pytest
from conftest import WITHOUT_TENSORFLOW, command, command_without, refusal
from PIL import Image

from keras_infogan import loaded, onnx_model
from keras_infogan.config import UserError

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def test_the_files_give_what_the_model_gives_for_any_number_of_images(exported, digits_run):
    run, model = loaded.load_run(digits_run)
    restored = onnx_model.load(exported / "generator.onnx")
    assert [code.name for code in restored.latent_spec.codes] == ["digit", "tilt"]
    assert restored.contract.settings == run.to_json()["settings"]
    assert (restored.step, restored.provider) == (6, "cpu")
    assert (
        restored.title,
        restored.image_shape,
        restored.capabilities,
        restored.takes_weights,
    ) == ("InfoGAN", (16, 16, 1), ("generate", "encode"), False)
    for count in (0, 1, 7, 300):
        latents = model.latent_spec.sample(count, 0)
        images = model.generate(latents) if count else np.zeros((0, 16, 16, 1), np.float32)
        assert np.abs(restored.generate(latents) - images).max(initial=0) < 2e-5
        assert restored.encode(images).shape == (count, restored.latent_spec.total_parameters)
        if count:
            assert np.abs(restored.encode(images) - model.encode(images)).max() < 1e-4
    half = onnx_model.load(exported / "generator_fp16.onnx", needs=("generate",), num_threads=1)
    assert 1e-6 < np.abs(half.generate(latents) - images).max() < 1e-2


def test_a_provider_that_cannot_be_had_is_not_pretended(exported, tmp_path):
    available = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" in available:
        pytest.skip("CUDA may be had here")
    for provider in ("cuda", "tensorrt"):
        restored = onnx_model.load(exported / "generator.onnx", provider=provider)
        assert restored.provider == "cpu"
    result = command(
        "sample",
        f"--onnx={exported / 'generator.onnx'}",
        "--provider=cuda",
        "--num=2",
        "--rows=2",
        f"--output_dir={tmp_path}",
    )
    assert (result.returncode, result.stderr.strip()) == (
        0,
        "cuda could not be had from onnxruntime here; running on cpu.",
    )


def test_bound_buffers_are_used_in_place(exported):
    restored = onnx_model.load(exported / "generator.onnx")
    latents = restored.latent_spec.sample(8, 0)
    bound = restored.bind(4)
    address = bound.images.data_ptr()
    for part in (latents[:4], latents[4:]):
        for name, array in restored.contract.feeds("generator", latents=part).items():
            bound.inputs[name].update_inplace(array)
        images = bound.run()
        assert images.data_ptr() == address
        np.testing.assert_allclose(images.numpy() * 2 - 1, restored.generate(part), atol=1e-6)


@pytest.mark.parametrize("file", ["generator.onnx", "generator_fp16.onnx"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("digit", 10), ("digit", -1), ("tilt", np.nan), ("tilt", np.inf), ("noise", np.nan)],
)
def test_an_image_of_a_bad_input_is_nan_and_no_other(exported, file, name, value):
    restored = onnx_model.load(exported / file, needs=("generate",))
    feeds = restored.contract.feeds("generator", latents=restored.latent_spec.sample(3, 0))
    session, _ = onnx_model.open_session(exported / file)
    good = session.run(None, feeds)[0]
    feeds[name][1] = value
    images = session.run(None, feeds)[0]
    assert np.isnan(images[1]).all()
    np.testing.assert_array_equal(images[[0, 2]], good[[0, 2]])


@pytest.mark.parametrize("value", [2.0, -1.0, np.nan])
def test_the_answers_of_a_bad_image_are_nan_and_no_others(exported, value):
    session, _ = onnx_model.open_session(exported / "recognizer.onnx")
    images = np.random.default_rng(0).random((3, 16, 16, 1), np.float32)
    names = [output.name for output in session.get_outputs()]
    assert names == ["digit", "digit_probabilities", "tilt", "tilt_std", "parameters"]
    images[1, 4, 4, 0] = value
    for answers in session.run(None, {"images": images}):
        bad = answers[1] == -1 if answers.dtype == np.int64 else np.isnan(answers[1])
        assert np.all(bad)
        assert np.isfinite(answers[[0, 2]]).all()
        assert answers.dtype != np.int64 or (answers[[0, 2]] >= 0).all()


def test_wrong_shapes_types_and_names_are_errors(exported):
    session, _ = onnx_model.open_session(exported / "generator.onnx")
    restored = onnx_model.load(exported / "generator.onnx")
    feeds = restored.contract.feeds("generator", latents=restored.latent_spec.sample(3, 0))
    for wrong in (
        {"noise": feeds["noise"][:, :5]},
        {"digit": feeds["digit"].astype(np.float32)},
        {"tilt": feeds["tilt"][:2]},
        {"color": feeds["tilt"]},
    ):
        with pytest.raises(Exception, match=r"."):
            session.run(None, feeds | wrong)


def test_sample_and_encode_do_not_load_tensorflow(exported, tmp_path):
    (tmp_path / "images").mkdir()
    for index in range(3):
        Image.fromarray(np.full((20, 20), 60 * index, np.uint8)).save(
            tmp_path / "images" / f"{index}.png"
        )

    def run(name, *flags):
        result = command_without(WITHOUT_TENSORFLOW, name, *flags)
        assert result.returncode == 0, result.stderr

    run(
        "sample",
        f"--onnx={exported / 'generator.onnx'}",
        f"--output_dir={tmp_path}",
        "--num=20",
        "--rows=2",
    )
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "samples.png",
        "traversal_digit.png",
        "traversal_tilt.png",
    }
    run(
        "encode",
        f"--onnx={exported / 'recognizer.onnx'}",
        f"--images={tmp_path / 'images'}",
        f"--output={tmp_path / 'codes.csv'}",
    )
    header, *lines = (tmp_path / "codes.csv").read_text().splitlines()
    assert header == "image,digit,digit_probability,tilt,tilt_std"
    assert len(lines) == 3


def test_files_that_are_not_ours_are_refused(exported, tmp_path):
    with pytest.raises(UserError, match="is not there"):
        onnx_model.load(tmp_path / "generator.onnx")
    (tmp_path / "generator.onnx").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="cannot be read"):
        onnx_model.load(tmp_path / "generator.onnx")
    proto = onnx.load(exported / "generator.onnx")
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "generator.onnx")
    with pytest.raises(UserError, match="does not say which codes"):
        onnx_model.load(tmp_path / "generator.onnx")
    shutil.copy(exported / "generator.onnx", tmp_path)
    with pytest.raises(UserError, match=r"recognizer\.onnx is not there"):
        onnx_model.load(tmp_path / "generator.onnx")
    proto = onnx.load(exported / "recognizer.onnx")
    about = json.loads(proto.metadata_props[0].value)
    onnx.helper.set_model_props(proto, {"keras_infogan": json.dumps({**about, "step": 7})})
    onnx.save(proto, tmp_path / "recognizer.onnx")
    with pytest.raises(UserError, match="not of the same run and step"):
        onnx_model.load(tmp_path / "generator.onnx")
    # A file of another purpose under the name.
    shutil.copy(exported / "recognizer.onnx", tmp_path / "other.onnx")
    proto = onnx.load(exported / "recognizer.onnx")
    proto.graph.output.pop()
    onnx.save(proto, tmp_path / "other.onnx")
    with pytest.raises(
        UserError,
        match=(
            r"other\.onnx gives digit, digit_probabilities, tilt, tilt_std, "
            r"not what its metadata say"
        ),
    ):
        onnx_model.load(tmp_path / "other.onnx")
    for inputs, part in (
        ([{"name": "a"}], "cannot read"),
        ([{"kind": "color"}], r"generator\.onnx: the kind of code 'color' is not known here"),
    ):
        proto = onnx.load(exported / "generator.onnx")
        onnx.helper.set_model_props(
            proto, {"keras_infogan": json.dumps({**about, "inputs": inputs})}
        )
        onnx.save(proto, tmp_path / "generator.onnx")
        with pytest.raises(UserError, match=part):
            onnx_model.load(tmp_path / "generator.onnx")
    onnx.helper.set_model_props(proto, {"keras_infogan": json.dumps({**about, "contract": 3})})
    onnx.save(proto, tmp_path / "generator.onnx")
    with pytest.raises(UserError, match="newer keras-infogan"):
        onnx_model.load(tmp_path / "generator.onnx")


def _edited(source, target, edit):
    """Copies an .onnx file and its metadata, edited by a function of its ModelProto."""
    proto = onnx.load(source)
    edit(proto)
    onnx.save(proto, target)


def _says(text):
    """Returns an edit after which a file's metadata are another text."""
    return lambda proto: onnx.helper.set_model_props(proto, {"keras_infogan": text})


def _with(**changes):
    """Returns an edit that changes keys of a file's metadata."""

    def edit(proto):
        content = json.loads(proto.metadata_props[0].value) | changes
        onnx.helper.set_model_props(proto, {"keras_infogan": json.dumps(content)})

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        _says("[" * 100_000),
        _says("1e999"),
        _says('"text"'),
        _says("{}"),
        _says('{"contract": 1e999}'),
        _with(step=float("inf")),
        _with(inputs=3),
        _with(inputs=[3]),
        _with(images=None),
        _with(images={"shape": ["batch"], "layout": "NHWC", "type": "float32"}),
        _with(dataset={"name": 3, "license": 3, "fingerprint": 3}),
        _with(dataset={"name": "\x1b[2J", "license": "", "fingerprint": None}),
        _with(capabilities=3),
    ],
)
def test_metadata_that_are_garbage_are_one_sentence(exported, tmp_path, edit):
    _edited(exported / "generator.onnx", tmp_path / "generator.onnx", edit)
    arguments = (f"--onnx={tmp_path / 'generator.onnx'}", f"--output_dir={tmp_path}")
    assert "generator.onnx" in refusal("sample", *arguments)


def _rename_input(proto):
    for value in proto.graph.input:
        if value.name == "tilt":
            value.name = "lean"
    for node in proto.graph.node:
        node.input[:] = ["lean" if name == "tilt" else name for name in node.input]


def _widen_noise(proto):
    (noise,) = (value for value in proto.graph.input if value.name == "noise")
    noise.type.tensor_type.shape.dim[1].dim_value = 17


def _fix_batch(proto):
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1


def _cast_images(proto):
    (images,) = proto.graph.output
    (last,) = (node for node in proto.graph.node if "images" in node.output)
    last.output[:] = ["uncast" if name == "images" else name for name in last.output]
    double = onnx.TensorProto.DOUBLE
    proto.graph.node.append(onnx.helper.make_node("Cast", ["uncast"], ["images"], to=double))
    images.type.tensor_type.elem_type = double


def _take_one_more(proto):
    proto.graph.input.append(
        onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, ["batch"])
    )


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        (
            _rename_input,
            r"generator\.onnx takes 'lean' as tensor\(float\) \['batch'\], which is not",
        ),
        (_widen_noise, r"generator\.onnx (takes 'noise' as|cannot be read)"),
        (_fix_batch, r"generator\.onnx (takes 'digit' as tensor\(int64\) \[1\]|cannot be read)"),
        (_cast_images, r"generator\.onnx gives 'images' as tensor\(double\)"),
        (_take_one_more, r"generator\.onnx takes 'more' as"),
        (
            _with(images={"shape": ["batch", 8, 8, 1], "layout": "NHWC", "type": "float32"}),
            "gives 'images' as",
        ),
        (_with(categories="weights"), "takes 'digit' as"),
    ],
)
def test_a_graph_that_is_not_what_its_metadata_say_is_refused(exported, tmp_path, edit, part):
    _edited(exported / "generator.onnx", tmp_path / "generator.onnx", edit)
    with pytest.raises(UserError, match=part):
        onnx_model.load(tmp_path / "generator.onnx", needs=("generate",))


def test_what_cannot_be_run_or_gives_something_else_is_one_sentence(exported):
    restored = onnx_model.load(exported / "generator.onnx")
    latents = restored.latent_spec.sample(3, 0)

    class Broken:
        def run(self, names, feeds):
            raise RuntimeError("Non-zero status code\nof a node")

    class Short:
        def run(self, names, feeds):
            return [np.zeros((3, 16, 16), np.float32)]

    for session, part in (
        (Broken(), r"generator\.onnx cannot be run \(Non-zero status code\); export it again"),
        (Short(), r"expected images of the shape \(3, 16, 16, 1\), received \(3, 16, 16\)"),
    ):
        broken = onnx_model.OnnxModel(restored.contract, {"generate": session})
        with pytest.raises(UserError, match=part):
            broken.generate(latents)


def test_the_contract_beside_the_files_must_be_theirs(exported, exported_untrained, tmp_path):
    for name in ("generator.json", "generator.onnx", "recognizer.onnx"):
        shutil.copy(exported / name, tmp_path)
    assert onnx_model.load(tmp_path / "generator.onnx").step == 6
    own = json.loads((exported / "generator.json").read_text())
    other = (exported_untrained("vae")[2] / "generator.json").read_text()
    for text in (json.dumps(own | {"step": 7}), other):
        (tmp_path / "generator.json").write_text(text)
        with pytest.raises(UserError, match=r"generator\.json beside it are not of the same run"):
            onnx_model.load(tmp_path / "recognizer.onnx")


def test_any_of_the_files_opens_the_model_and_only_what_is_needed_must_be_there(exported, tmp_path):
    both = onnx_model.load(exported / "recognizer.onnx")
    assert both.capabilities == ("generate", "encode")
    assert both.sample(2, 0).shape == (2, 16, 16, 1)
    shutil.copy(exported / "recognizer.onnx", tmp_path)
    alone = onnx_model.load(tmp_path / "recognizer.onnx", needs=("encode",))
    assert alone.capabilities == ("encode",)
    assert alone.encode(np.zeros((2, 16, 16, 1), np.float32)).shape == (
        2,
        alone.latent_spec.total_parameters,
    )
    with pytest.raises(UserError, match="an InfoGAN cannot generate from latents; it can encode"):
        alone.sample(2, 0)
    with pytest.raises(UserError, match="an InfoGAN cannot reconstruct"):
        onnx_model.load(exported / "generator.onnx", needs=("reconstruct",))


def _as_version_0_1_0(source, target):
    """Copies an .onnx file with the contract that keras-infogan 0.1.0 would have written."""
    proto = onnx.load(source)
    content = json.loads(proto.metadata_props[0].value)
    old = {
        key: content[key]
        for key in (
            "name",
            "step",
            "inputs",
            "images",
            "categories",
            "signatures",
            "onnx",
            "invalid_inputs",
        )
    }
    settings = content["settings"] | {"continuous_weight": 1.0, "max_posterior_std": 1.0}
    run = {
        "version": 2,
        "model": "infogan",
        "dataset": "digits",
        "data_dir": None,
        "fingerprint": None,
        "image_shape": [16, 16, 1],
        "settings": settings,
    }
    old |= {
        "contract": 1,
        "keras_infogan": "0.1.0",
        "run": run,
        "dataset": {"name": "digits", "license": "CC BY 4.0"},
        "renamed": {"slant": "tilt"},
    }
    onnx.helper.set_model_props(proto, {"keras_infogan": json.dumps(old)})
    onnx.save(proto, target)


def test_files_of_the_first_contract_load(exported, tmp_path):
    for name in ("generator.onnx", "recognizer.onnx"):
        _as_version_0_1_0(exported / name, tmp_path / name)
    old, new = (onnx_model.load(directory / "generator.onnx") for directory in (tmp_path, exported))
    assert (old.latent_spec, old.capabilities, old.step) == (
        new.latent_spec,
        new.capabilities,
        new.step,
    )
    images = new.sample(3, 0)
    np.testing.assert_array_equal(old.sample(3, 0), images)
    np.testing.assert_array_equal(old.encode(images), new.encode(images))


@pytest.mark.parametrize(
    ("name", "arguments", "part"),
    [
        ("evaluate", ["--onnx=nowhere/generator.onnx"], "is not there"),
        ("evaluate", ["--onnx=x", "--run_dir=y"], "not both"),
        ("sample", ["--onnx=x", "--run_dir=y"], "not both"),
        ("encode", ["--onnx=nowhere/recognizer.onnx", "--images=x"], "is not there"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, monkeypatch, name, arguments, part):
    monkeypatch.chdir(tmp_path)
    assert part in refusal(name, *arguments)
    assert list(tmp_path.iterdir()) == []
