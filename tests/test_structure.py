"""The rooms: imports go down only, and every package on disk is installed."""

import ast
import pathlib
import tomllib

ROOT = pathlib.Path(__file__).parents[1]
# Beside keras_infogan/ in the checkout, installed within it.
OUTER_ROOMS = ("export", "serving")
# From the top down; a room may import from rooms below it and from its own, but models never import each other.
LAYERS = [
    {"export", "serving"},
    {"train", "evaluate", "sample", "encode", "sweep", "analysis"},
    {"report", "sweeps"},
    {"training"},
    {"model_source"},
    {"callbacks", "onnx_model"},
    {"contract"},
    {"runs"},
    {"models"},
    {"features", "scoring"},
    {"evidence", "alarms"},
    {"networks", "datasets", "images", "metrics", "charts", "field_figures"},
    {"latents", "losses", "distribution"},
    {"architectures"},
    {"config"},
]


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "keras_infogan":
            yield from ([node.module.split(".")[1:]] if "." in node.module else [[alias.name] for alias in node.names if alias.name != "__version__"])
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1:] for alias in node.names if alias.name.startswith("keras_infogan."))


def test_imports_go_down_only():
    rank = {room: index for index, rooms in enumerate(LAYERS) for room in rooms}
    checked = 0
    files = [(path, path.relative_to(ROOT / "keras_infogan")) for path in (ROOT / "keras_infogan").rglob("*.py")]
    files += [(path, path.relative_to(ROOT)) for room in OUTER_ROOMS for path in (ROOT / room).rglob("*.py")]
    for path, relative in files:
        parts = relative.with_suffix("").parts
        for imported in _imports(path):
            if parts[0] == "__init__":
                continue
            assert rank[parts[0]] <= rank[imported[0]], f"{path} imports {'.'.join(imported)}"
            if parts[0] == imported[0] == "models" and len(imported) > 1 and parts[1] != "__init__":
                assert parts[1].startswith(imported[1].removesuffix("_settings")), f"{path} imports another model"
            checked += 1
    assert checked > 20


def test_metrics_know_no_tensorflow():
    for path in (ROOT / "keras_infogan" / "metrics").glob("*.py"):
        assert not {"tensorflow", "keras"} & {
            alias.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import) for alias in node.names
        }


def test_every_package_is_installed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [path.parent.relative_to(ROOT).parts for room in ("keras_infogan", *OUTER_ROOMS) for path in (ROOT / room).rglob("__init__.py")]
    on_disk = [".".join(folder if folder[0] == "keras_infogan" else ("keras_infogan", *folder)) for folder in folders]
    assert sorted(listed) == sorted(on_disk)
