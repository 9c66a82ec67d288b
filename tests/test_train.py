"""The train command, as a user starts it."""

import json
import re
import signal
import subprocess
import sys

import pytest
from conftest import PATIENCE, command, refusal, sentence, succeed_here, wait_for_lines


def test_the_command_trains_on_the_embedded_digits(digits_run):
    content = json.loads((digits_run / "config.json").read_text())
    assert content["dataset"] == "digits"
    assert content["settings"]["codes"] == "digit=categorical(10), slant=uniform"
    lines = [json.loads(line) for line in (digits_run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert all("mutual_information/digit" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "logged"),
    [
        ("dcgan", {"generator_loss", "discriminator_loss"}),
        ("vae", {"negative_bound", "divergence/continuous_1"}),
    ],
)
def test_another_model_is_trained_by_its_name(run_of, name, logged):
    directory = run_of(name)
    content = json.loads((directory / "config.json").read_text())
    assert (content["model"], content["dataset"], content["settings"]["steps"]) == (
        name,
        "digits",
        4,
    )
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    assert logged <= lines[-1].keys()
    assert (directory / "samples" / "step_00000004.png").exists()
    codes = {path.name for path in (directory / "traversals").iterdir()}
    assert codes == (
        set() if name == "dcgan" else {f"continuous_{index}" for index in range(1, 11)}
    )


def test_ctrl_c_saves_and_the_same_command_continues(tmp_path):
    arguments = [
        f"--run_dir={tmp_path / 'run'}",
        "--steps=100000",
        "--batch_size=32",
        "--log_every_steps=1",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_infogan.train", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for_lines(tmp_path / "run" / "metrics.jsonl", process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    step = int(re.findall(r"Stopped by SIGINT at step (\d+)", errors)[0])
    assert (tmp_path / "run" / "checkpoints" / f"step_{step:08d}.weights.h5").exists()
    arguments[1] = f"--steps={step + 2}"
    # In this process there are two virtual devices, all of which would be taken.
    assert f"step {step} of {step + 2}" in succeed_here("train", *arguments, "--devices=CPU:0")


def test_help_answers_at_once_without_tensorflow():
    result = command("train", "--help")
    assert "python -m keras_infogan.train --dataset=mnist" in result.stdout
    assert "--mutual_information_weight" in result.stdout
    code = (
        "import sys; sys.argv=['train']; import keras_infogan.train, keras_infogan.sample; assert "
        "not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)"
    )
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
def test_bad_input_is_one_sentence_and_nothing_is_written(tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    assert part in refusal("train", *arguments, without=())
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
