"""Settings, flags, and how a command ends."""

import dataclasses

import pytest
from conftest import command, sentence

from keras_infogan import config
from keras_infogan.config import UserError


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [
        ("steps", 0, "--steps must be at least 1"),
        ("batch_size", 1, "--batch_size must be at least 2"),
        ("seed", -1, "--seed must be at least 0"),
        ("precision", "float23", "did you mean 'float32'"),
    ],
)
def test_settings_out_of_range_are_refused(field, value, part):
    with pytest.raises(UserError, match=part):
        dataclasses.replace(config.Settings(), **{field: value})


def test_every_setting_has_a_meaning():
    assert all(field.metadata["meaning"] for field in dataclasses.fields(config.Settings))


def test_did_you_mean():
    assert config.did_you_mean("mnits", ["mnist", "digits"]) == " (did you mean 'mnist'?)"
    assert config.did_you_mean("zzz", ["mnist", "digits"]) == ""


HELP = [
    ("train", ["--dataset", "--model", "--steps"]),
    ("sweep", ["--seeds", "--steps"]),
    ("sample", ["--run_dir", "--onnx", "--provider", "--num"]),
    ("encode", ["--run_dir", "--onnx", "--images"]),
    ("evaluate", ["--run_dir", "--onnx", "--metrics", "--num"]),
    ("export", ["--run_dir", "--formats", "--export_dir"]),
    ("serving.client", ["--url", "--codes", "--num"]),
    ("serving.load_test", ["--url", "--concurrency"]),
    ("serving.local", ["--export_dir", "--port"]),
    ("serving.explore", ["--export_dir", "--port"]),
    ("serving.deploy", ["--export_dir", "--stable"]),
]


@pytest.mark.parametrize(("name", "flags"), HELP)
def test_help_shows_every_flag_of_a_command(name, flags):
    result = command(name, "--help")
    assert [flag for flag in flags if f"  {flag}:" not in result.stdout] == []
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", [name for name, _ in HELP])
def test_a_wrong_flag_is_one_line_and_status_2(tmp_path, name):
    result = command(name, "--no_such_flag=3", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: Unknown command line flag 'no_such_flag'\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "flag", "part"),
    [
        ("train", "--steps=many", "flag --steps=many"),
        (
            "train",
            "--model=infogen",
            "flag --model=infogen: value should be one of <infogan|dcgan|vae>",
        ),
        ("sample", "--num=0", "flag --num=0"),
        (
            "evaluate",
            "--features=mine",
            "flag --features=mine: value should be one of <learned|inception>",
        ),
        ("train", "-steps", "Missing value for flag -steps"),
        ("train", "word", "expected flags only, received 'word'; write --name=value."),
    ],
)
def test_a_flag_of_a_wrong_value_is_one_line_and_status_2(tmp_path, name, flag, part):
    result = command(name, flag, cwd=tmp_path)
    assert part in sentence(result)
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "arguments", "old", "new", "part"),
    [
        ("sample", ["--count=0"], "count", "num", "flag --num=0"),
        ("sample", ["--count", "0"], "count", "num", "flag --num=0"),
        ("sample", ["-count=0"], "count", "num", "flag --num=0"),
        ("evaluate", ["--num_images=9"], "num_images", "num", "flag --num=9"),
        ("export", ["--output_dir=x"], "output_dir", "export_dir", "Give --run_dir"),
        (
            "serving.client",
            ["--contract=nowhere"],
            "contract",
            "export_dir",
            "nowhere is not there",
        ),
        (
            "serving.load_test",
            ["--contract=nowhere"],
            "contract",
            "export_dir",
            "nowhere is not there",
        ),
    ],
)
def test_a_renamed_flag_works_under_its_old_name_with_a_word(
    tmp_path, name, arguments, old, new, part
):
    result = command(name, *arguments, cwd=tmp_path)
    assert part in sentence(result)
    assert (
        result.stderr.splitlines()[0] == f"--{old} is called --{new} now; the old name still works."
    )
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.parametrize("name", ["train", "sweep"])
@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (
            ["--continuous_weight=0.1"],
            "--continuous_weight is no longer a flag: give the weight to the codes themselves",
        ),
        (
            ["--max_posterior_std=2"],
            "--max_posterior_std is no longer a flag: the upper limit of a learned deviation is 1",
        ),
        (["--beta=4"], "--beta is a setting of --model=vae, not of InfoGAN."),
        (["--binarize"], "--binarize is a setting of --model=vae, not of InfoGAN."),
        (["--nobinarize"], "--binarize is a setting of --model=vae, not of InfoGAN."),
        (
            ["--model=vae", "--spectral_norm"],
            "--spectral_norm is a setting of --model=infogan or dcgan, not of VAE.",
        ),
        (
            ["--model=dcgan", "--codes=3*uniform"],
            "--codes is a setting of --model=infogan or vae, not of DCGAN.",
        ),
        (
            ["--mutual_information_weight=1", "--model", "dcgan"],
            "--mutual_information_weight is a setting of --model=infogan, not of DCGAN.",
        ),
    ],
)
def test_a_flag_that_is_none_of_this_model_says_why(tmp_path, name, flags, part):
    result = command(name, *flags, cwd=tmp_path)
    assert part in sentence(result)
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ([], "infogan"),
        (["--model=vae"], "vae"),
        (["--model", "vae"], "vae"),
        (["--steps=3", "-model=vae", "--other"], "vae"),
        (["--model"], "infogan"),
    ],
)
def test_a_flag_is_known_before_flags_are_parsed(arguments, value):
    assert config.flag_given("model", "infogan", ["train", *arguments]) == value


@pytest.mark.parametrize("name", ["infogan", "dcgan", "vae"])
def test_help_of_train_is_that_of_the_model_asked_for(name):
    result = command("train", f"--model={name}", "--help")
    own = {"infogan": "--mutual_information_weight:", "dcgan": "--weight_std:", "vae": "--beta:"}
    assert result.returncode == 0
    assert {model for model, flag in own.items() if flag in result.stdout} == {name}
    assert "--steps:" in result.stdout
