import dataclasses
import json
import os

import numpy as np
import pytest

from keras_infogan import models, runs
from keras_infogan.config import UserError


def test_config_json_carries_everything(new_run):
    run = new_run("a", steps=7)
    runs.create(run)
    assert runs.read(run.directory) == run


def test_a_different_configuration_is_named_and_nothing_overwritten(new_run):
    run = new_run("a")
    runs.create(run)
    before = (run.directory / "config.json").read_bytes()
    with pytest.raises(UserError, match=r"seed: 0, not 3; .*|.*batch_size: 16, not 8") as error:
        runs.create(new_run("a", seed=3, batch_size=8))
    assert "seed: 0, not 3" in str(error.value)
    assert "batch_size: 16, not 8" in str(error.value)
    assert (run.directory / "config.json").read_bytes() == before


def test_steps_may_change_until_they_are_taken(new_run):
    run = new_run("a", steps=40)
    runs.create(run)
    runs.create(new_run("a", steps=8))
    assert runs.read(run.directory).config.steps == 8
    (run.checkpoints / "step_00000008.weights.h5").touch()
    runs.create(new_run("a", steps=5))
    assert runs.read(run.directory).config.steps == 8


def test_other_images_are_a_different_run(new_run):
    run = dataclasses.replace(new_run("a"), fingerprint="cats", data_dir="here")
    runs.create(run)
    runs.create(dataclasses.replace(run, data_dir="there"))
    with pytest.raises(UserError, match=r"images \(by name and size\): cats, not dogs"):
        runs.create(dataclasses.replace(run, fingerprint="dogs"))


def test_a_directory_with_other_files_is_left_alone(new_run):
    run = new_run("a")
    run.directory.mkdir()
    (run.directory / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="not empty and not a run directory"):
        runs.create(run)
    assert [path.name for path in run.directory.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"version": 99}, "newer keras-infogan"),
        ({"model": "outfogan"}, "damaged"),
        ({"settings": {"stepz": 3}}, "damaged"),
    ],
)
def test_a_strange_config_json_is_one_sentence(new_run, change, part):
    run = new_run("a")
    runs.create(run)
    path = run.directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=part):
        runs.read(run.directory)
    path.write_text('{"version": 1, "mod')
    with pytest.raises(UserError, match="damaged"):
        runs.read(run.directory)


def test_no_run_directory_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="not a run directory"):
        runs.read(tmp_path / "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_is_one_sentence(new_run, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write"):
        runs.create(new_run("a"))


def test_a_run_below_a_file_is_one_sentence(new_run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        runs.create(new_run("file/run"))


def test_the_default_directory_is_the_run_with_the_same_settings(new_run, tmp_path):
    run = dataclasses.replace(new_run("x"), directory=None)
    first = runs.choose_directory(run, tmp_path)
    assert first.directory == tmp_path / "digits-infogan-1"
    runs.create(first)
    assert runs.choose_directory(run, tmp_path) == first
    other = dataclasses.replace(run, config=dataclasses.replace(run.config, seed=1))
    assert runs.choose_directory(other, tmp_path).directory == tmp_path / "digits-infogan-2"


@pytest.fixture
def trained(new_run):
    """A run with checkpoints of steps 1 to 5, and the weights at each."""
    run = new_run("trained")
    runs.create(run)
    model = models.build(run.model, run.config, run.image_shape)
    weights = {}
    for step in range(1, 6):
        model.steps_taken.assign(step)
        model.trainable_variables[0].assign(model.trainable_variables[0] + 1)
        weights[step] = model.trainable_variables[0].numpy()
        runs.save(run, model)
    return run, model, weights


def test_the_newest_checkpoints_are_kept(trained):
    run, _, _ = trained
    assert [path.name for path in runs.checkpoint_paths(run)] == [f"step_{step:08d}.weights.h5" for step in (5, 4, 3)]
    assert len(list(run.checkpoints.iterdir())) == 3


def test_restores_the_newest(trained):
    run, _, weights = trained
    run_again, model = runs.load(run.directory)
    assert run_again == run
    assert model.step == 5
    assert np.array_equal(model.trainable_variables[0].numpy(), weights[5])


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage"])
def test_a_damaged_checkpoint_falls_back_and_says_so(trained, damage, capsys):
    run, _, weights = trained
    newest = runs.checkpoint_paths(run)[0]
    content = newest.read_bytes()
    newest.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "garbage": b"x" * 1000}[damage])
    _, model = runs.load(run.directory)
    assert model.step == 4
    assert np.array_equal(model.trainable_variables[0].numpy(), weights[4])
    assert newest.name in capsys.readouterr().err


def test_only_damaged_checkpoints_are_an_error(trained):
    run, *_ = trained
    for path in runs.checkpoint_paths(run):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="none of the 3 checkpoints"):
        runs.load(run.directory)


def test_weights_that_are_not_finite_are_not_saved(trained):
    run, model, _ = trained
    model.steps_taken.assign(6)
    model.trainable_variables[0].assign(model.trainable_variables[0] * np.nan)
    with pytest.raises(UserError, match="no longer finite at step 6"):
        runs.save(run, model)
    assert runs.checkpoint_paths(run)[0].name == "step_00000005.weights.h5"


def test_a_failed_write_leaves_no_trace(trained, monkeypatch):
    run, model, _ = trained

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match="No space left"):
        runs.save(run, model)
    assert len(list(run.checkpoints.iterdir())) == 3


def test_a_run_without_checkpoint_says_how_to_train(new_run):
    run = new_run("a")
    runs.create(run)
    with pytest.raises(UserError, match=r"no checkpoint yet; train first: python -m keras_infogan\.train"):
        runs.load(run.directory)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_run_computes_in_float32_whatever_it_was_trained_in(new_run, precision):
    run = new_run("a", precision=precision)
    runs.create(run)
    model = models.build(run.model, run.config, run.image_shape)
    model.steps_taken.assign(3)
    runs.save(run, model)
    _, loaded = runs.load(run.directory)
    assert loaded.step == 3
    assert {layer.compute_dtype for layer in loaded.generator.layers} == {"float32"}
    assert np.array_equal(loaded.generator.trainable_variables[0].numpy(), model.generator.trainable_variables[0].numpy())


def test_a_run_of_version_1_loads(trained):
    """Its checkpoints had neither a count of steps beside the optimizers' nor a seal."""
    import h5py

    run, _, weights = trained
    for path in runs.checkpoint_paths(run):
        with h5py.File(path, "r+") as file:
            del file["vars"]
        path.write_bytes(path.read_bytes().split(runs._SEAL)[0])
    config = run.directory / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"version": 1}))
    again, model = runs.load(run.directory)
    assert again == run
    assert model.step == 5
    assert np.array_equal(model.trainable_variables[0].numpy(), weights[5])


def test_a_flipped_bit_is_noticed(trained, capsys):
    run, model, _ = trained
    newest = runs.checkpoint_paths(run)[0]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert runs.restore(run, model) == 4
    assert "its bytes are not those that were written" in capsys.readouterr().err
