"""The client could be published on its own."""

import ast
from collections.abc import Iterator
from pathlib import Path
import sys

import pytest

from custom_components.flatpeak import api

MODULES = sorted(Path(api.__file__).parent.glob("*.py"))
ALLOWED = sys.stdlib_module_names | {"aiohttp", "yarl"}


def imported(source: str) -> Iterator[str]:
    """Return the packages that a module imports; a dot stands for a sibling."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = (node.module or "").partition(".")[0]
            yield "." * node.level if node.level else package


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_imports(module: Path) -> None:
    """Nothing but the standard library, aiohttp and its URL is needed."""
    assert set(imported(module.read_text(encoding="utf-8"))) <= ALLOWED | {"."}
