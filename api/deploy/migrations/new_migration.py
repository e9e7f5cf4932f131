"""`piccolo migrations new gatehouse`: writes the file of a migration, with `--auto` from the difference.

The difference is between the tables that the migrations build and those of `tables/`. Both are built in
temporary tables by the server of DATABASE_URL, or by the embedded one, and rolled back.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from piccolo.apps.migrations.commands.new import NewMigrationMeta, NoChanges
from piccolo.conf.apps import AppConfig
from piccolo.table import Table, sort_table_classes

from api.database.engine import get_engine
from api.deploy.migrations.expected_schema import build_expected_schema
from api.deploy.migrations.generated_steps import Steps
from api.deploy.migrations.migration import QUESTION, all_migrations
from api.deploy.migrations.pending import migration_ids
from api.deploy.migrations.step_source import migration_source
from api.deploy.migrations.steps import Step
from api.deploy.migrations.table_changes import steps_for
from api.deploy.migrations.unused_columns import unused_columns
from api.deploy.paths import MIGRATIONS
from api.deploy.schema.catalog import Catalog
from api.deploy.schema.temporary_schema import read_temporary_tables, temporary_schema


async def create_migration(
    app_config: AppConfig,
    auto: bool = False,
    description: str = "",
    auto_input: str | None = None,
) -> NewMigrationMeta:
    """Write the file and print its path. `auto_input` says whether columns were renamed: `y` or `n`.

    Raises Piccolo's `NoChanges` if there is no difference.
    """
    steps = await _steps(app_config.table_classes, auto_input) if auto else _empty()
    if not steps.forwards:
        raise NoChanges
    text = f"{'; '.join(dict.fromkeys(steps.descriptions))}."
    path = write_migration(
        description or text[0].upper() + text[1:], steps.forwards, "\n".join(reversed(steps.backwards))
    )
    print(f"wrote migrations/{path.name}")  # noqa: T201 (Piccolo prints its own lines, too)
    return NewMigrationMeta("", path.stem, str(path))


async def _steps(tables: Sequence[type[Table]], answer: str | None) -> Steps:
    async with get_engine().transaction() as transaction:
        connection = transaction.connection
        current = (await build_expected_schema(connection, [])).final
        declared = await declared_catalog(connection, tables)
    return steps_for(declared, current, unused=unused_columns(all_migrations()), answer=answer)


async def declared_catalog(connection: Any, tables: Sequence[type[Table]]) -> Catalog:
    """The tables of `tables/`, as the server builds them. `connection` is in a transaction."""
    async with temporary_schema(connection):
        for table in sort_table_classes(list(tables)):
            for statement in table.create_table().ddl:
                await connection.execute(statement)
        return await read_temporary_tables(connection)


def _empty() -> Steps:
    return Steps([f"{QUESTION} which SQL does this migration run?"], [], ["say what it does"])


def write_migration(description: str, steps: Sequence[Step], backwards: str = "") -> Path:
    """Write a file that is named by the present time, which is the id of the migration."""
    time = _time_after(migration_ids())
    path = MIGRATIONS / f"gatehouse_{time:%Y_%m_%dt%H_%M_%S_%f}.py"
    path.write_text(migration_source(f"{time:{_ID}}", description, steps, backwards=backwards))
    return path


_ID = "%Y-%m-%dT%H:%M:%S:%f"


def _time_after(ids: Sequence[str]) -> datetime:
    """Now, or a second after the newest id: the clock of its author may be ahead."""
    newest = [datetime.strptime(max(ids), _ID).replace(tzinfo=UTC)] if ids else []
    return max([datetime.now(UTC), *(time + timedelta(seconds=1) for time in newest)])
