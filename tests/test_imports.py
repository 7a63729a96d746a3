"""The house's rules on who imports whom, read off the source of every module."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("flows", "pipeline", "training", "dashboards")
MODULES = sorted(path for package in OURS for path in (ROOT / package).rglob("*.py"))
MAX_LINES = 400

# Top-level names, or modules of ours, that a package may not import.
FORBIDDEN = {
    "pipeline": {"flows", "training", "dashboards", "prefect", "torch"},
    "training": {"flows", "dashboards", "prefect"},
    "dashboards": {"flows", "training", "prefect", "torch"},
    "flows": {"torch"},
    "peers": {"flows", "training", "dashboards", "pipeline", "prefect"},  # scripts for an environment in which nothing of ours is
}
# Of `pipeline`, all that these packages may import.
ALLOWED = {
    "training": {"schema", "step", "store", "recipe", "tokenizer", "kernels", "models", "contamination"},
    "dashboards": {"schema", "store", "catalog", "whatif"},
}


def imported(path: Path) -> set[str]:
    """The full names of what a module imports, wherever in it, whether by name or from a package."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it goes"
            module = node.module or ""
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def test_there_are_modules_of_each_package() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(OURS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_imports_only_what_its_package_may(path: Path) -> None:
    package = "peers" if path.parent.name == "peers" else path.relative_to(ROOT).parts[0]
    names = imported(path)
    bad = {name for name in names if name.split(".")[0] in FORBIDDEN[package]}
    if package in ALLOWED:
        bad |= {name for name in names if name.startswith("pipeline.") and name.split(".")[1] not in ALLOWED[package]}
    assert not bad


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES
