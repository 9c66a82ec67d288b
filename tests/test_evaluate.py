"""The evaluate command as a user gives it, and the report it writes."""

import base64
import dataclasses
import json
import re
import shutil
import sys

import numpy as np
import pytest
from absl import flags
from conftest import flags_of, refusal, succeed_here

from keras_infogan import charts, features, report, runs
from keras_infogan.config import UserError
from keras_infogan.evidence import Evidence
from keras_infogan.field_figures import field_figure
from keras_infogan.metrics import METRICS
from keras_infogan.settings.infogan import PRESETS


@pytest.fixture(scope="module")
def evaluated(digits_run, tmp_path_factory):
    """The digits run, evaluated in full: (directory, what the command printed)."""
    directory = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(digits_run, directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_STEPS", 100)  # how good the feature space is, no test asks
        return directory, succeed_here(
            "evaluate", f"--run_dir={directory}", "--num=1000", "--seed=3"
        )


def test_metrics_json_holds_every_score_with_its_protocol(evaluated):
    directory, printed = evaluated
    content = json.loads(
        (directory / "metrics.json").read_text(),
        parse_constant=lambda text: pytest.fail(f"{text} in metrics.json"),
    )
    assert {METRICS[name].group for name in content["protocols"]} == {
        "generator",
        "real",
        "labels",
        "images",
    }
    assert set(content["skipped"]) == {
        name
        for name, metric in METRICS.items()
        if metric.group in ("factors", "reconstruction", "likelihood", "classes", "speech")
    }
    assert content["skipped"]["dci"] == {
        "reason": "the data set has no ground-truth factors",
        "kind": "missing",
    }
    assert 0.1 <= content["scores"]["clustering_accuracy/digit"] <= 1
    assert (
        content["evaluated"].items()
        >= {"step": 6, "split": None, "num_images": 1000, "seed": 3, "features": "learned"}.items()
    )
    assert content["counts"]["real images (test)"] == 359
    assert np.sum(content["details"]["confusion"]["digit"]["counts"]) == 359
    assert "--num=1000 --seed=3" in content["commands"][0]
    assert all(f"alarm: {alarm['sentence']}" in printed for alarm in content["alarms"])
    assert "clustering_accuracy: digit 0." in printed


@pytest.mark.parametrize(
    ("name", "scored", "skipped"),
    [
        (
            "dcgan",
            {"images"},
            {
                "clustering_accuracy": "a DCGAN cannot encode",
                "isolation": "there are no codes",
                "log_likelihood": "a DCGAN cannot say how",
            },
        ),
        (
            "vae",
            {"images", "reconstruction", "likelihood"},
            {
                "read_back_accuracy": "the model has no discrete code",
                "dci": "no ground-truth factors",
            },
        ),
    ],
)
def test_another_model_is_scored_on_what_it_can_do(run_of, tmp_path, name, scored, skipped):
    directory = tmp_path / "run"
    shutil.copytree(run_of(name), directory)
    succeed_here("evaluate", f"--run_dir={directory}", "--num=200")
    content = json.loads(
        (directory / "metrics.json").read_text(),
        parse_constant=lambda text: pytest.fail(f"{text} in metrics.json"),
    )
    assert scored <= {METRICS[metric].group for metric in content["protocols"]}
    for metric, reason in skipped.items():
        assert reason in content["skipped"][metric]["reason"]
    text = (directory / "report.html").read_text()
    assert f"--model={name}" in text
    assert "Samples" in text
    if name == "vae":
        scores = content["scores"]
        assert scores["reconstruction_error/unexplained_variance"] > 0
        # Importance samples come nearer to the likelihood than the bound does.
        assert scores["log_likelihood/bound"] < scores["log_likelihood/importance_sampled"] < 0
        assert content["counts"]["real images reconstructed (test)"] == 200
        for picture in ("reconstructions.png", "interpolations.png"):
            data = base64.b64encode((directory / picture).read_bytes()).decode()
            assert f'src="data:image/png;base64,{data}"' in text


def test_the_report_needs_nothing_but_itself(evaluated):
    text = (evaluated[0] / "report.html").read_text()
    for address in re.findall(r"""(?:src|href)=["']([^"']*)""", text):
        assert address.startswith(("data:", "#")), address
    assert not re.search(r"@import|<script|url\(['\"]?http", text)
    assert text.count("data:image/png;base64,") == 1 + 2 * 2
    for part in (
        "prefers-color-scheme: dark",
        'name="viewport"',
        "Samples",
        "digit",
        "slant",
        "Information over training",
        "currentColor",
        "Not scored",
    ):
        assert part in text, part


def test_a_partial_evaluation_keeps_the_other_scores(evaluated, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(evaluated[0], directory)
    before = json.loads((directory / "metrics.json").read_text())
    succeed_here(
        "evaluate", f"--run_dir={directory}", "--num=1000", "--seed=3", "--metrics=read_back_r2"
    )
    after = json.loads((directory / "metrics.json").read_text())
    assert after["scores"] == before["scores"], "the same seed gives the same numbers"
    assert len(after["commands"]) == 2


def test_scores_that_need_no_data_are_delivered_without_it(digits_run, tmp_path):
    directory = tmp_path / "run"
    shutil.copytree(digits_run, directory)
    content = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(
        json.dumps({**content, "dataset": "folder", "data_dir": str(tmp_path / "gone")})
    )
    succeed_here(
        "evaluate", f"--run_dir={directory}", "--num=200", "--metrics=labels,mutual_information"
    )
    content = json.loads((directory / "metrics.json").read_text())
    assert "is not there" in content["skipped"]["clustering_accuracy"]["reason"]
    assert "mutual_information/digit" in content["scores"]


def test_names_in_the_report_are_text_and_never_markup(digits_run):
    run = runs.read(digits_run)
    content = {
        "scores": {},
        "protocols": {},
        "skipped": {"dci": {"reason": "<script>alert(1)</script>", "kind": "missing"}},
        "alarms": [{"kind": "<u>", "sentence": "<b>"}],
        "details": {},
        "counts": {},
        "commands": ["<i>"],
    }
    content |= {"evaluated": {"step": 1, "split": "test", "seed": 0}, "keras_infogan": "0"}

    class Broken:
        title, capabilities, likelihood = "Broken", ("generate",), None
        latent_spec = run.settings.latent_spec

        def generate(self, latents):
            raise UserError("not finite")

    text = report.html(run, content, Evidence(Broken()), {})
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "Samples" not in text


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "Give --run_dir"),
        (["--run_dir=nowhere"], "not a run directory"),
        (["--metrics=acuracy"], "unknown score 'acuracy'"),
        (["--metrics=factor_vae"], "did you mean 'factor_vae_score'"),
    ],
)
def test_bad_input_is_one_sentence(digits_run, tmp_path, monkeypatch, arguments, part):
    monkeypatch.chdir(tmp_path)
    run = [] if not arguments or "run_dir" in arguments[0] else [f"--run_dir={digits_run}"]
    assert part in refusal("evaluate", *run, *arguments)
    assert not (digits_run / "metrics.json").exists()


