"""The steps of `piccolo migrations new --auto`: from the tables of the migrations to those of `tables/`.

What has no step that is safe under traffic and loses nothing becomes a `question`.
"""

import re
from collections.abc import Collection

from api.deploy.migrations.generated_steps import (
    Steps,
    ask,
    default_of,
    indexes_of,
    object_name,
    short_type,
)
from api.deploy.migrations.removed_columns import remove_columns
from api.deploy.schema.catalog import Catalog, Column, Table


def steps_for(
    declared: Catalog,
    current: Catalog,
    *,
    unused: Collection[tuple[str, str]] = (),
    answer: str | None = None,
) -> Steps:
    """`declared` are the tables of `tables/`, `current` those of the migrations, both from one server.

    `unused` are tables and columns that `tables/` rightly lacks. `answer` is for `removed_columns`.
    """
    steps = Steps()
    for name in current.keys() - declared.keys():
        ask(
            steps,
            f"tables/ has no table {name}. Before it is dropped, a release must run that does not use it.",
        )
    for name, table in declared.items():
        if name in current:
            columns = [column for of_table, column in unused if of_table == name]
            _change_table(steps, name, table, current[name], columns, answer)
        else:
            _create_table(steps, name, table)
    return steps


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
        *(f"{index.sql(concurrently=False)};" for index in indexes_of(name, table)),
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;",
        f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY;",
        "-- A table with rows of a tenant also needs a policy for the scope of a tenant.",
        f"DROP POLICY IF EXISTS scope ON {name};",
        # Of an equality with a setting alone, PostgreSQL expects one row in 200.
        f"CREATE POLICY scope ON {name}\n"
        "    USING (coalesce(current_setting('gatehouse.scope', true) = 'platform', false));",
    ]
    steps.forwards.append("\n".join(statements))
    steps.descriptions.append(f"create {name}")


def _definition(name: str, column: Column, *, is_key: bool = False) -> str:
    default = default_of(column)
    parts = [
        f'"{name}" {short_type(column.type)}',
        "PRIMARY KEY" if is_key else "NOT NULL" if column.not_null else "",
        f"DEFAULT {default}" if default is not None else "",
    ]
    return " ".join(filter(None, parts))


def _constraints(table: str, declared: Table) -> dict[str, tuple[str, list[str]]]:
    """By their name in SQL: the definition and the columns."""
    return {
        object_name(table, one.columns, "check" if one.definition.startswith("CHECK") else "fkey"): (
            _without_update(one.definition),
            one.columns,
        )
        for one in declared.constraints.values()
    }


def _without_update(definition: str) -> str:
    """Piccolo's foreign keys also say ON UPDATE CASCADE; ids never change."""
    return definition.replace(" ON UPDATE CASCADE", "")


def _change_table(
    steps: Steps, name: str, new: Table, old: Table, unused: Collection[str], answer: str | None
) -> None:
    new, renamed = remove_columns(steps, name, new, old, unused=unused, answer=answer)
    _add_columns(steps, name, new, old, renamed)
    for column, one in new.columns.items():
        if column in old.columns:
            _change_column(steps, name, column, one, old)
    existing = {one.definition for one in old.indexes.values()}
    for index, one in zip(indexes_of(name, new), new.indexes.values(), strict=True):
        if one.definition not in existing:
            steps.forwards.append(index)
            steps.descriptions.append(f"index {name} by {', '.join(one.columns)}")
    _add_constraints(steps, name, new, old)


def _add_columns(steps: Steps, name: str, new: Table, old: Table, renamed: Collection[str]) -> None:
    added: list[str] = []
    for column, one in new.columns.items():
        if column in old.columns or column in renamed:
            continue
        default = default_of(one)
        if one.not_null and (default is None or ("(" in default and default != "now()")):
            ask(
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
            ask(
                steps,
                f'{name}."{column}" becomes {short_type(new.type)}, and is {short_type(old.type)}. Changing'
                " it rewrites or rejects rows: add another column, fill it with a Backfill, and use that.",
            )
    if new.not_null and not old.not_null:
        ask(
            steps,
            f'{name}."{column}" becomes NOT NULL. Which value do rows get that have none? Fill them with a'
            f" Backfill first; then: {alter} SET NOT NULL",
        )
    elif old.not_null and not new.not_null:
        ask(
            steps,
            f'{name}."{column}" may be null from now on. Does the old version, which runs for a while, read a'
            f" null without an error? If so: {alter} DROP NOT NULL",
        )
    _change_default(steps, name, column, default_of(new), default_of(old))


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
    steps.forwards.append(f"{alter} {short_type(new.type)};")
    if length := re.search(r"\((\d+)\)", old.type):
        longer = f'SELECT FROM {name} WHERE length("{column}") > {length[1]}'
        steps.backwards.append(_if_none(longer, f"{alter} {short_type(old.type)};"))
    else:
        steps.backwards.append(f"{alter} {short_type(old.type)};")
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
