"""The sentences that commands print or raise, read from the source of `api/`."""

import ast
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from tests.support import ROOT

PRINTED_BY = {
    "say", "confirm", "in_table", "in_terminal_language", "BadParameter", "Outcome",
    "CommandError", "SettingsError", "EmbeddedServerError", "StillStartingError", "MigrationsLocked",
    "UnsafeRole", "WrongAddress", "echo", "secho", "Difference", "Change", "Choice", "Question",
}  # fmt: skip
"""Functions and exceptions whose arguments are sentences."""

RETURNED_BY = {
    "terminal_message", "failure_message", "find_problems", "_explain", "advice", "problem_of_other_tables",
}  # fmt: skip

VALUE = "‹{}›"
"""Stands for the value that is filled in at that place."""


class Sentence(NamedTuple):
    text: str
    """With sample values."""
    printed_by: str
    place: str


def sentences() -> Iterator[Sentence]:
    """Each sentence that is printed or raised."""
    for path in sorted((ROOT / "api").rglob("*.py")):
        tree = ast.parse(path.read_text())
        nodes = [*ast.walk(tree)]
        # What a `Conflict` means is given to a function that prints it.
        conflicts = [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "conflict"]
        for function in nodes:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for printed_by, expression, texts in _in_function(function, conflicts):
                    place = f"{path.relative_to(ROOT)}:{expression.lineno}"
                    yield Sentence(_number(texts), printed_by, place)


def headings() -> Iterator[str]:
    """The headings of the tables that commands print."""
    for path in sorted((ROOT / "api" / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _name(node.func) == "print_table":
                yield from (str(one.value) for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant))


def _in_function(
    function: ast.FunctionDef | ast.AsyncFunctionDef, conflicts: list[ast.expr]
) -> Iterator[tuple[str, ast.expr, list[str | None]]]:
    nodes = [*ast.walk(function)]
    assigned = {"conflict": conflicts} if conflicts else {}
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
    for node in nodes:
        if isinstance(node, ast.Call) and (name := _name(node.func)) in PRINTED_BY:
            yield from ((name, one, texts) for one in node.args for texts in _texts(one, assigned))
        if isinstance(node, ast.Return) and function.name in RETURNED_BY and (one := node.value) is not None:
            yield from ((function.name, one, texts) for texts in _texts(one, assigned))


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _texts(expression: ast.expr, assigned: dict[str, list[ast.expr]]) -> list[list[str | None]]:
    """The texts that an expression may have, in parts; None is a value. Empty if they are not known."""
    match expression:
        case ast.Constant(value=str(text)):
            return [[text]]
        case ast.IfExp(body=body, orelse=other):
            return [*_texts(body, assigned), *_texts(other, assigned)]
        case ast.BoolOp(op=ast.Or(), values=values):
            return [[None], *(texts for value in values for texts in _texts(value, assigned))]
        case ast.Name(id=name) if name in assigned:
            return [text for value in assigned[name] for text in _texts(value, {})]
        case ast.JoinedStr(values=values):
            choices = [_texts(value, assigned) or [[None]] for value in values]
            return [[part for parts in choice for part in parts] for choice in product(*choices)]
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            return _texts(value, assigned)
    return []


def _number(texts: list[str | None]) -> str:
    values = iter(range(1, 100))
    return "".join(VALUE.format(next(values)) if text is None else text for text in texts)
