"""Training as a function, on small data."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_infogan import checkpoints, files, loaded, runs, training
from keras_infogan.config import UserError

pytestmark = pytest.mark.usefixtures("untraced")

# In one process only one strategy may have two devices (see conftest.strategies).
ONE = [("CPU", 0)]


def _weights(run):
    return [variable.numpy() for variable in loaded.load_run(run.directory)[1].learner.variables]


def test_a_run_leaves_everything_it_should(new_run, image_set):
    run = new_run("a")
    assert training.train(run, ONE).step == 4
    assert [json.loads(line)["step"] for line in run.metrics_log.read_text().splitlines()] == [
        1,
        2,
        3,
        4,
    ]
    assert [path.name for path in checkpoints.paths(run)] == [
        "step_00000004.weights.h5",
        "step_00000002.weights.h5",
    ]
    assert (run.samples / "step_00000004.png").exists()
    assert {path.parent.name for path in run.traversals.glob("*/step_00000004.png")} == {
        "kind",
        "slant",
        "tilt",
        "smile",
    }


def test_an_interrupted_run_ends_with_the_same_weights(new_run, image_set):
    settings = {  # with all that a step draws and keeps
        "share_fakes": False,
        "spectral_norm": True,
        "instance_noise_std": 0.1,
        "generator_average_decay": 0.9,
    }
    whole, parts = new_run("whole", steps=7, **settings), new_run("parts", steps=7, **settings)
    training.train(whole, ONE)
    training.train(new_run("parts", steps=2, **settings), ONE)
    training.train(new_run("parts", steps=5, **settings), ONE)
    training.train(parts, ONE)
    for expected, value in zip(_weights(whole), _weights(parts), strict=True):
        assert np.array_equal(value, expected)
    assert whole.metrics_log.read_text() == parts.metrics_log.read_text()


def test_a_run_begins_with_the_weights_of_another(new_run, image_set, monkeypatch):
    first = new_run("first", generator_average_decay=0.9)
    training.train(first, ONE)
    _, model = loaded.load_run(first.directory)
    expected = [variable.numpy() for variable in model.learner.variables[1:]]

    begun = []

    def fit(self, *arguments, **settings):
        begun.extend(variable.numpy() for variable in self.variables[1:])
        raise KeyboardInterrupt

    second = dataclasses.replace(new_run("second"), init_from=str(first.directory))
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", fit)
        with pytest.raises(KeyboardInterrupt):
            training.train(second, ONE)
    for value, weights in zip(begun, expected, strict=True):
        assert np.array_equal(value, weights)
    assert training.train(second, ONE).step == second.settings.steps
    assert runs.read(second.directory).init_from == str(first.directory)

    other = new_run("other", noise_size=5)
    with pytest.raises(UserError, match="holds other networks"):
        training.train(dataclasses.replace(other, init_from=str(first.directory)), ONE)


def test_a_finished_run_is_not_trained_again(new_run, image_set, capsys):
    run = new_run("a")
    training.train(run, ONE)
    training.train(run, ONE)
    assert "trained already" in capsys.readouterr().out
    assert len(run.metrics_log.read_text().splitlines()) == 4


def test_a_batch_that_devices_cannot_share_is_refused(new_run, image_set):
    with pytest.raises(UserError, match="cannot be shared equally by 2 devices"):
        training.train(new_run("a", batch_size=15), [("CPU", 0), ("CPU", 1)])


def test_nan_in_training_keeps_the_last_good_checkpoint(new_run, image_set):
    run = new_run("a", steps=8, generator_learning_rate=1e30, discriminator_learning_rate=1e30)
    with pytest.raises(UserError, match=r"became nan at step|no longer finite at step"):
        training.train(run, ONE)
    assert all(
        np.isfinite(value).all() for path in checkpoints.paths(run)[:1] for value in _weights(run)
    )


@pytest.mark.parametrize(
    ("message", "error", "part"),
    [
        (
            "OOM when allocating tensor with shape[4096,64,32,32]",
            UserError,
            "--batch_size=16 does not fit in the memory",
        ),
        ("events.out.tfevents.1; No space left on device", OSError, "No space left on device"),
    ],
)
def test_what_is_exhausted_is_named(new_run, image_set, monkeypatch, message, error, part):
    def fit(self, *arguments, **settings):
        raise tf.errors.ResourceExhaustedError(None, None, message)

    monkeypatch.setattr(keras.Model, "fit", fit)
    with pytest.raises(error, match=part):
        training.train(new_run("a"), ONE)


def test_weights_that_do_not_fit_are_one_sentence(new_run, image_set, monkeypatch):
    def compile_(self, **settings):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(keras.Model, "compile", compile_)
    with pytest.raises(UserError, match="the weights of this InfoGAN do not fit in the memory"):
        training.train(new_run("a"), ONE)


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (tf.errors.PermissionDeniedError, "Permission denied"),
        (tf.errors.NotFoundError, "No such file"),
    ],
)
def test_events_that_cannot_be_written_are_named(new_run, image_set, monkeypatch, error, part):
    def refuse(*arguments, **settings):
        raise error(None, None, "events.out.tfevents.1")

    monkeypatch.setattr(tf.summary, "create_file_writer", refuse)
    run = new_run("a")
    with pytest.raises(OSError, match=part) as raised:
        training.train(run, ONE)
    assert raised.value.filename == run.events


def test_pictures_that_a_kill_kept_back_are_drawn_again(new_run, image_set, monkeypatch):
    """A kill after the first picture of step 2, which stands for one at any moment."""
    run, undisturbed = (new_run(name, picture_every_steps=2) for name in ("a", "b"))
    write, drawn = files.write_atomically, []

    def killed(path, data):
        if path.suffix == ".png":
            drawn.append(path)
            if len(drawn) == 2:
                raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr(files, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        training.train(run, ONE)
    assert drawn[0].exists()
    assert not drawn[1].exists()
    assert checkpoints.paths(run) == []
    unfinished = drawn[1].with_name(".writing_1_x.png")
    unfinished.parent.mkdir(exist_ok=True)
    unfinished.write_bytes(b"")
    monkeypatch.setattr(files, "write_atomically", write)
    for each in (run, undisturbed):
        training.train(each, ONE)
    pictures = {
        each: {path.relative_to(each.directory): path.read_bytes() for path in _pictures(each)}
        for each in (run, undisturbed)
    }
    assert len(pictures[run]) == 10
    assert pictures[run] == pictures[undisturbed]


def _pictures(run):
    return [*run.samples.rglob("*"), *run.traversals.rglob("*.*")]
