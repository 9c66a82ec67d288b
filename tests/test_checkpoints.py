"""Checkpoints: whole and sealed, the newest that can be read, and those of earlier versions."""

import json
import os

import h5py
import numpy as np
import pytest

from keras_infogan import checkpoints, loaded, models, runs
from keras_infogan.config import UserError


@pytest.fixture
def saved(new_run):
    """A run with checkpoints of steps 1 to 5, and the weights at each."""
    run = new_run("saved")
    runs.create(run)
    model = models.build(run.model, run.settings, run.image_shape)
    weights = {}
    for step in range(1, 6):
        model.steps_taken.assign(step)
        model.trainable_variables[0].assign(model.trainable_variables[0] + 1)
        weights[step] = model.trainable_variables[0].numpy()
        checkpoints.save(run, model)
    return run, model, weights


def test_the_newest_checkpoints_are_kept(saved):
    run, _, _ = saved
    assert [path.name for path in checkpoints.paths(run)] == [
        f"step_{step:08d}.weights.h5" for step in (5, 4, 3)
    ]
    assert len(list(run.checkpoints.iterdir())) == 3


def test_restores_the_newest(saved):
    run, _, weights = saved
    run_again, model = loaded.load_run(run.directory)
    assert run_again == run
    assert model.step == 5
    assert np.array_equal(model.learner.trainable_variables[0].numpy(), weights[5])


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage"])
def test_a_damaged_checkpoint_falls_back_and_says_so(saved, damage, capsys):
    run, _, weights = saved
    newest = checkpoints.paths(run)[0]
    content = newest.read_bytes()
    newest.write_bytes(
        {"cut": content[: len(content) // 2], "empty": b"", "garbage": b"x" * 1000}[damage]
    )
    _, model = loaded.load_run(run.directory)
    assert model.step == 4
    assert np.array_equal(model.learner.trainable_variables[0].numpy(), weights[4])
    assert newest.name in capsys.readouterr().err


def test_only_damaged_checkpoints_are_an_error(saved):
    run, *_ = saved
    for path in checkpoints.paths(run):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="none of the 3 checkpoints"):
        loaded.load_run(run.directory)


def test_weights_that_are_not_finite_are_not_saved(saved):
    run, model, _ = saved
    model.steps_taken.assign(6)
    model.trainable_variables[0].assign(model.trainable_variables[0] * np.nan)
    with pytest.raises(UserError, match="no longer finite at step 6"):
        checkpoints.save(run, model)
    assert checkpoints.paths(run)[0].name == "step_00000005.weights.h5"


def test_a_failed_write_leaves_no_trace(saved, monkeypatch):
    run, model, _ = saved

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match="No space left"):
        checkpoints.save(run, model)
    assert len(list(run.checkpoints.iterdir())) == 3


def test_a_run_of_version_1_loads(saved):
    """Its checkpoints had neither a count of steps beside the optimizers' nor a seal."""
    run, _, weights = saved
    for path in checkpoints.paths(run):
        with h5py.File(path, "r+") as file:
            del file["vars"]
        path.write_bytes(path.read_bytes().split(checkpoints._SEAL)[0])
    config = run.directory / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"version": 1}))
    again, model = loaded.load_run(run.directory)
    assert again == run
    assert model.step == 5
    assert np.array_equal(model.learner.trainable_variables[0].numpy(), weights[5])


def test_a_flipped_bit_is_noticed(saved, capsys):
    run, model, _ = saved
    newest = checkpoints.paths(run)[0]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert checkpoints.restore(run, model) == 4
    assert "its bytes are not those that were written" in capsys.readouterr().err


def test_without_a_checkpoint_a_run_begins(new_run):
    run = new_run("new")
    runs.create(run)
    assert checkpoints.restore(run, models.build(run.model, run.settings, run.image_shape)) == 0


def test_the_step_stands_in_the_name(saved):
    run, *_ = saved
    assert [checkpoints.step_of(path) for path in checkpoints.paths(run)] == [5, 4, 3]


def test_checkpoints_are_ordered_by_their_step(saved):
    run, model, _ = saved
    for step in (99_999_999, 100_000_000, 100_000_001):
        model.steps_taken.assign(step)
        checkpoints.save(run, model)
    assert [checkpoints.step_of(path) for path in checkpoints.paths(run)] == [
        100_000_001,
        100_000_000,
        99_999_999,
    ]
    assert checkpoints.restore(run, model) == 100_000_001


@pytest.mark.parametrize(
    "name",
    [
        "step_00000001.backup.weights.h5",
        "step_abc.weights.h5",
        "step_.weights.h5",
        "step_00000001.weights.h5.old",
        "step_-0000001.weights.h5",
        "step_1e3.weights.h5",
        "my_step_00000001.weights.h5",
        f"step_{'9' * 20}.weights.h5",
    ],
)
def test_files_of_other_names_are_no_checkpoints(saved, name):
    run, model, _ = saved
    copy = run.checkpoints / name
    copy.write_bytes(b"mine")
    model.steps_taken.assign(6)
    checkpoints.save(run, model)
    assert [checkpoints.step_of(path) for path in checkpoints.paths(run)] == [6, 5, 4]
    assert copy.read_bytes() == b"mine"
    assert checkpoints.restore(run, model) == 6


def test_what_is_no_file_is_no_checkpoint(saved):
    run, model, _ = saved
    (run.checkpoints / "step_00000000.weights.h5").mkdir()
    os.mkfifo(run.checkpoints / "step_00000009.weights.h5")
    model.steps_taken.assign(6)
    checkpoints.save(run, model)
    assert checkpoints.restore(run, model) == 6


def _drop_optimizer(file):
    del file["generator_optimizer"]


def _cut_optimizer(file):
    del file["generator_optimizer/vars/3"]


def _empty_optimizer(file):
    del file["generator_optimizer/vars"]
    file.create_group("generator_optimizer/vars")


def _number_for_optimizer(file):
    del file["generator_optimizer/vars"]
    file["generator_optimizer/vars"] = 3


def _shorten_momentum(file):
    values = file["generator_optimizer/vars/3"][()]
    del file["generator_optimizer/vars/3"]
    file["generator_optimizer/vars/3"] = values[:1]


def _drop_layers(file):
    del file["generator"]


@pytest.mark.parametrize(
    "damage",
    [
        _drop_optimizer,
        _cut_optimizer,
        _empty_optimizer,
        _number_for_optimizer,
        _shorten_momentum,
        _drop_layers,
    ],
)
@pytest.mark.parametrize("sealed", [True, False])
def test_a_checkpoint_that_lacks_a_part_is_not_taken(saved, damage, sealed, capsys):
    run, model, _ = saved
    newest = checkpoints.paths(run)[0]
    with h5py.File(newest, "r+") as file:
        damage(file)
    content = newest.read_bytes().split(checkpoints._SEAL)[0]
    newest.write_bytes(content + checkpoints._seal(content) if sealed else content)
    assert checkpoints.restore(run, model) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"{newest} cannot be read (")
    assert len(said.splitlines()) == 1
