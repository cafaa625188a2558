"""What tests say that they prove, read from their sources: ``@pytest.mark.proves("VIDIOC_QBUF", "T22")``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def collect() -> dict[str, list[str]]:
    """Map each name to the tests that prove it, as ``file::test``, those on real drivers first."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        where = path.relative_to(TESTS).as_posix()
        for test, names in _marked(ast.parse(path.read_text())):
            for name in names:
                found.setdefault(name, []).append(f"{where}::{test}")
    return {
        name: sorted(set(tests), key=lambda test: (not test.startswith("device/"), test))
        for name, tests in found.items()
    }


def _marked(module: ast.Module) -> Iterator[tuple[str, list[str]]]:
    of_all = [name for node in module.body if isinstance(node, ast.Assign) for name in _of_assignment(node)]
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name, of_all + _of_function(node)
        elif isinstance(node, ast.ClassDef):
            of_class = [name for decorator in node.decorator_list for name in _names(decorator)]
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name.startswith("test_"):
                    yield f"{node.name}::{inner.name}", of_all + of_class + _of_function(inner)


def _of_function(function: ast.FunctionDef) -> list[str]:
    return [name for decorator in function.decorator_list for name in _names(decorator)]


def _of_assignment(node: ast.Assign) -> list[str]:
    if not any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets):
        return []
    return _names(node.value)


def _names(expression: ast.expr) -> list[str]:
    """Give the arguments of each ``proves`` in an expression, those within ``pytest.param(..., marks=...)`` too."""
    return [
        argument.value
        for call in ast.walk(expression)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "proves"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
