"""The run directory: what config.json says, whose directory it is, and runs of earlier versions."""

import dataclasses
import json
import os
import pathlib

import pytest
from conftest import SHAPE, TINY

from keras_infogan import datasets, files, models, runs
from keras_infogan.codes import Posterior
from keras_infogan.config import UserError
from keras_infogan.framing import CELEB_A, Framing

DATA = pathlib.Path(__file__).with_name("data")


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
    assert runs.read(run.directory).settings.steps == 8
    (run.checkpoints / "step_00000008.weights.h5").touch()
    runs.create(new_run("a", steps=5))
    assert runs.read(run.directory).settings.steps == 8


def test_other_images_are_a_different_run(new_run):
    run = dataclasses.replace(new_run("a"), fingerprint="cats", data_dir="here")
    runs.create(run)
    runs.create(dataclasses.replace(run, data_dir="there"))
    with pytest.raises(UserError, match="images: others, by name and size"):
        runs.create(dataclasses.replace(run, fingerprint="dogs"))


def test_it_says_how_many_images_came_went_and_changed(new_run, capsys):
    before = {"a.png": 1, "b.png": 2, "c.png": 3}
    after = {"b.png": 2, "c.png": 4, "d.png": 5, "e.png": 6}
    run, other = (
        dataclasses.replace(
            new_run("a"), fingerprint=datasets.fingerprint(listing), listing=listing
        )
        for listing in (before, after)
    )
    runs.create(run)
    changes = "2 added, 1 gone, 1 of another size"
    with pytest.raises(UserError, match=f"images: {changes}"):
        runs.create(other)
    read = runs.read(run.directory)
    runs.warn_of_other_images(read, before)
    assert capsys.readouterr().err == ""
    runs.warn_of_other_images(read, after)
    assert changes in capsys.readouterr().err


def test_how_pictures_are_framed_is_part_of_a_run(new_run):
    run = dataclasses.replace(new_run("a"), framing=Framing(pad=True, white=4095.0))
    runs.create(run)
    assert runs.read(run.directory).framing == run.framing
    with pytest.raises(UserError, match="framing"):
        runs.create(new_run("a"))


def test_a_run_of_before_is_framed_as_its_data_set(new_run):
    content = new_run("a").to_json() | {"dataset": "celeb_a"}
    del content["framing"]
    assert runs.from_json(None, content).framing == CELEB_A


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
        (
            {"model": "outfogan"},
            "is a run of 'outfogan', and this keras-infogan has no such model; it has infogan",
        ),
        ({"settings": {"stepz": 3}}, "damaged"),
        ({"settings": []}, "damaged"),
        ({"settings": None}, "damaged"),
        ({"model": "dcgan", "settings": []}, "damaged"),
        ({"image_shape": None}, "damaged"),
        ({"image_shape": [16, 16]}, "damaged"),
        ({"dataset": None}, "damaged"),
        ({"version": 1e999}, "damaged"),
        ({"version": None}, "damaged"),
        ({"version": "3"}, "damaged"),
        ({"version": [3]}, "damaged"),
        ({"model": 5}, "damaged"),
        ({"model": ["infogan"]}, "damaged"),
        ({"dataset": 7}, "damaged"),
        ({"dataset": ""}, "damaged"),
        ({"dataset": "<script>alert(1)</script>"}, "damaged"),
        ({"dataset": "$(touch x)"}, "damaged"),
        ({"dataset": "`touch x`"}, "damaged"),
        ({"dataset": "../other"}, "damaged"),
        ({"dataset": "a/../../b"}, "damaged"),
        ({"dataset": "a\nb"}, "damaged"),
        ({"dataset": "mnist\n"}, "damaged"),
        ({"dataset": "\u001b[31m"}, "damaged"),
        ({"data_dir": 5}, "damaged"),
        ({"data_dir": ["x"]}, "damaged"),
        ({"fingerprint": {}}, "damaged"),
        ({"image_shape": [8, 8, 1.0]}, "damaged"),
        ({"image_shape": [8, 8, True]}, "damaged"),
        ({"image_shape": [8, 8, 0]}, "damaged"),
        ({"image_shape": "881"}, "damaged"),
        ({"settings": {"codes": 5}}, "damaged|--codes: expected str, received 5"),
        ({"settings": {"steps": None}}, "damaged"),
        ({"settings": {"codes": ["uniform"]}}, "damaged"),
        ({"model": "vae", "settings": {"steps": 10.5}}, "--steps: expected int, received 10.5"),
        (
            {"model": "vae", "settings": {"binarize": "no"}},
            "--binarize: expected bool, received 'no'",
        ),
    ],
)
def test_a_strange_config_json_is_one_sentence(new_run, change, part):
    run = new_run("a")
    runs.create(run)
    path = run.directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=part):
        runs.read(run.directory)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b'{"version": 1, "mod',
        b"\xff\xfe",
        b'{"version": 1e999}',
        b'{"version": %s}' % (b"9" * 5000),
        b"[" * 100_000,
        b'{"settings":' * 100_000,
    ],
)
def test_a_config_json_that_is_none_is_one_sentence(new_run, text):
    run = new_run("a")
    run.directory.mkdir()
    (run.directory / "config.json").write_bytes(text)
    with pytest.raises(UserError, match=r"config\.json is damaged") as error:
        runs.read(run.directory)
    assert len(str(error.value)) < 1000
    assert runs.written(run) in (None, [], 3)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(new_run):
    run = new_run("a")
    runs.create(run)
    (run.directory / "config.json").unlink()
    for path in (run.directory / "config.json", run.metrics, run.metrics_log):
        os.mkfifo(path)
    with pytest.raises(UserError, match=r"config\.json: it is no regular file"):
        runs.read(run.directory)
    for read in (runs.read_metrics, runs.read_log):
        with pytest.raises(OSError, match="it is no regular file"):
            read(run)


