import dataclasses

import pytest
from conftest import command

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
        dataclasses.replace(config.Config(), **{field: value})


def test_every_setting_has_a_meaning():
    assert all(field.metadata["meaning"] for field in dataclasses.fields(config.Config))


def test_did_you_mean():
    assert config.did_you_mean("mnits", ["mnist", "digits"]) == " (did you mean 'mnist'?)"
    assert config.did_you_mean("zzz", ["mnist", "digits"]) == ""


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("train", ["--dataset", "--steps"]),
        ("sweep", ["--seeds", "--steps"]),
        ("sample", ["--run_dir", "--onnx", "--provider", "--count"]),
        ("encode", ["--run_dir", "--onnx", "--images"]),
        ("evaluate", ["--run_dir", "--onnx", "--metrics"]),
        ("export", ["--run_dir", "--formats"]),
        ("serving.client", ["--url", "--codes"]),
        ("serving.load_test", ["--url", "--concurrency"]),
        ("serving.local", ["--export_dir", "--port"]),
        ("serving.explore", ["--export_dir", "--port"]),
        ("serving.deploy", ["--export_dir", "--stable"]),
    ],
)
def test_help_shows_every_flag_of_a_command(name, flags):
    shown = command(name, "--help").stdout
    assert [flag for flag in flags if f"  {flag}:" not in shown] == []
