"""The sweep command as a user gives it: it ends with a table, resumes, survives a failed run,
and stops cleanly.
"""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading

import pytest
from absl import flags
from conftest import (
    PATIENCE,
    WITHOUT_TENSORFLOW,
    command,
    command_without,
    flags_of,
    refusal,
    sentence,
    succeed_here,
    wait_for_lines,
    wait_until,
)
from PIL import Image

from keras_infogan import checkpoints, files, models, runs, sweeps
from keras_infogan.config import UserError
from keras_infogan.sweep import parse_seeds

SMALL = [
    "--batch_size=32",
    "--codes=digit=categorical(10), slant=uniform",
    "--log_every_steps=1",
    "--metrics=labels,read_back_r2",
]


def test_a_sweep_trains_scores_and_sums_up_then_resumes_without_repeating(tmp_path):
    # A rate of 1e30 makes the loss of one run infinite; the other goes on.
    arguments = [
        f"--sweep_dir={tmp_path}",
        "--seeds=0",
        "--steps=3",
        "--generator_learning_rate=1e30,0.001",
        f"--devices=CPU:{min(os.sched_getaffinity(0))}",
        *SMALL,
    ]
    result = command("sweep", *arguments)
    assert result.returncode == 1
    assert "1 of 2 runs failed: generator_learning_rate_1e_30-seed_0" in result.stderr
    assert "Traceback" not in result.stderr

    bad, good = json.loads((tmp_path / "summary.json").read_text())["runs"]
    assert bad["status"].startswith("failed: ")
    assert any(word in bad["status"] for word in ("became", "no longer finite"))
    assert good["status"] == "finished"
    with open(tmp_path / "summary.csv") as file:
        table = list(csv.DictReader(file))
    assert [row["run"] for row in table[-4:]] == [
        f"{name} of generator_learning_rate=0.001"
        for name in ("mean", "standard_deviation", "best", "worst")
    ]
    assert (
        float(table[1]["clustering_accuracy/digit"]) == good["scores"]["clustering_accuracy/digit"]
    )
    assert "| clustering_accuracy/digit | 1 | " in (tmp_path / "summary.md").read_text()
    assert (tmp_path / "summary.png").read_bytes().startswith(b"\x89PNG")

    page = (tmp_path / "summary.html").read_text()
    addresses = re.findall(r"""(?:src|href)=["']([^"']*)""", page)
    report = "generator_learning_rate_0.001-seed_0/report.html"
    assert [address for address in addresses if not address.startswith("data:")] == [report]
    assert (tmp_path / report).exists()
    assert 'alt="samples of generator_learning_rate=0.001"' in page
    assert good["seconds_per_step"] > 0

    before = (tmp_path / "generator_learning_rate_0.001-seed_0" / "metrics.json").stat().st_mtime_ns
    # Ray is asked for with --ray alone.
    result = command_without(("ray",), "sweep", *arguments)
    assert "2 runs, 1 of them finished already" in result.stdout
    assert (
        tmp_path / "generator_learning_rate_0.001-seed_0" / "metrics.json"
    ).stat().st_mtime_ns == before


def test_several_models_are_each_trained_with_settings_that_all_have(tmp_path):
    arguments = ["--model=vae, bigan", "--dataset=mnist", "--steps=3,5", "--seeds=0:2"]
    with flags_of("sweep", *arguments) as sweep:
        flags.FLAGS(sys.argv)
        jobs = sweep.requested_runs(tmp_path)
    assert [job.label for job in jobs[::2]] == [
        f"{model}, steps={steps}" for model in ("vae", "bigan") for steps in (3, 5)
    ]
    job = jobs[-1]
    assert job.name == "bigan_steps_5-seed_1"
    assert (job.run.model, job.run.settings.steps, job.run.settings.seed) == ("bigan", 5, 1)
    assert job.run.settings.codes == models.presets("bigan")["mnist"].codes
    train, _ = job.commands("all")
    assert {"--model=bigan", "--dataset=mnist", "--steps=5", "--seed=1"} <= set(train)