@pytest.mark.parametrize(
    "dataset",
    ["digits", "sprites_32x32", "imagenet_resized/64x64", "mnist:3.0.1", "huggingface:mnist"],
)
def test_names_of_data_sets_are_read_back(new_run, dataset):
    run = dataclasses.replace(new_run("a"), dataset=dataset)
    runs.create(run)
    assert runs.read(run.directory) == run


def test_a_run_without_a_checkpoint_says_what_to_type_in_a_shell(new_run):
    run = new_run("my run; $(x)")
    runs.create(run)
    with pytest.raises(UserError, match="train first") as error:
        runs.check_trained(run.directory)
    assert f"--dataset=digits '--run_dir={run.directory}'." in str(error.value)


def test_damaged_lines_of_the_log_are_left_out(new_run):
    run = new_run("a")
    run.directory.mkdir()
    damaged = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b'{"step": null}',
        b'{"step": "3"}',
        b'{"step": 3.0}',
        b'{"step": true}',
        b'{"step": 1e999}',
        b'{"step": %s}' % (b"9" * 400),
        b'{"step": [1]}',
        b'{"step": 3, "generator_loss": "x"}',
        b'{"step": 3, "generator_loss": null}',
        b'{"step": 3, "generator_loss": NaN}',
        b'{"other": 3}',
        b"\xff\x00",
        b"[" * 100_000,
        b'{"step": 4, "gener',
    ]
    lines = [b'{"step": 2, "generator_loss": 1.5}', *damaged, b'{"step": 4, "generator_loss": 1}']
    run.metrics_log.write_bytes(b"\n".join(lines))
    assert runs.read_log(run) == [
        {"step": 2, "generator_loss": 1.5},
        {"step": 4, "generator_loss": 1},
    ]


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
    other = dataclasses.replace(run, settings=dataclasses.replace(run.settings, seed=1))
    assert runs.choose_directory(other, tmp_path).directory == tmp_path / "digits-infogan-2"


def test_a_setting_of_another_version_is_named(new_run):
    run = new_run("a")
    runs.create(run)
    path = run.directory / "config.json"
    content = json.loads(path.read_text())
    content["settings"]["temperature"] = 3
    path.write_text(json.dumps(content))
    with pytest.raises(
        UserError, match=r"InfoGAN has no setting 'temperature' here; update keras-infogan"
    ):
        runs.read(run.directory)


@pytest.mark.parametrize("name", models.MODELS)
def test_every_models_settings_are_read_back(tmp_path, name):
    run = runs.Run(tmp_path / name, name, "digits", None, SHAPE, TINY[name])
    runs.create(run)
    assert runs.read(run.directory) == run
    assert json.loads((run.directory / "config.json").read_text())["version"] == 3


def _run_of_version_2(directory, **settings):
    """Writes the config.json of a run that keras-infogan 0.1.0 trained, with other settings if
    given, and reads it.
    """
    content = json.loads((DATA / "config_2.json").read_text())
    content["settings"] |= settings
    (directory / "config.json").write_text(json.dumps(content))
    return runs.read(directory)


def test_a_run_of_version_2_loads(tmp_path):
    run = _run_of_version_2(tmp_path)
    assert (run.model, run.dataset, run.image_shape) == ("infogan", "digits", (16, 16, 1))
    # Of its settings none has been changed since by what the preset is now.
    assert run.settings.trunk_layers == models.presets("infogan")["digits"].trunk_layers
    assert run.settings.real_information_weight == 0
    assert run.settings.learning_rate_decay_start == 1
    assert run.settings.latent_spec.posterior == Posterior()
    # What it says of itself goes on to be the same run.
    assert runs.differences(run, runs.from_json(tmp_path, run.to_json())) == []


def test_a_weight_of_all_continuous_codes_is_now_one_of_each(tmp_path):
    codes = _run_of_version_2(tmp_path, continuous_weight=0.1).settings.latent_spec.codes
    assert [(code.name, code.weight) for code in codes] == [
        ("digit", 1.0),
        ("continuous_1", 0.1),
        ("continuous_2", 0.1),
    ]


