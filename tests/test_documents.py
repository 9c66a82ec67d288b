"""The documents: links lead somewhere, commands and flags exist, the notebook runs, and what is
said twice agrees.
"""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys

import kubernetes_validate
import pytest
import yaml
from absl.flags import FLAGS
from conftest import flags_of, succeed_here

import keras_infogan
from keras_infogan import config, models

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [
    README,
    *(ROOT / name for name in ("BUILD_NOTES.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
HISTORY = ("CHANGELOG.md",)  # tells of flags that are no more
COMMANDS = (
    "train",
    "sample",
    "encode",
    "evaluate",
    "convert",
    "sweep",
    "centrality",
    "dissect",
    "export",
    *(f"serving.{name}" for name in ("explore", "local", "client", "deploy", "load_test")),
)
_COMMAND_LINE = re.compile(r"-m keras_infogan\.([\w.]*\w)(.*)")
_FLAG = re.compile(r"(?<![\w-])--(\w+)")


def _by_name(path):
    return path.relative_to(ROOT).as_posix()


each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=_by_name)


def _without_code(text):
    """Returns Markdown without its code: fenced, indented after an empty line, and in a line."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"(?<=\n\n)( {4}.*\n?)+", "", text)
    return re.sub(r"`[^`\n]*`", "", text)


def _anchors(path):
    """Returns the anchors that GitHub makes of a document's headings."""
    found = []
    for title in re.findall(
        r"^#+ +(.+?) *$",
        re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE),
        re.MULTILINE,
    ):
        title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        repeated = sum(
            other == anchor or re.fullmatch(rf"{re.escape(anchor)}-\d+", other) is not None
            for other in found
        )
        found.append(f"{anchor}-{repeated}" if repeated else anchor)
    return found


@each_document
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = path.parent / place if place else path
        assert file.exists(), f"{_by_name(path)} links to {target}, which is not there"
        assert ROOT in file.resolve().parents, (
            f"{_by_name(path)} links to {target}, which is not in the project"
        )
        assert not anchor or anchor in _anchors(file), (
            f"{_by_name(path)} links to {target}; the headings are {_anchors(file)}"
        )


def test_anchors_are_githubs(tmp_path):
    (tmp_path / "page.md").write_text(
        "# A [link](x.md), `code`: and *more*\n## The step's time\n\n```sh\n# no heading\n```\n"
        "## Twice\n## Twice\n"
    )
    assert _anchors(tmp_path / "page.md") == [
        "a-link-code-and-more",
        "the-steps-time",
        "twice",
        "twice-1",
    ]


def test_readme_is_short():
    lines = README.read_text().splitlines()
    assert len(lines) <= 130
    assert not [line for line in lines if len(line) > 165 and not line.startswith(("|", "!"))]


@functools.cache
def _flags(name, *chosen):
    """Returns the names of a command's flags, without those it had before, once `chosen` ones are
    given.
    """
    with flags_of(name, *chosen):
        own = [
            flag
            for module, defined in FLAGS.flags_by_module_dict().items()
            if module.startswith("keras_infogan.")
            for flag in defined
            if flag.name not in config._renamed
        ]
    return {flag.name for flag in own} | {f"no{flag.name}" for flag in own if flag.boolean}


def _named(text):
    """Yields the commands of ours in a document: (its name, the model it is given or
    None, its flags).
    """
    # A command ends with its line, with the code that it stands in, or where the next one begins.
    for name, rest in (
        match
        for line in text.splitlines()
        for part in re.split(r"`|&&|;|\s#\s", line)
        for match in _COMMAND_LINE.findall(part)
    ):
        model = re.search(r"--model=(\w+)", rest)
        yield name, model and model[1], _FLAG.findall(rest)


@each_document
def test_commands_and_flags_exist(path):
    for name, model, flags in _named(path.read_text()):
        assert name in COMMANDS, f"{_by_name(path)} has keras_infogan.{name}"
        known = (
            _flags(name, f"--model={model}")
            if model and name in ("train", "sweep")
            else _flags(name)
        )
        wrong = set(flags) - known - {"help"}
        assert not wrong, f"{_by_name(path)} gives keras_infogan.{name} the flags {wrong}"


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if path.name not in HISTORY], ids=_by_name
)
def test_flags_in_sentences_exist(path):
    everywhere = {flag for name in COMMANDS for flag in _flags(name)}
    everywhere |= {flag for model in models.MODELS for flag in _flags("train", f"--model={model}")}
    for code in re.findall(r"`([^`\n]+)`", path.read_text()):
        first, _, rest = code.partition(" ")
        if first in COMMANDS:
            wrong = set(_FLAG.findall(rest)) - _flags(first)
        else:
            wrong = (
                set(_FLAG.findall(code)) - everywhere - {"help"} if first.startswith("--") else None
            )
        assert not wrong, f"{_by_name(path)} has {code!r}, and no such flag is there: {wrong}"


