"""The Python source of a migration file that a command writes."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from api.deploy.migrations.contract import Contract
from api.deploy.migrations.expand import Rename, Retire
from api.deploy.migrations.index import Index
from api.deploy.migrations.steps import Step

LINE_LENGTH = 110

_MODULES = {Contract: "contract", Rename: "expand", Retire: "expand"}


def migration_source(
    migration_id: str,
    description: str,
    steps: Sequence[Step],
    *,
    backwards: str = "",
    replaces: Mapping[str, str] | None = None,
) -> str:
    """The text of the file, formatted as `make format` does it."""
    lines = [
        *_imports(steps),
        "",
        f'ID = "{migration_id}"',
        _description(description),
        "",
        "MIGRATION = SqlMigration(",
        "    ID,",
        "    DESCRIPTION,",
        "    forwards=[",
        *(f"        {_step(step)}," for step in steps),
        "    ],",
        *([f"    backwards={_as_triple_quoted(backwards)},"] if backwards else []),
        *(["    replaces={"] if replaces else []),
        *(f'        "{replaced}": "{checksum}",' for replaced, checksum in (replaces or {}).items()),
        *(["    },"] if replaces else []),
        ")",
        "",
    ]
    return "\n".join(lines)


def _description(text: str) -> str:
    line = f"DESCRIPTION = {_as_text(text)}"
    if len(line) <= LINE_LENGTH:
        return line
    first, *others = textwrap.wrap(text, LINE_LENGTH - 10, break_on_hyphens=False)
    lines = "".join(f"    {_as_text(one)}\n" for one in [first, *(f" {other}" for other in others)])
    return f"DESCRIPTION = (\n{lines})"


def _imports(steps: Sequence[Step]) -> Iterable[str]:
    names: dict[str, set[str]] = {"migration": {"SqlMigration"}}
    for step in steps:
        if isinstance(step, Index) or (isinstance(step, Contract) and step.indexes):
            names["migration"].add("Index")
        if type(step) in _MODULES:
            names.setdefault(_MODULES[type(step)], set()).add(type(step).__name__)
    for module, imported in sorted(names.items()):
        yield f"from api.deploy.migrations.{module} import {', '.join(sorted(imported))}"


def _step(step: Step) -> str:
    if isinstance(step, str):
        return _as_triple_quoted(step)
    line = _call(step)
    if len(line) + 9 <= LINE_LENGTH:
        return line
    arguments = "".join(f"            {argument},\n" for argument in _arguments(step))
    return f"{type(step).__name__}(\n{arguments}        )"


def _call(step: Any) -> str:
    return f"{type(step).__name__}({', '.join(_arguments(step))})"


def _arguments(step: Any) -> Iterable[str]:
    """The names and the table by position, what has a default by its name."""
    empty = (None, False, (), {})
    for one in fields(step):
        value = getattr(step, one.name)
        if one.name in ("table", "column", "to", "name", "on"):
            yield _value(value)
        elif value not in empty:
            yield f"{one.name}={_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value}'" if '"' in value and "'" not in value else _as_text(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))}{',' * (len(value) == 1)})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_value(key)}: {_value(one)}' for key, one in value.items())}}}"
    return _call(value) if isinstance(value, Index) else repr(value)


def _as_text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _as_triple_quoted(sql: str) -> str:
    """A string of several lines."""
    escaped = sql.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""\n{escaped}\n"""'
