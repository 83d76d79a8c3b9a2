"""The integration's code, as its syntax tells it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .words import PACKAGE


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call in the integration's code: of what, and its arguments by name."""

    module: str
    name: str
    node: ast.Call
    arguments: dict[str, ast.expr]

    def key(self, name: str) -> str | None:
        """Return an argument that is a plain text."""
        match self.arguments.get(name):
            case ast.Constant(value=str(text)):
                return text
        return None


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield the modules of the integration, by their path in it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def calls(under: ast.AST | None = None) -> Iterator[Call]:
    """Yield the calls of the integration's code, or of a part of it."""
    trees = modules() if under is None else [("", under)]
    for module, tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield Call(
                    module=module,
                    name=ast.unparse(node.func).rpartition(".")[2],
                    node=node,
                    arguments={
                        each.arg: each.value for each in node.keywords if each.arg
                    },
                )


def functions(module: str) -> dict[str, ast.AsyncFunctionDef | ast.FunctionDef]:
    """Return all functions of a module, by name."""
    tree = dict(modules())[module]
    return {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    }


def imports() -> Iterator[tuple[str, str]]:
    """Yield what the modules import at run time: the module, and what from where.

    Imports for type checkers alone do not count.
    """
    for module, tree in modules():
        for node in _at_run_time(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield module, alias.name
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    yield module, f"{node.module}.{alias.name}"


def _at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree that are not for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _at_run_time(node)
