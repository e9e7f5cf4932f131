"""The steps of `piccolo migrations new --auto`: from the tables of the migrations to those of `tables/`.

What has no step that is safe under traffic and loses nothing becomes a `question`.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from api.deploy.migrations.index import Index
from api.deploy.migrations.migration import QUESTION
from api.deploy.schema.catalog import Catalog, Column, Table


@dataclass
class Steps:
    forwards: list[str | Index] = field(default_factory=list)
    backwards: list[str] = field(default_factory=list)
    """SQL, in the order of `forwards`: it reverts what a revert does not revert by itself."""
    descriptions: list[str] = field(default_factory=list)


def steps_for(declared: Catalog, current: Catalog) -> Steps:
    """`declared` are the tables of `tables/`, `current` those of the migrations, both from one server."""
    steps = Steps()
    for name in current.keys() - declared.keys():
        _ask(
            steps,
            f"tables/ has no table {name}. Before it is dropped, a release must run that does not use it.",
        )
    for name, table in declared.items():
        if name in current:
            _change_table(steps, name, table, current[name])
        else:
            _create_table(steps, name, table)
    return steps


def _ask(steps: Steps, question: str) -> None:
    lines = textwrap.wrap(f"{QUESTION} {question}", 100, subsequent_indent="-- ", break_on_hyphens=False)
    steps.forwards.append("\n".join(lines))
    steps.descriptions.append("answer the questions")


def _create_table(steps: Steps, name: str, table: Table) -> None:
    constraints = _constraints(name, table)
    key = {
        one for definition, columns in constraints.values() if "PRIMARY KEY" in definition for one in columns
    }
    lines = [
        *(f"    {_definition(column, one, is_key=column in key)}" for column, one in table.columns.items()),
        *(
            f"    CONSTRAINT {constraint} {definition}"
            for constraint, (definition, _) in constraints.items()
            if "PRIMARY KEY" not in definition
        ),
    ]
    body = ",\n".join(lines)
    statements = [
        f"CREATE TABLE IF NOT EXISTS {name} (\n{body}\n);",
        *(f"{index.sql(concurrently=False)};" for index in _indexes(name, table)),
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;",
        f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY;",
        "-- A table with rows of a tenant also needs a policy for the scope of a tenant.",
        f"DROP POLICY IF EXISTS scope ON {name};",
        f"CREATE POLICY scope ON {name}\n    USING (current_setting('gatehouse.scope', true) = 'platform');",
    ]
    steps.forwards.append("\n".join(statements))
    steps.descriptions.append(f"create {name}")


def _definition(name: str, column: Column, *, is_key: bool = False) -> str:
    default = _default(column)
    parts = [
        f'"{name}" {_short(column.type)}',
        "PRIMARY KEY" if is_key else "NOT NULL" if column.not_null else "",
        f"DEFAULT {default}" if default is not None else "",
    ]
    return " ".join(filter(None, parts))


def _default(column: Column) -> str | None:
    """As a developer writes it: without the cast to the type of the column that PostgreSQL adds."""
    if column.default is None or column.default.startswith("NULL"):
        return None
    return "now()" if column.default == "CURRENT_TIMESTAMP" else re.sub(r"'::[a-z ]+$", "'", column.default)


_SHORT_TYPES = {
    "character varying": "varchar",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}


def _short(type_name: str) -> str:
    for long, short in _SHORT_TYPES.items():
        type_name = type_name.replace(long, short)
    return type_name


def _constraints(table: str, declared: Table) -> dict[str, tuple[str, list[str]]]:
    """By their name in SQL: the definition and the columns."""
    return {
        _name(table, one.columns, "check" if one.definition.startswith("CHECK") else "fkey"): (
            _without_update(one.definition),
            one.columns,
        )
        for one in declared.constraints.values()
    }


def _without_update(definition: str) -> str:
    """Piccolo's foreign keys also say ON UPDATE CASCADE; ids never change."""
    return definition.replace(" ON UPDATE CASCADE", "")


