"""`piccolo migrations new gatehouse`: writes the file of a migration, with `--auto` from the difference.

The difference is between the tables that the migrations build and those of `tables/`. Both are built in
temporary tables by the server of DATABASE_URL, or by the embedded one, and rolled back.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from piccolo.apps.migrations.commands.new import NewMigrationMeta, NoChanges
from piccolo.conf.apps import AppConfig
from piccolo.table import Table, sort_table_classes

from api.database.engine import get_engine
from api.deploy.migrations.expected_schema import build_expected_schema
from api.deploy.migrations.index import Index
from api.deploy.migrations.migration import QUESTION
from api.deploy.migrations.table_changes import Steps, steps_for
from api.deploy.paths import MIGRATIONS
from api.deploy.schema.catalog import Catalog
from api.deploy.schema.temporary_schema import read_temporary_tables, temporary_schema

LINE_LENGTH = 110


async def create_migration(
    app_config: AppConfig,
    auto: bool = False,
    description: str = "",
    auto_input: str | None = None,  # noqa: ARG001 (Piccolo's name: nothing is asked here)
) -> NewMigrationMeta:
    """Write the file and print its path. Raises Piccolo's `NoChanges` if there is no difference."""
    steps = await _steps(app_config.table_classes) if auto else _empty()
    if not steps.forwards:
        raise NoChanges
    now = datetime.now(UTC)
    path = MIGRATIONS / f"gatehouse_{now:%Y_%m_%dt%H_%M_%S_%f}.py"
    text = f"{'; '.join(dict.fromkeys(steps.descriptions))}."
    migration_id = f"{now:%Y-%m-%dT%H:%M:%S:%f}"
    path.write_text(_source(migration_id, description or text[0].upper() + text[1:], steps))
    print(f"wrote migrations/{path.name}")  # noqa: T201 (Piccolo prints its own lines, too)
    return NewMigrationMeta(migration_id, path.stem, str(path))


async def _steps(tables: Sequence[type[Table]]) -> Steps:
    async with get_engine().transaction() as transaction:
        connection = transaction.connection
        current = (await build_expected_schema(connection, [])).final
        return steps_for(await _declared_catalog(connection, tables), current)


async def _declared_catalog(connection: Any, tables: Sequence[type[Table]]) -> Catalog:
    async with temporary_schema(connection):
        for table in sort_table_classes(list(tables)):
            for statement in table.create_table().ddl:
                await connection.execute(statement)
        return await read_temporary_tables(connection)


def _empty() -> Steps:
    return Steps([f"{QUESTION} which SQL does this migration run?"], [], ["say what it does"])


def _source(migration_id: str, description: str, steps: Steps) -> str:
    """The text of the file, formatted as `make format` does it."""
    has_index = any(isinstance(step, Index) for step in steps.forwards)
    forwards = "\n".join(f"        {_step(step)}," for step in steps.forwards)
    backwards = "\n".join(reversed(steps.backwards))
    lines = [
        f"from api.deploy.migrations.migration import {'Index, ' * has_index}SqlMigration",
        "",
        f'ID = "{migration_id}"',
        f"DESCRIPTION = {as_text(description)}",
        "",
        "MIGRATION = SqlMigration(",
        "    ID,",
        "    DESCRIPTION,",
        "    forwards=[",
        forwards,
        "    ],",
        *([f"    backwards={as_triple_quoted(backwards)},"] if backwards else []),
        ")",
        "",
    ]
    return "\n".join(lines)


def _step(step: str | Index) -> str:
    if isinstance(step, str):
        return as_triple_quoted(step)
    on = f"'{step.on}'" if '"' in step.on and "'" not in step.on else as_text(step.on)
    return f"Index({as_text(step.name)}, {on}{', unique=True' * step.unique})"


def as_text(text: str) -> str:
    """The Python source of a string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def as_triple_quoted(sql: str) -> str:
    """The Python source of a string of several lines."""
    escaped = sql.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""\n{escaped}\n"""'