def test_a_run_with_a_limit_that_is_gone_says_which_version_has_it(tmp_path):
    with pytest.raises(
        UserError,
        match=r"trained with --max_posterior_std, which keras-infogan 0.1.0 was the last to have",
    ):
        _run_of_version_2(tmp_path, max_posterior_std=2.0)


def test_a_run_directory_takes_one_process_at_a_time(new_run):
    run = new_run("a")
    with runs.locked(run):
        assert files.is_locked(run.directory)
        with pytest.raises(UserError, match="another process is training"), runs.locked(run):
            pass
    assert not files.is_locked(run.directory)
    runs.create(run)


def _metrics(**changed):
    empty = {key: {} for key in ("scores", "protocols", "seconds", "details", "counts", "skipped")}
    return json.dumps(empty | {"evaluated": {"step": 4}, "commands": [], "alarms": []} | changed)


def _information(**changed):
    table = {"codes": ["a"], "factors": ["x", "y"], "nats": [[0.1, 0.2]], "entropies": [1, 2.5]}
    return {"information_on_factors": table | changed}


def test_metrics_are_read_back(new_run):
    run = new_run("a")
    run.directory.mkdir()
    assert runs.read_metrics(run) is None
    confusion = {"classes": ["p", "q"], "counts": [[1, 2], [3, 4]], "matches": {"0": "q"}}
    text = _metrics(
        scores={"dci/informativeness": 0.5},
        protocols={"dci": "as it is"},
        details={"category_shares": {"kind": [1.0]}, "confusion": {"kind": confusion}}
        | _information(),
        skipped={"modularity": {"reason": "none", "kind": "missing"}},
        alarms=[{"kind": "unfinished", "sentence": "So."}],
    )
    run.metrics.write_text(text)
    assert runs.read_metrics(run) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"scores": {}}',
        _metrics(alarms=5),
        _metrics(alarms=[3]),
        _metrics(skipped=[1]),
        _metrics(skipped={"dci": 1}),
        _metrics(evaluated={}),
        _metrics(evaluated={"step": None}),
        _metrics(evaluated={"step": 4.5}),
        _metrics(scores={"dci": "0.5"}, protocols={"dci": ""}),
        _metrics(scores={"dci": None}, protocols={"dci": ""}),
        _metrics(scores={"dci": float("inf")}, protocols={"dci": ""}),
        _metrics(scores={"dci": 0.5}),
        _metrics(scores=[]),
        _metrics(commands=[5]),
        _metrics(seconds={"dci": "1"}),
        _metrics(counts={"images": 1.5}),
        _metrics(details=[]),
        _metrics(details={"category_shares": {"kind": []}}),
        _metrics(details={"category_shares": {"kind": ["1"]}}),
        _metrics(details={"confusion": {"kind": {"classes": ["p"], "counts": [], "matches": {}}}}),
        _metrics(details={"confusion": {"kind": 5}}),
        _metrics(details=_information(codes=[])),
        _metrics(details=_information(factors=["x"])),
        _metrics(details=_information(nats=[[0.1, None]])),
        "[" * 100_000,
        "9" * 5000,
    ],
)
def test_damaged_metrics_are_none(new_run, text):
    run = new_run("a")
    run.directory.mkdir()
    run.metrics.write_text(text)
    assert runs.read_metrics(run) is None


def test_metrics_of_version_0_1_0_had_texts_alone(new_run):
    run = new_run("a")
    run.directory.mkdir()
    empty = {key: {} for key in ("scores", "protocols", "seconds", "details", "counts")}
    old = empty | {
        "evaluated": {"step": 4},
        "commands": [],
        "alarms": ["The noise is ignored."],
        "skipped": {"dci": "the data set has no ground-truth factors"},
    }
    run.metrics.write_text(json.dumps(old))
    content = runs.read_metrics(run)
    assert content is not None
    assert content["alarms"] == [{"kind": "unknown", "sentence": "The noise is ignored."}]
    assert content["skipped"] == {
        "dci": {"reason": "the data set has no ground-truth factors", "kind": "missing"}
    }
    run.metrics.write_text(json.dumps(content))
    assert runs.read_metrics(run) == content
    run.metrics.write_text(
        json.dumps(
            old | {"skipped": {"dci": "the generator's images are not finite for 3 of 5 inputs"}}
        )
    )
    content = runs.read_metrics(run)
    assert content is not None
    assert content["skipped"]["dci"]["kind"] == "not_finite"


@pytest.mark.parametrize(("held", "wanted"), [("vae", "infogan"), ("infogan", "dcgan")])
def test_a_run_of_another_model_is_a_different_run(tmp_path, held, wanted):
    runs.create(runs.Run(tmp_path / "a", held, "digits", None, SHAPE, TINY[held]))
    with pytest.raises(UserError, match=f"holds a different run .*model: {held}, not {wanted}"):
        runs.create(runs.Run(tmp_path / "a", wanted, "digits", None, SHAPE, TINY[wanted]))
