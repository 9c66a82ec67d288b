import json

import numpy as np
import pytest
from conftest import HereAtOnce, refusal, succeed_here, untrained

from keras_infogan import centrality, sweeps
from keras_infogan.config import UserError
from keras_infogan.latents import LatentSpec, Noise
from keras_infogan.notation import parse_codes
from keras_infogan.trained import Trained

SPEC = LatentSpec(Noise(0), parse_codes("4*uniform"))


class _Linear(Trained):
    """Paints codes through a matrix, and reads them back by its inverse."""

    def __init__(self, matrix, can=("generate", "encode"), shape=(2, 2, 1)):
        super().__init__("model", SPEC, shape, 1, can)
        self.matrix = matrix

    def _compute(self, capability, array):
        if capability == "generate":
            return (array @ self.matrix).reshape(-1, 2, 2, 1).astype(np.float32)
        means = array.reshape(-1, 4) @ np.linalg.inv(self.matrix)
        # Mean and deviation of each code in turn.
        return np.stack([means, np.zeros_like(means)], axis=2).reshape(-1, 8).astype(np.float32)


def _entangled(seed):
    """A rotation that mixes all codes."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))[0]


def test_models_that_found_the_factors_are_central():
    """Under other orders and signs of them; each of the others mixes them in its own way."""
    found = [np.eye(4), -np.eye(4)[::-1], np.eye(4)[[1, 0, 3, 2]]]
    models = [_Linear(matrix) for matrix in (*found, _entangled(1), _entangled(2))]
    table = centrality.agreements(models)
    assert np.diag(table) == pytest.approx(np.ones(5), abs=0.05)
    central = centrality.centralities(table)
    assert central[:3].min() > central[3:].max() + 0.03


def test_a_models_agreement_with_itself_does_not_count():
    table = np.array([[1.0, 0.2, 0.4], [0.6, 1.0, 0.0], [0.4, 0.2, 1.0]])
    assert centrality.centralities(table) == pytest.approx([0.4, 0.25, 0.25])


@pytest.mark.parametrize(
    ("models", "part"),
    [
        ([], "give two or more, not 0"),
        ([_Linear(np.eye(4))], "give two or more, not 1"),
        ([_Linear(np.eye(4)), _Linear(np.eye(4), can=("generate",))], "cannot encode"),
        ([_Linear(np.eye(4)), _Linear(np.eye(4), shape=(4, 4, 1))], "2x2x1, 4x4x1"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(models, part):
    with pytest.raises(UserError, match=part):
        centrality.agreements(models)


def test_the_runs_of_a_sweep_are_compared_and_one_is_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(centrality, "NUM_IMAGES", 300)
    for name in ("vae", "bigan", "dcgan"):
        untrained(name, tmp_path)
    rows = [{"name": name, "status": "finished"} for name in ("vae", "bigan", "dcgan", "../out")]
    (tmp_path / "summary.json").write_text(json.dumps({"runs": rows}))
    lines = succeed_here("centrality", f"--sweep_dir={tmp_path}").splitlines()
    # A DCGAN cannot encode.
    assert {line.split(":")[0] for line in lines} == {"vae", "bigan"}
    found = sweeps._centralities(tmp_path)
    assert set(found) == {"vae", "bigan"}
    row = {"status": "finished", "alarm_kinds": [], "scores": {"consistency/digit": 0.9}}
    rows = [row | {"name": name, "centrality": value} for name, value in found.items()]
    chosen = sweeps._chosen(rows)
    assert chosen
    assert chosen["score"] == "centrality"
    assert chosen["run"] == lines[0].split(":")[0]
    # Once another run has finished, what was found is of fewer than there are.
    chosen = sweeps._chosen([*rows, row | {"name": "new", "centrality": None}])
    assert chosen
    assert chosen["score"] == "consistency"


def test_tasks_find_what_one_process_does(tmp_path, monkeypatch):
    monkeypatch.setattr(centrality, "NUM_IMAGES", 300)
    models = [_Linear(np.eye(4)), _Linear(-np.eye(4)[::-1]), _Linear(_entangled(1))]
    cannot = _Linear(np.eye(4), can=("generate",))
    names = ("a", "b", "c", "d")
    runs = dict(zip(names, (*models[:1], cannot, *models[1:]), strict=True))
    rows = [{"name": name, "status": "finished"} for name in names]
    (tmp_path / "summary.json").write_text(json.dumps({"runs": rows}))
    monkeypatch.setattr(centrality.loaded, "load_run", lambda path: (None, runs[path.name]))
    nodes = sweeps.Nodes(HereAtOnce(), cpus=1)
    nodes._environment.clear()  # which is this process's
    central = centrality.compare(tmp_path, each=nodes.map)
    table = centrality.agreements(models)
    assert central == dict(zip("acd", centrality.centralities(table).tolist(), strict=True))
    content = json.loads((tmp_path / "centrality.json").read_text())
    assert content == {"centrality": central, "agreements": table.tolist()}


def test_a_task_without_a_result_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "summary.json").write_text(
        json.dumps({"runs": [{"name": "a", "status": "finished"}]})
    )
    monkeypatch.setattr(centrality.loaded, "load_run", lambda path: (None, _Linear(np.eye(4))))
    nodes = sweeps.Nodes(HereAtOnce(), cpus=1)
    nodes._environment.clear()
    with pytest.raises(UserError, match="a: models agree with each other: give two or more, not 1"):
        centrality.compare(tmp_path, each=nodes.map)


@pytest.mark.parametrize(
    ("content", "part"),
    [(None, "is no sweep"), ("{", "is damaged"), ('{"runs": [1]}', "is damaged")],
)
def test_what_is_no_sweep_is_one_sentence(tmp_path, content, part):
    if content:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(UserError, match=part):
        sweeps.finished(tmp_path)


def test_the_sweep_has_to_be_named():
    assert "Give --sweep_dir=DIR" in refusal("centrality")