def _name(table: str, columns: Iterable[str], suffix: str = "") -> str:
    """`beta_keys_approved_by_id`: in snake_case, and as short as PostgreSQL needs it."""
    words = [table, *(re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", column).lower() for column in columns), suffix]
    return "_".join(filter(None, words))[:63]


def _indexes(table: str, declared: Table) -> Iterator[Index]:
    for one in declared.indexes.values():
        on = one.definition.split(" ON ", 1)[1].replace(" USING btree", "").replace(" NULLS NOT DISTINCT", "")
        yield Index(_name(table, one.columns), on, unique=one.unique)


def _change_table(steps: Steps, name: str, new: Table, old: Table) -> None:
    _add_columns(steps, name, new, old)
    for column, one in new.columns.items():
        if column in old.columns:
            _change_column(steps, name, column, one, old)
    for column, one in old.columns.items():
        if column not in new.columns and one.generated is None:
            _ask(
                steps,
                f'the class of {name} has no "{column}". If it was renamed or is to be dropped, a release'
                f' that does not use it must run first; then: ALTER TABLE {name} DROP COLUMN "{column}"',
            )
    existing = {one.definition for one in old.indexes.values()}
    for index, one in zip(_indexes(name, new), new.indexes.values(), strict=True):
        if one.definition not in existing:
            steps.forwards.append(index)
            steps.descriptions.append(f"index {name} by {', '.join(one.columns)}")
    _add_constraints(steps, name, new, old)


def _add_columns(steps: Steps, name: str, new: Table, old: Table) -> None:
    added: list[str] = []
    for column, one in new.columns.items():
        if column in old.columns:
            continue
        default = _default(one)
        if one.not_null and (default is None or ("(" in default and default != "now()")):
            _ask(
                steps,
                f'{name}."{column}" is NOT NULL. Which value do existing rows get, and the rows that the old'
                " version inserts meanwhile? Give the column a constant default, or let it be null.",
            )
        else:
            added.append(f"    ADD COLUMN IF NOT EXISTS {_definition(column, one)}")
            steps.descriptions.append(f"add {column} to {name}")
    if added:
        steps.forwards.append(f"ALTER TABLE {name}\n" + ",\n".join(added) + ";")


def _change_column(steps: Steps, name: str, column: str, new: Column, table: Table) -> None:
    old = table.columns[column]
    alter = f'ALTER TABLE {name} ALTER COLUMN "{column}"'
    if new.type != old.type:
        # PostgreSQL refuses to change the type of a column that a generated column is computed from.
        generated = " ".join(one.generated or "" for one in table.columns.values())
        is_read_by_another = re.search(rf"\b{column}\b", generated) is not None
        if is_wider(new.type, old.type) and not is_read_by_another:
            _widen(steps, name, column, new, old)
        else:
            _ask(
                steps,
                f'{name}."{column}" becomes {_short(new.type)}, and is {_short(old.type)}. Changing it'
                " rewrites or rejects rows: add another column, fill it with a Backfill, and use that.",
            )
    if new.not_null and not old.not_null:
        _ask(
            steps,
            f'{name}."{column}" becomes NOT NULL. Which value do rows get that have none? Fill them with a'
            f" Backfill first; then: {alter} SET NOT NULL",
        )
    elif old.not_null and not new.not_null:
        _ask(
            steps,
            f'{name}."{column}" may be null from now on. Does the old version, which runs for a while, read a'
            f" null without an error? If so: {alter} DROP NOT NULL",
        )
    _change_default(steps, name, column, _default(new), _default(old))


def _if_none(rows: str, statement: str) -> str:
    """A statement of a revert, which is left out if there are rows that it would reject."""
    return f"DO $$ BEGIN\n    IF NOT EXISTS ({rows}) THEN\n        {statement}\n    END IF;\nEND $$;"


def _change_default(steps: Steps, name: str, column: str, new: str | None, old: str | None) -> None:
    """Only a constant: Piccolo computes other defaults itself, and has none for None."""
    if new is None or old is None or new == old or "(" in f"{new}{old}":
        return
    alter = f'ALTER TABLE {name} ALTER COLUMN "{column}" SET DEFAULT'
    steps.forwards.append(f"{alter} {new};")
    steps.backwards.append(f"{alter} {old};")
    steps.descriptions.append(f"change the default of {column} of {name}")


def is_wider(new: str, old: str) -> bool:
    """Whether PostgreSQL changes the type `old` of a column to `new` without reading its rows."""
    lengths = [re.fullmatch(r"character varying(?:\((\d+)\))?|text", one) for one in (new, old)]
    if not all(lengths):
        return False
    wide, narrow = (float(found[1] or "inf") if found else 0 for found in lengths)
    return wide >= narrow


def _widen(steps: Steps, name: str, column: str, new: Column, old: Column) -> None:
    alter = f'ALTER TABLE {name} ALTER COLUMN "{column}" TYPE'
    steps.forwards.append(f"{alter} {_short(new.type)};")
    if length := re.search(r"\((\d+)\)", old.type):
        longer = f'SELECT FROM {name} WHERE length("{column}") > {length[1]}'
        steps.backwards.append(_if_none(longer, f"{alter} {_short(old.type)};"))
    else:
        steps.backwards.append(f"{alter} {_short(old.type)};")
    steps.descriptions.append(f"widen {column} of {name}")


def _add_constraints(steps: Steps, name: str, new: Table, old: Table) -> None:
    existing = {one.definition for one in old.constraints.values()}
    for constraint, (definition, columns) in _constraints(name, new).items():
        if definition in existing or definition.startswith("PRIMARY KEY"):
            continue
        steps.forwards += [
            "\n".join(
                [
                    "DO $$ BEGIN",
                    "    IF NOT EXISTS (",
                    "        SELECT FROM pg_constraint",
                    f"         WHERE conrelid = '{name}'::regclass AND conname = '{constraint}'",
                    "    ) THEN",
                    f"        ALTER TABLE {name} ADD CONSTRAINT {constraint}",
                    f"            {definition} NOT VALID;",
                    "    END IF;",
                    "END $$;",
                ]
            ),
            f"ALTER TABLE {name} VALIDATE CONSTRAINT {constraint};",
        ]
        if set(columns) <= set(old.columns):
            steps.backwards.append(f"ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {constraint};")
        steps.descriptions.append(f"add {constraint}")
