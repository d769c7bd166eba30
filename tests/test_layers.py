"""Who may import whom: the layers of the panel, read from its imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: For each layer, what of the panel and of the outside it must not import.
FORBIDDEN = {
    "domain": (
        "panel.models",
        "panel.platforms",
        "panel.services",
        "panel.jobs",
        "panel.web",
        "panel.extensions",
        "flask",
        "sqlalchemy",
        "requests",
    ),
    "models": ("panel.platforms", "panel.services", "panel.jobs", "panel.web", "requests", "rq"),
    "platforms": (
        "panel.models",
        "panel.services",
        "panel.jobs",
        "panel.web",
        "panel.extensions",
        "panel.simulators",
        "flask",
        "sqlalchemy",
        "rq",
    ),
    "services": ("panel.jobs", "panel.web", "panel.cli", "panel.simulators", "flask", "requests", "rq", "plexapi"),
    "jobs": ("panel.web", "panel.cli", "panel.simulators", "requests"),
    "web": ("panel.cli", "panel.simulators", "requests", "plexapi"),
    "simulators": ("panel.platforms", "panel.models", "panel.services", "panel.domain", "requests", "plexapi", "flask"),
}


def imports_of(path: Path) -> set[str]:
    """Every module a file imports, those for type checking only as well."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_a_layer_imports_only_what_lies_below_it(layer: str) -> None:
    files = list((ROOT / "panel" / layer).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports_of(path)
        if any(name == banned or name.startswith(f"{banned}.") for banned in FORBIDDEN[layer])
    ]
    assert wrong == []