def _kubernetes(name):
    return list(yaml.safe_load_all((ROOT / "docs" / "cluster" / name).read_text()))


@pytest.mark.parametrize("name", ["kubernetes.yaml", "kubernetes_sweep.yaml"])
def test_kubernetes_files_fit_its_schemas(name):
    for document in _kubernetes(name):
        kubernetes_validate.validate(document, "1.33", strict=True)


def _command_of_sweep(index, *arguments):
    """Returns the command lines of one run of a sweep, lists, without the directory of the run."""
    with flags_of("sweep", "--sweep_dir=sweep", "--seeds=0:10", *arguments) as sweep:
        sweep.FLAGS(sys.argv)
        job = sweep.requested_runs(pathlib.Path("sweep"))[index]
    return [
        sorted(part for part in line if not part.startswith("--run_dir"))
        for line in job.commands("all")
    ], job.name


def _recorded(tmp_path, script, index, ends):
    """Runs a script, in which every program notes how it was started and ends with a status of
    `ends`; returns its status, and what was noted, lists.
    """
    programs = tmp_path / "programs"
    programs.mkdir()
    log = tmp_path / "log"
    for name in ("python", "srun", "scontrol"):
        note = f'echo "{name} $*" >> {log}\nexit {ends.get(name, 0)}\n'
        (programs / name).write_text("#!/bin/bash\n" + ('exec "$@"\n' if name == "srun" else note))
        (programs / name).chmod(0o755)
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "bin").symlink_to(programs)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": str(index),
        "JOB_COMPLETION_INDEX": str(index),
    }
    result = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, check=False)
    return result.returncode, [line.split() for line in log.read_text().splitlines()]


@pytest.mark.parametrize(("status", "again"), [(0, False), (2, False), (75, True)])
@pytest.mark.parametrize("system", ["slurm", "kubernetes"])
def test_an_array_of_jobs_runs_what_a_sweep_does(tmp_path, system, status, again):
    if system == "slurm":
        script, data = (ROOT / "docs" / "cluster" / "slurm_sweep.sh").read_text(), ()
        assert "#SBATCH --array=0-9\n" in script
    else:
        (job,) = _kubernetes("kubernetes_sweep.yaml")
        assert job["spec"]["completions"] == 10
        (container,) = job["spec"]["template"]["spec"]["containers"]
        (script,) = container["args"]
        data = ("--data_dir=/runs/data",)
    ended, noted = _recorded(tmp_path, script, 3, {"python": status})
    assert ended == status
    expected, name = _command_of_sweep(3, "--dataset=mnist", *data)
    given = [line[2:] for line in noted if line[0] == "python"]
    assert [
        sorted(part for part in line if not part.startswith("--run_dir")) for line in given
    ] == expected[: 1 if status else 2]
    for line in given:
        (directory,) = (part for part in line if part.startswith("--run_dir"))
        assert directory.endswith(f"/{name}")
    requeued = [line for line in noted if line[0] == "scontrol"]
    assert requeued == [["scontrol", "requeue", "7"]] * (again and system == "slurm")


def test_every_command_is_in_the_readme():
    assert {name for name, _, _ in _named(README.read_text())} == set(COMMANDS)


def test_citation_has_the_version():
    assert (
        yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == keras_infogan.__version__
    )


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive:UserWarning")
def test_the_notebook_runs(tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    # In this process there are two virtual devices, all of which would be taken.
    succeed_here(
        "train",
        f"--run_dir={tmp_path}/runs/digits-infogan-1",
        "--devices=CPU:0",
        "--steps=4",
        "--batch_size=32",
    )
    monkeypatch.chdir(tmp_path)
    cells = json.loads((ROOT / "docs" / "quickstart.ipynb").read_text())["cells"]
    namespace = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            exec(
                compile("".join(cell["source"]), f"quickstart.ipynb, cell {number}", "exec"),
                namespace,
            )
            plt.close("all")
    assert set(namespace["answers"]) > {"digit", "slant", "width"}