def test_an_untrained_run_is_refused(digits_run, tmp_path):
    shutil.copytree(digits_run, tmp_path / "run")
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.unlink()
    said = refusal("evaluate", f"--run_dir={tmp_path / 'run'}", without=())
    assert "has no checkpoint yet" in said


def test_a_split_that_is_not_there_is_said(digits_run, tmp_path, capsys):
    shutil.copytree(digits_run, tmp_path / "run")
    arguments = ("--split=dev", "--metrics=adjusted_rand_index")
    with flags_of("evaluate", f"--run_dir={tmp_path / 'run'}", *arguments) as evaluate:
        flags.FLAGS(sys.argv)
        assert evaluate.main() == 1
    assert "no split 'dev'" in capsys.readouterr().out


def test_charts_take_the_colors_of_the_page():
    svg = charts.information_over_training(
        [1, 2], {"a<b": [0.1, 0.2], "c": [0, float("nan")]}, {"a<b": 0.693, "c": 2.303}
    )
    assert svg.startswith("<svg")
    assert "currentColor" in svg
    assert "a&lt;b" in svg
    assert charts.scores_of_runs(["dci"], [("all runs", {"dci": 0.5})]).startswith(b"\x89PNG")


def test_field_figures_name_scores_that_exist():
    for dataset in ("mnist", "fashion_mnist", "dsprites", "sprites"):
        assert any(field_figure(dataset, name) for name in METRICS)
    assert "ClusterGAN" in field_figure("mnist", "clustering_accuracy/digit")
    assert field_figure("dsprites", "dci/completeness") == field_figure("folder", "dci") == ""