def test_nodes_are_given_whole_paths_of_data_which_they_must_read(tmp_path, monkeypatch):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "a.png")
    monkeypatch.chdir(tmp_path)
    arguments = [
        *("--model=domain_adversarial", "--seeds=0", "--num_classes=3"),
        *("--dataset=folder", "--data_dir=one", "--image_size=16"),
        *("--target_dataset=folder", "--target_data_dir=other"),
    ]
    with flags_of("sweep", *arguments) as sweep:
        flags.FLAGS(sys.argv)
        jobs = sweep.requested_runs(tmp_path / "sweep")
    places = [str(tmp_path / name) for name in ("one", "other")]
    train, _ = jobs[0].commands("all")
    assert {f"--data_dir={places[0]}", f"--target_data_dir={places[1]}"} <= set(train)
    assert sweep._data_places(jobs) == places


def test_the_page_of_a_sweep_leaves_out_scores_of_codes_that_not_all_have(new_run):
    jobs = [sweeps.Job(name, name, new_run(name), {}, ()) for name in ("a", "b")]
    scores = {
        "a": {"effect/slant": 0.1, "effect/noise": 0.2, "clustering_accuracy/kind": 0.3},
        "b": {"effect/noise": 0.4},
    }
    configurations = {
        name: [
            {
                "name": name,
                "seed": 0,
                "status": "finished",
                "scores": values,
                "seconds_per_step": None,
            }
        ]
        for name, values in scores.items()
    }
    tables = {name: sweeps._statistics(rows) for name, rows in configurations.items()}
    page = sweeps._page(jobs, configurations, tables)
    assert "effect/noise" in page
    assert "clustering_accuracy/kind" in page
    assert "effect/slant" not in page


def test_statistics_over_seeds_know_which_end_is_better():
    rows = [
        {
            "seed": seed,
            "scores": {
                "dci/completeness": value,
                "frechet_distance": 10 * value,
                "effect/z": value,
            },
        }
        for seed, value in ((3, 0.5), (5, 0.8), (8, 0.2))
    ]
    rows.append({"seed": 9, "scores": {}})
    found = sweeps._statistics(rows)
    expected = {"count": 3, "mean": pytest.approx(0.5), "standard_deviation": pytest.approx(0.3)}
    assert found["dci/completeness"] == expected | {
        "best": 0.8,
        "best_seed": 5,
        "worst": 0.2,
        "worst_seed": 8,
    }
    assert (found["frechet_distance"]["best_seed"], found["frechet_distance"]["worst_seed"]) == (
        8,
        5,
    )
    assert found["effect/z"] == expected, "neither end is better"
    assert sweeps._statistics(rows[:1])["dci/completeness"]["standard_deviation"] == 0


def test_a_run_is_chosen_by_what_needs_no_labels():
    scores = {
        "a": {"consistency/kind": 0.9, "consistency/smile": 0.6, "clustering_accuracy/kind": 0.99},
        "b": {"consistency/kind": 0.8, "consistency/smile": 0.8, "clustering_accuracy/kind": 0.3},
        "c": {"clustering_accuracy/kind": 1.0},
        "one category": {"consistency/kind": 1.0, "consistency/smile": 1.0},
    }
    row = {"status": "finished", "centrality": None}
    rows = [
        row | {"name": name, "scores": found, "alarm_kinds": []} for name, found in scores.items()
    ]
    rows[-1]["alarm_kinds"] = ["ignored_noise", "uneven_categories"]
    chosen = sweeps._chosen(rows)
    assert chosen == {"run": "b", "score": "consistency", "value": pytest.approx(0.8)}
    assert sweeps._words(chosen) == "Chosen without labels: b, by consistency (0.800)."
    assert sweeps._chosen(rows[1:]) is None, "there is no choice between one"


def test_the_last_words_of_a_command_are_its_error():
    assert sweeps._last_words("Training\r\nerror: nan at step 3\n0%| bar\n") == "nan at step 3"
    assert sweeps._last_words("Traceback\nValueError: x\n\n") == "ValueError: x"
    assert sweeps._last_words("") == ""


def test_names_of_runs_are_names_of_files():
    assert sweeps.run_name("", 3) == "seed_3"
    assert (
        sweeps.run_name("codes=a=categorical(3), b=uniform", 0)
        == "codes_a_categorical_3_b_uniform-seed_0"
    )
    long = [sweeps.run_name(f"generator_layers={'conv 64/2 bn, ' * 30}{end}", 0) for end in "ab"]
    assert max(map(len, long)) < 120
    assert long[0] != long[1]


