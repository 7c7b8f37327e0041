"""Who may import whom, read from the source; nothing is imported."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "paddlevideo"
BASE = {"registry", "config", "yaml_tree", "utils", ""}  # "" is paddlevideo/__init__.py, which holds the version
ALLOWED = {
    "registry": set(),
    "config": {"registry", "yaml_tree", "utils", ""},
    "yaml_tree": {"utils"},
    "utils": set(),
    "": set(),
    "modeling": BASE,
    "loader": BASE,
    "solver": BASE,
    "metrics": BASE,
    "tasks": BASE | {"modeling", "loader", "solver", "metrics"},
    "cli": BASE | {"tasks"},
    "__main__": {"cli"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def layer(module: str) -> str:
    """paddlevideo.loader.clip -> loader; paddlevideo -> ''."""
    return (module.split(".") + [""])[1]


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, inside a function?) for everything `path` imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {id(node) for outer in ast.walk(tree) if isinstance(outer, ast.FunctionDef) for node in ast.walk(outer)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in inner) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append((str(node.module), id(node) in inner))
            if node.module == "paddlevideo":
                names = [alias.name for alias in node.names if alias.name != "__version__"]
                found += [(f"paddlevideo.{name}", id(node) in inner) for name in names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    own = "" if parts == ("__init__",) else parts[0]
    for module, _ in imports(path):
        if module.split(".")[0] == "paddlevideo":
            other = layer(module)
            assert other == own or other in ALLOWED[own], f"{own} must not import {module}"


@pytest.mark.parametrize("path", [p for p in FILES if "cli" in p.parts], ids=lambda path: path.name)
def test_commands_import_heavy_things_only_when_run(path: Path) -> None:
    heavy = {"paddle", "numpy", "cv2", "av", "yaml", "matplotlib"}
    for module, inside in imports(path):
        assert inside or not (module.split(".")[0] in heavy or module.startswith("paddlevideo.tasks")), module


@pytest.mark.parametrize(
    "path", [p for p in FILES if "loader" in p.parts or "metrics" in p.parts], ids=lambda p: p.name
)
def test_the_loader_runs_without_paddle(path: Path) -> None:
    assert not [module for module, _ in imports(path) if module.split(".")[0] == "paddle"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_eval_and_no_plain_pickle(path: Path) -> None:
    forbidden = ("eval", "exec", "pickle.load", "pickle.loads", "paddle.load", "os.system")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Call) or ast.unparse(node.func) not in forbidden


def test_scripts_use_the_command_line_layer_only() -> None:
    for path in [ROOT / "main.py", *(ROOT / "tools").glob("*.py")]:
        for module, _ in imports(path):
            if module.split(".")[0] == "paddlevideo" and module != "paddlevideo":
                assert layer(module) == "cli", f"{path.name} imports {module}"
