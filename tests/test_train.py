"""The train command, as a function on small data and as a user starts it."""

import json
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import command, sentence, wait_for_lines

from keras_infogan import runs, train
from keras_infogan.config import UserError

# In one process only one strategy may have two devices (see conftest.strategies).
ONE = ["CPU:0"]


def _weights(run):
    return [variable.numpy() for variable in runs.load(run.directory)[1].variables]


def test_a_run_leaves_everything_it_should(new_run, image_set):
    run = new_run("a")
    assert train.train(run, ONE).step == 4
    assert [json.loads(line)["step"] for line in run.metrics_log.read_text().splitlines()] == [1, 2, 3, 4]
    assert [path.name for path in runs.checkpoint_paths(run)] == ["step_00000004.weights.h5", "step_00000002.weights.h5"]
    assert (run.samples / "step_00000004.png").exists()
    assert {path.parent.name for path in run.traversals.glob("*/step_00000004.png")} == {"kind", "slant", "tilt", "smile"}


@pytest.mark.parametrize("settings", [{}, {"share_fakes": False, "spectral_norm": True, "instance_noise_std": 0.1, "generator_average_decay": 0.9}])
def test_an_interrupted_run_ends_with_the_same_weights(new_run, image_set, settings):
    whole, parts = new_run("whole", steps=7, **settings), new_run("parts", steps=7, **settings)
    train.train(whole, ONE)
    train.train(new_run("parts", steps=2, **settings), ONE)
    train.train(new_run("parts", steps=5, **settings), ONE)
    train.train(parts, ONE)
    for expected, value in zip(_weights(whole), _weights(parts), strict=True):
        assert np.array_equal(value, expected)
    assert whole.metrics_log.read_text() == parts.metrics_log.read_text()


def test_a_finished_run_is_not_trained_again(new_run, image_set, capsys):
    run = new_run("a")
    train.train(run, ONE)
    train.train(run, ONE)
    assert "trained already" in capsys.readouterr().out
    assert len(run.metrics_log.read_text().splitlines()) == 4


def test_a_batch_that_devices_cannot_share_is_refused(new_run, image_set):
    with pytest.raises(UserError, match="cannot be shared equally by 2 devices"):
        train.train(new_run("a", batch_size=15), ["CPU:0", "CPU:1"])


def test_nan_in_training_keeps_the_last_good_checkpoint(new_run, image_set):
    run = new_run("a", steps=8, generator_learning_rate=1e30, discriminator_learning_rate=1e30)
    with pytest.raises(UserError, match=r"became nan at step|no longer finite at step"):
        train.train(run, ONE)
    assert all(np.isfinite(value).all() for path in runs.checkpoint_paths(run)[:1] for value in _weights(run))


def test_the_command_trains_on_the_embedded_digits(digits_run):
    content = json.loads((digits_run / "config.json").read_text())
    assert content["dataset"] == "digits"
    assert content["settings"]["codes"] == "digit=categorical(10), slant=uniform"
    lines = [json.loads(line) for line in (digits_run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert all("mutual_information/digit" in line for line in lines)


def test_ctrl_c_saves_and_the_same_command_continues(tmp_path):
    arguments = [f"--run_dir={tmp_path / 'run'}", "--steps=100000", "--batch_size=32", "--log_every_steps=1"]
    process = subprocess.Popen([sys.executable, "-m", "keras_infogan.train", *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for_lines(tmp_path / "run" / "metrics.jsonl", process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    step = int(re.search(r"Stopped by SIGINT at step (\d+)", errors)[1])
    assert (tmp_path / "run" / "checkpoints" / f"step_{step:08d}.weights.h5").exists()
    arguments[1] = f"--steps={step + 2}"
    result = command("train", *arguments)
    assert result.returncode == 0, result.stderr
    assert f"step {step} of {step + 2}" in result.stdout


def test_help_answers_at_once_without_tensorflow():
    result = command("train", "--help")
    assert "python -m keras_infogan.train --dataset=mnist" in result.stdout
    assert "--mutual_information_weight" in result.stdout
    code = "import sys; sys.argv=['train']; import keras_infogan.train, keras_infogan.sample; assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--dataset=mnits"], "did you mean 'mnist'"),
        (["--preset=minst"], "did you mean 'mnist'"),
        (["--codes=digit=categoricl(10)"], "did you mean 'categorical'"),
        (["--codes="], "--codes is empty"),
        (["--dataset=folder"], "give --data_dir"),
        (["--dataset=folder", "--data_dir=nowhere"], "not there"),
        (["--dataset=mnist", "--image_size=64"], "28x28x1 images but the data has 64x64x1"),
        (["--dataset=sprites_32x32", "--image_size=31"], "only"),
        (["--batch_size=4096"], "fewer than one batch of 4096"),
        (["--batch_size=1"], "at least 2"),
        (["--generator_learning_rate=nan"], "finite"),
        (["--generator_updates=2"], "add --noshare_fakes"),
        (["--precision=float8"], "must be one of"),
        (["mnist"], "write --name=value"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(tmp_path, arguments, part):
    result = command("train", *arguments, cwd=tmp_path)
    assert part in sentence(result)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_flag_names_the_nearest(tmp_path):
    result = command("train", "--stepz=3", cwd=tmp_path)
    assert result.returncode != 0
    assert "Did you mean: steps" in result.stderr
    assert "Traceback" not in result.stderr


def test_another_configuration_in_the_run_directory_is_refused(digits_run):
    before = sorted(path.name for path in digits_run.rglob("*"))
    result = command("train", f"--run_dir={digits_run}", "--steps=6", "--batch_size=64")
    assert "batch_size: 32, not 64" in sentence(result)
    assert sorted(path.name for path in digits_run.rglob("*")) == before