def test_inception_without_its_weights_is_one_sentence(monkeypatch):
    import keras

    def fail(**arguments):
        raise Exception("URL fetch failure on https://example.invalid: None -- no network")

    monkeypatch.setattr(keras.applications, "InceptionV3", fail)
    with pytest.raises(UserError, match="use --features=learned") as error:
        features.build("inception", "digits", (16, 16, 1))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("labelled", [True, False])
def test_a_learned_feature_space_is_trained_once_and_the_same_again(
    monkeypatch, tmp_path, image_set, labelled
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(features, "_STEPS", 3)
    chosen = image_set if labelled else dataclasses.replace(image_set, labels=None, label_names=())
    monkeypatch.setattr(features.datasets, "load", lambda *arguments: chosen)
    images = np.random.default_rng(0).uniform(-1, 1, (5, 8, 8, 1)).astype(np.float32)
    first, about = features.build("learned", "digits", (8, 8, 1))
    assert ("classifier" if labelled else "autoencoder") in about
    assert first(images).shape == (5, features.NUM_FEATURES)
    monkeypatch.setattr(features, "_train", lambda *arguments: pytest.fail("it is in the cache"))
    again, _ = features.build("learned", "digits", (8, 8, 1))
    assert np.array_equal(first(images), again(images))


def test_the_report_says_how_to_train_such_a_run(digits_run):
    command_line = report._train_command(runs.read(digits_run))
    assert command_line == (
        "python -m keras_infogan.train --dataset=digits --steps=6 --batch_size=32 "
        "--log_every_steps=2 '--codes=digit=categorical(10), slant=uniform' "
        "'--trunk_layers=conv 8/2, conv 16/2 bn, dense 256 bn' "
        "'--generator_layers=dense 256 bn, dense 4x4x32 bn, conv 8/2 bn, conv 1/2'"
    )


def test_the_training_command_of_a_size_that_the_preset_does_not_make(new_run):
    run = dataclasses.replace(
        new_run("a"),
        dataset="mnist",
        image_shape=(32, 32, 1),
        settings=PRESETS["general"].for_images((32, 32, 1)),
    )
    command_line = report._train_command(run)
    assert "--dataset=mnist --image_size=32" in command_line
    assert "--generator_layers=" in command_line
    folder = dataclasses.replace(run, dataset="folder")
    assert (
        report._train_command(folder)
        == "python -m keras_infogan.train --dataset=folder --data_dir=DIR --image_size=32"
    )


def test_a_log_cut_short_by_a_kill_is_read_up_to_there(digits_run, tmp_path):
    shutil.copytree(digits_run, tmp_path / "run")
    run = runs.read(tmp_path / "run")
    with open(run.metrics_log, "a") as file:
        file.write('{"step": 8, "discr')
    assert [line["step"] for line in runs.read_log(run)] == [2, 4, 6]
    assert runs.read_log(run, last_bytes=60) == []
    chart = report._information_chart(run, run.settings.latent_spec.codes)
    assert chart is not None
    assert chart.startswith("<svg")


def test_a_feature_space_that_cannot_be_kept_is_one_sentence(monkeypatch, tmp_path, image_set):
    (tmp_path / "keras_infogan").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(features, "_train", lambda *arguments: None)
    monkeypatch.setattr(features.datasets, "load", lambda *arguments: image_set)
    with pytest.raises(UserError, match="cannot be kept in"):
        features.build("learned", "digits", (8, 8, 1))


def test_the_first_of_two_feature_spaces_stays(tmp_path):
    class Encoder:
        def __init__(self, text):
            self.save_weights = lambda path: path.write_text(text)

    features._keep(Encoder("first"), tmp_path / "folder" / "x.weights.h5")
    features._keep(Encoder("second"), tmp_path / "folder" / "x.weights.h5")
    assert [path.read_text() for path in (tmp_path / "folder").iterdir()] == ["first"]
