"""Settings, flags, and how a command ends."""

import dataclasses
import errno
import io
import os
import signal
import subprocess
import sys

import pytest
from absl import flags
from conftest import PATIENCE, command, flags_of, refusal, sentence

from keras_infogan import config
from keras_infogan.config import UnfinishedError, UserError


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [
        ("steps", 0, "--steps must be at least 1"),
        ("batch_size", 1, "--batch_size must be at least 2"),
        ("seed", -1, "--seed must be at least 0"),
        ("precision", "float23", "did you mean 'float32'"),
        ("steps", 2**63, "--steps must be at most 9223372036854775807"),
        ("log_every_steps", 10**400, "--log_every_steps must be at most"),
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
def test_a_wrong_flag_is_one_line_and_status_2(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert refusal(name, "--no_such_flag=3") == "error: Unknown command line flag 'no_such_flag'"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "flag", "part"),
    [
        ("train", "--steps=many", "flag --steps=many"),
        (
            "train",
            "--model=infogen",
            "flag --model=infogen: value should be one of <infogan|dcgan|autoencoder|vae|",
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
def test_a_flag_of_a_wrong_value_is_one_line_and_status_2(tmp_path, monkeypatch, name, flag, part):
    monkeypatch.chdir(tmp_path)
    assert part in refusal(name, flag)
    assert list(tmp_path.iterdir()) == []


_WRONG = {
    "int": "1e5",
    "float": "much",
    "bool": "perhaps",
    "string enum": "nonsense",
    "path": "gs://bucket/x",
}


@pytest.mark.parametrize("name", [name for name, _ in HELP])
def test_a_wrong_value_of_any_flag_of_any_command_is_status_2(name):
    with flags_of(name):
        wrong = {
            flag.name: _WRONG[flag.parser.flag_type()]
            for module, defined in flags.FLAGS.flags_by_module_dict().items()
            for flag in defined
            if module.startswith("keras_infogan.")
            and flag.parser.flag_type() in _WRONG
            and flag.name not in config._renamed
        }
    assert wrong
    for flag, value in wrong.items():
        assert f"flag --{flag}={value}: " in refusal(name, f"--{flag}={value}")


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("train", "run_dir"),
        ("sweep", "sweep_dir"),
        *(
            (name, flag)
            for name in ("sample", "encode", "evaluate")
            for flag in ("run_dir", "onnx")
        ),
        ("encode", "output"),
        ("encode", "reconstructions"),
        ("export", "run_dir"),
        ("export", "export_dir"),
    ],
)
def test_a_path_has_its_tilde_expanded(monkeypatch, name, flag):
    monkeypatch.setenv("HOME", "/home/somebody")
    with flags_of(name, f"--{flag}=~/x"):
        flags.FLAGS(sys.argv)
        assert flags.FLAGS[flag].value == "/home/somebody/x"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("train", ["--dataset=folder", "--data_dir=s3://b/x"]),
        ("serving.local", ["--export_dir=https://b/x"]),
        ("serving.explore", ["--export_dir=gs://b/x"]),
        ("serving.deploy", ["--export_dir=gs://b/x"]),
    ],
)
def test_an_address_is_no_path(name, arguments):
    assert "expected a path on this machine, received" in refusal(name, *arguments)


def test_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(config.path("runs/[1]*")) == "runs/[1]*"
    assert str(config.path("~")) == "/home/somebody"
    assert str(config.path("~nobody_of_this_name.csv")) == "~nobody_of_this_name.csv"
    assert config.absolute_path("~/a/../b") == "/home/somebody/b"
    assert config.user_path("") is config.user_path(None) is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("gs://bucket/run", "on this machine"),
        ("HTTP://host", "on this machine"),
        ("r\udcff", "not valid UTF-8"),
        ("a\0b", "not valid UTF-8"),
        ("~/run", "set HOME"),
        ("~", "set HOME"),
    ],
)
def test_what_is_no_path_is_one_sentence(monkeypatch, text, part):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as without a home directory
    with pytest.raises(UserError, match=part):
        config.path(text)


def test_a_command_line_is_one_for_a_shell():
    assert (
        config.command_line("sample", run_dir="a") == "python -m keras_infogan.sample --run_dir=a"
    )
    line = config.command_line("sample", run_dir="my run; $(x)")
    assert line == "python -m keras_infogan.sample '--run_dir=my run; $(x)'"


def _ended(monkeypatch, function):
    """Returns the status with which a command of this function ends."""
    monkeypatch.setattr(sys, "argv", ["command"])
    with pytest.raises(SystemExit) as ended:
        config.run_command(function)
    return ended.value.code


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("a \x1b[31mred\x07 name"), 2, r"error: a \x1b[31mred\x07 name"),
        (UnfinishedError("stopped \x9b2J"), 75, r"stopped \x9b2J"),
        (OSError(errno.ENOSPC, "full", "\x1bx"), 2, r"error: cannot read or write \x1bx: full."),
        (MemoryError(), 2, "error: the memory of this machine is not enough"),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_an_error_is_one_line_that_no_terminal_obeys(monkeypatch, capsys, error, status, said):
    def fail():
        raise error

    assert _ended(monkeypatch, fail) == status
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(said)
    assert errors.count("\n") == 1
    assert not {"\x1b", "\x07", "\x9b"} & set(errors)


def test_an_unknown_flag_is_said_without_what_a_terminal_obeys(monkeypatch):
    assert r"flag 'no\x1b[31m'" in refusal("sample", "--no\x1b[31m=3")


def test_letters_that_the_output_cannot_take_are_written_out(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    assert _ended(monkeypatch, lambda: print("r\xfcn")) is None
    assert written.getvalue() == b"r\\xfcn\n"


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_output_is_none(monkeypatch, closed):
    monkeypatch.setattr(sys, closed, None)

    def write():
        print("words", file=getattr(sys, closed))
        return 0

    assert _ended(monkeypatch, write) == 0
    getattr(sys, closed).close()


def test_a_reader_that_goes_ends_a_command_without_a_word():
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as output:
        result = subprocess.run(
            [sys.executable, "-m", "keras_infogan.train", "--help"],
            stdout=output,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    assert (result.returncode, result.stderr) == (128 + signal.SIGPIPE, b"")


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
            "--spectral_norm is a setting of --model=infogan, dcgan or egan",
        ),
        (
            ["--model=dcgan", "--codes=3*uniform"],
            "--codes is a setting of --model=infogan, autoencoder, vae, ",
        ),
        (
            ["--mutual_information_weight=1", "--model", "dcgan"],
            "--mutual_information_weight is a setting of --model=infogan",
        ),
    ],
)
def test_a_flag_that_is_none_of_this_model_says_why(tmp_path, monkeypatch, name, flags, part):
    monkeypatch.chdir(tmp_path)
    assert part in refusal(name, *flags)
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
