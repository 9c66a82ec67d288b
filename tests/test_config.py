import dataclasses

import pytest

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
