"""The rooms: imports go down only, models and their settings do not know each other, and every
package on disk is installed.
"""

import ast
import pathlib
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# Beside keras_infogan/ in the checkout, installed within it.
OUTER_ROOMS = ("export", "serving")
# From the top down; a room may import from rooms below it and from its own. `models` alone knows
# `settings`, by name.
LAYERS = [
    {"export", "serving"},
    {"sweep"},
    {"train", "evaluate", "sample", "encode", "convert", "centrality", "dissect"},
    {"dissection_page"},
    {"dissection"},
    {"report", "sweeps", "training", "model_source", "encoding"},
    {"callbacks", "loaded"},
    {"runs"},
    {"models"},
    {"settings"},
    {"onnx_model"},
    {"trained"},
    {"contract", "named", "features", "scoring", "summary_page", "pixels", "pixel_settings"},
    {
        "latents",
        "units",
        "evidence",
        "augment",
        "gaussian",
        "learner",
        "masked",
        "networks",
        "optimizers",
    },
    {"notation", "checkpoints", "datasets", "ray_cluster", "tables"},
    {
        "audio",
        "codes",
        "capabilities",
        "distribution",
        "losses",
        "metrics",
        "alarms",
        "images",
        "segments",
        "charts",
        "field_figures",
        "architectures",
        "files",
        "framing",
    },
    {"config"},
    {"untrusted"},
]
# A model's file, and that of its settings, are complete without any other model's.
SIBLINGS = ("models", "settings")
# What answers or asks for images knows contracts and files: not how models are trained.
SERVING_KNOWS = {
    "capabilities",
    "charts",
    "codes",
    "config",
    "contract",
    "files",
    "images",
    "latents",
    "named",
    "onnx_model",
    "serving",
    "units",
    "untrusted",
}


def _imports(source):
    """Yields the names of what is imported from keras_infogan, in parts without that: ["models",
    "infogan", "InfoGAN"].
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            module, names = node.module.split("."), [alias.name for alias in node.names]
            if module[0] == "keras_infogan":
                yield from ([*module[1:], name] for name in names if name != "__version__")
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.split(".")[1:]
                for alias in node.names
                if alias.name.startswith("keras_infogan.")
            )


def _faults(parts, source):
    """Returns what is wrong with the imports of a file, a list of sentences; `parts` is its path
    without the ending: ("models", "infogan").
    """
    rank = {room: index for index, rooms in enumerate(LAYERS) for room in rooms}
    found = []
    for imported in _imports(source):
        same = parts[0] == imported[0]
        if not same and rank[parts[0]] >= rank[imported[0]]:
            found.append(f"{'/'.join(parts)} imports {'.'.join(imported)}, which is not below it")
        if (
            parts[0] in SIBLINGS
            and imported[0] in SIBLINGS
            and parts[1] != "__init__"
            and imported[1] != parts[1]
        ):
            found.append(f"{'/'.join(parts)} imports another model: {'.'.join(imported)}")
        if imported[0] == "settings" and parts[0] != "settings":
            found.append(
                f"{'/'.join(parts)} imports {'.'.join(imported)}; "
                "ask models for settings by the model's name"
            )
        if parts[0] == "serving" and imported[0] not in SERVING_KNOWS:
            found.append(
                f"{'/'.join(parts)} imports {'.'.join(imported)}, which serving does not know"
            )
    return found


def test_imports_go_down_only():
    files = [
        (path, path.relative_to(ROOT / "keras_infogan"))
        for path in (ROOT / "keras_infogan").rglob("*.py")
    ]
    files += [
        (path, path.relative_to(ROOT))
        for room in OUTER_ROOMS
        for path in (ROOT / room).rglob("*.py")
    ]
    checked = [
        (relative.with_suffix("").parts, path.read_text())
        for path, relative in files
        if relative.parts != ("__init__.py",)
    ]
    assert [fault for parts, source in checked for fault in _faults(parts, source)] == []
    assert len(checked) > 20
    assert {parts[0] for parts, _ in checked} == set().union(*LAYERS), "every room has its layer"


@pytest.mark.parametrize(
    ("parts", "source"),
    [
        (("config",), "from keras_infogan import files"),
        (("config",), "import keras_infogan.files"),
        (("trained",), "def f():\n    from keras_infogan.runs import Run"),
        (("trained",), "from keras_infogan.export import exporting"),
        (("export", "parity"), "from keras_infogan.serving import client"),
        (("codes",), "from keras_infogan import files"),
        (("models", "infogan"), "from keras_infogan.models.dcgan import DCGAN"),
        (("models", "infogan"), "from keras_infogan.models import dcgan"),
        (("models", "infogan"), "import keras_infogan.models.dcgan"),
        # Whole names are compared: one may begin with the other.
        (("models", "infogan_cr"), "from keras_infogan.models import infogan"),
        (("models", "infogan"), "from keras_infogan.models import infogan_cr"),
        (("settings", "beta_vae"), "from keras_infogan.settings.vae import VAESettings"),
        (("settings", "vae"), "from keras_infogan.settings import beta_vae"),
        (("models", "infogan"), "from keras_infogan.settings.infogan import PRESETS"),
        (("train",), "from keras_infogan.settings import infogan"),
        (("serving", "client"), "from keras_infogan import models"),
        (("serving", "client"), "from keras_infogan import datasets"),
        (("serving", "client"), "from keras_infogan import training"),
        (("serving", "client"), "from keras_infogan.trained import Trained"),
    ],
)
def test_what_breaks_the_rules_is_found(parts, source):
    assert len(_faults(parts, source)) >= 1


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("serving.client", ("settings", "models", "datasets", "training", "runs", "trained")),
        ("serving.load_test", ("settings", "models", "datasets", "training", "runs", "trained")),
        ("serving.local", ("settings", "models", "datasets", "training", "runs")),
        ("serving.predictor", ("settings", "models", "datasets", "training", "runs")),
        ("onnx_model", ("settings", "models", "datasets", "training", "runs")),
        ("contract", ("settings", "models", "datasets", "training", "runs", "trained")),
        ("models", ("settings",)),
    ],
)
def test_what_is_loaded_with_a_module_and_what_is_not(name, unknown):
    """Through whatever it imports: the rules above say only what each file imports itself."""
    pytest.importorskip("urllib3")
    code = (
        f"import sys, keras_infogan.{name}; print(*(name for name in sys.modules if "
        "name.startswith('keras_infogan.')), 'tensorflow' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    *loaded, tensorflow = result.stdout.split()
    assert {module.split(".")[1] for module in loaded} & set(unknown) == set()
    assert tensorflow == "False"


def test_metrics_know_no_tensorflow():
    for path in (ROOT / "keras_infogan" / "metrics").glob("*.py"):
        assert not {"tensorflow", "keras"} & {
            alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }


def test_every_package_is_installed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [
        path.parent.relative_to(ROOT).parts
        for room in ("keras_infogan", *OUTER_ROOMS)
        for path in (ROOT / room).rglob("__init__.py")
    ]
    on_disk = [
        ".".join(folder if folder[0] == "keras_infogan" else ("keras_infogan", *folder))
        for folder in folders
    ]
    assert sorted(listed) == sorted(on_disk)