def test_gpus_are_counted_among_the_visible_ones(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert sweeps._environment(("GPU", 1))["CUDA_VISIBLE_DEVICES"] == "5"
    assert sweeps._environment(("CPU", min(os.sched_getaffinity(0))))["CUDA_VISIBLE_DEVICES"] == ""
    sweeps._environment(None)
    with pytest.raises(UserError, match="GPU:2 is not among those"):
        sweeps.parse_devices("GPU:0,GPU:2")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert sweeps._environment(("GPU", 1))["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_signal_stops_the_run_under_way_which_saves_and_the_sweep_goes_on_later(tmp_path):
    arguments = [
        sys.executable,
        "-m",
        "keras_infogan.sweep",
        f"--sweep_dir={tmp_path}",
        "--seeds=0:2",
        "--steps=100000",
        *SMALL,
    ]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_lines(tmp_path / "seed_0" / "metrics.jsonl", process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "the same command continues" in errors
    run = runs.read(tmp_path / "seed_0")
    assert len(checkpoints.paths(run)) == 1
    assert not files.is_locked(run.directory)
    assert not (tmp_path / "seed_1").exists()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [row["status"].startswith("step ") for row in summary["runs"]] == [True, True]


# Ends by SIGKILL alone, and holds a lock together with a process of its own.
_STUBBORN = """
import fcntl, pathlib, signal, subprocess, sys, threading
from keras_infogan import files
place = pathlib.Path(sys.argv[1])
place.mkdir()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock = open(place / files.LOCK, "a")
fcntl.flock(lock, fcntl.LOCK_EX)
wait = "import threading; threading.Event().wait()"
child = subprocess.Popen([sys.executable, "-c", wait], pass_fds=[lock.fileno()])
signal.signal(signal.SIGTERM, lambda *arguments: (place / "asked").touch())
(place / "ready").touch()
while True:
    signal.pause()
"""


def test_a_second_ctrl_c_kills_what_hangs(new_run, tmp_path, monkeypatch, capsys):
    (tmp_path / "stubborn.py").write_text(_STUBBORN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    place = tmp_path / "place"
    job = sweeps.Job("hung", "all runs", new_run("hung"), {}, ())
    monkeypatch.setattr(sweeps.Job, "commands", lambda *arguments: [["stubborn", str(place)]])

    def press():
        for name in ("ready", "asked"):
            wait_until((place / name).exists)
            os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        sweeps.run_all([job], tmp_path, sweeps.Devices([None]), "all")
    pressing.join()
    wait_until(lambda: not files.is_locked(place))
    assert "Ctrl-C again kills them" in (errors := capsys.readouterr().err)
    assert "The runs under way are killed; the same command continues." in errors


def test_a_directory_takes_one_sweep_at_a_time(tmp_path):
    with (
        files.locked_directory(tmp_path, "--sweep_dir", "sweeping"),
        pytest.raises(UserError, match=f"another process is sweeping in {tmp_path}; wait until"),
    ):
        succeed_here("sweep", f"--sweep_dir={tmp_path}", "--seeds=0", "--steps=1")
    assert [path.name for path in tmp_path.iterdir()] == [files.LOCK]


@pytest.mark.parametrize(
    "damage",
    [
        {"config.json": "[" * 100_000},
        {"config.json": "{}"},
        {"metrics.json": "[" * 100_000, "metrics.jsonl": '{"step": null}\n{"step": "x"}\n'},
        {"metrics.json": '{"scores": 1e999}'},
        {"metrics.json": None, "metrics.jsonl": None},
    ],
)
def test_a_damaged_run_keeps_no_other_back(tmp_path, monkeypatch, damage):
    """None stands for a directory of that name."""
    begun = []

    def finish(job, *arguments):
        begun.append(job.name)
        return "failed"

    monkeypatch.setattr(sweeps, "_finish", finish)
    (tmp_path / "seed_0").mkdir()
    for name, text in damage.items():
        path = tmp_path / "seed_0" / name
        path.mkdir() if text is None else path.write_text(text)
    if "config.json" not in damage:
        (tmp_path / "seed_0" / "config.json").write_text("{}")
    with pytest.raises(AssertionError):  # the status of failed runs
        succeed_here("sweep", f"--sweep_dir={tmp_path}", "--seeds=0:2", "--steps=1")
    assert begun == ["seed_0", "seed_1"]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [row["status"] for row in summary["runs"]] == ["failed: failed"] * 2


def test_the_last_words_of_a_run_move_no_terminal(new_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweeps, "_finish", lambda *arguments: "bad \x1b[31mname")
    job = sweeps.Job("a", "all runs", new_run("a"), {}, ())
    assert sweeps.run_all([job], tmp_path, sweeps.Devices([None]), "all") == {
        "a": "bad \x1b[31mname"
    }
    assert r"a: bad \x1b[31mname" in capsys.readouterr().out


def test_no_text_of_a_summary_is_a_formula_or_html():
    status = "failed: <script>|\x1b[31m"
    rows = [{"name": "-seed_0", "seed": 0, "status": status, "scores": {}, "alarms": ["<b>"]}]
    rows[0] |= {"scores": {"dci/<i>": -0.5}}
    table = sweeps._statistics(rows)
    lines = list(csv.reader(sweeps._csv(rows, {"=1": table}).splitlines()))
    assert lines[1] == ["'-seed_0", "0", status, "-0.5"]
    assert lines[2][0] == "mean of =1"
    text = sweeps._markdown("<a>", rows, table, None)
    assert "<" not in text
    assert "\x1b" not in text
    assert r"failed: &lt;script&gt;\|\\x1b\[31m" in text


def test_without_ray_its_flag_says_what_to_install(tmp_path):
    arguments = (f"--sweep_dir={tmp_path}", "--seeds=0", "--steps=1")
    result = command_without(("ray", *WITHOUT_TENSORFLOW), "sweep", "--ray=local", *arguments)
    assert "pip install '.[ray]'" in sentence(result)


@pytest.mark.parametrize(
    ("text", "seeds"), [("0:3", [0, 1, 2]), ("4", [4]), ("1,5,7:9", [1, 5, 7, 8])]
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


def test_devices(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert sweeps.parse_devices(None) == [None]
    assert sweeps.parse_devices("GPU:0, gpu:3") == [("GPU", 0), ("GPU", 3)]
    core = min(os.sched_getaffinity(0))
    assert sweeps.parse_devices(f"CPU:{core}") == [("CPU", core)]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "Give --sweep_dir"),
        (["--sweep_dir=x", "--seeds=a"], "expected numbers and ranges"),
        (["--sweep_dir=x", "--seeds=3:3"], "names no seed"),
        (["--sweep_dir=x", "--seeds=3:"], "expected numbers and ranges"),
        (["--sweep_dir=x", "--seeds=0:99999999999"], "more than 10,000 seeds"),
        (["--sweep_dir=x", "--seeds=-1"], "--seed must be at least 0"),
        (["--sweep_dir=x", "--seeds=1,0:3"], "a seed twice"),
        (["--sweep_dir=x", "--steps=1,b"], "expected int values"),
        (["--sweep_dir=x", "--steps=5,5"], "names a value twice"),
        (["--sweep_dir=x", "--batch_size=32,1"], "at least 2"),
        (["--sweep_dir=x", "--codes=a=uniform; b=unifrm"], "did you mean 'uniform'"),
        (["--sweep_dir=x", "--devices=TPU:0"], "expected devices such as"),
        (["--sweep_dir=x", "--devices=CPU:4096"], "no CPU core 4096"),
        (["--sweep_dir=x", "--metrics=nothing"], "unknown score"),
        (["--sweep_dir=x", "--dataset=mnits"], "did you mean 'mnist'"),
        (["--sweep_dir=x", "--model=vae", "--beta=1,-1"], "--beta must be at least 0"),
        (["--sweep_dir=x", "--model=vae,bigna"], "there is no model 'bigna' (did you mean"),
        (["--sweep_dir=x", "--model=vae,vae"], "names a model twice"),
        (
            ["--sweep_dir=x", "--model=vae,bigan,dcgan", "--beta=2"],
            "--beta is a setting of --model=vae, not of BiGAN and DCGAN.",
        ),
        (
            ["--sweep_dir=x", "--model=vae,bigan", "--codes=2*uniform"],
            "the latents of a VAE are gaussian",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    assert part in refusal("sweep", *arguments, without=())
    assert list(tmp_path.iterdir()) == []
