"""The kind of migration that Gatehouse writes: SQL that may meet what exists already."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from piccolo.apps.migrations.auto.migration_manager import AddColumnClass, MigrationManager
from piccolo.columns import Column
from piccolo.engine.finder import engine_finder
from piccolo.table import Table

from api.database.engine import Engine
from api.deploy.catalog import differences, read_catalog

SCRATCH = "gatehouse_wanted"
"""The schema in which the wanted tables are built to compare with; it never outlives a transaction."""


class UnexpectedSchema(Exception):
    """What exists already is not what the migration makes; the message lists every difference."""


class SqlMigration(MigrationManager):
    """Runs the SQL of `forwards` and `backwards`.

    Piccolo's own operations cannot be run twice, and know neither expressions in indexes nor policies.
    They are still recorded, because `piccolo migrations new --auto` adds them up to learn what is there:
    `tables` are the Piccolo tables that this migration makes, `columns` hold the columns that it adds to
    tables of earlier ones.
    """

    def __init__(
        self,
        *,
        forwards: str,
        backwards: str,
        tables: Sequence[type[Table]] = (),
        columns: Sequence[type[Table]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(app_name="gatehouse", **kwargs)
        self.forwards = forwards
        self.backwards = backwards
        for table in tables:
            self.add_table(class_name=table.__name__, tablename=table._meta.tablename)
            self._record(table, table._meta.columns)
        for table in columns:
            self._record(table, [one for one in table._meta.columns if not one._meta.primary_key])

    def _record(self, table: type[Table], columns: Sequence[Column]) -> None:
        for column in columns:
            # A copy, because Piccolo's snapshot edits the columns that it is given.
            self.add_columns.append(
                AddColumnClass(
                    column=column.copy(),
                    table_class_name=table.__name__,
                    tablename=table._meta.tablename,
                    schema=None,
                )
            )

    async def run(self, backwards: bool = False) -> None:
        """Apply or undo the migration in one transaction.

        Raises `UnexpectedSchema`, and changes nothing, where what exists is not what is wanted.
        """
        print(f"  - {self.migration_id} {'backwards' if backwards else 'forwards'}... ", end="")  # noqa: T201
        if self.preview:
            print(self.backwards if backwards else self.forwards)  # noqa: T201
            return
        engine = engine_finder()
        if not isinstance(engine, Engine):
            raise TypeError("piccolo_conf.DB is not Gatehouse's engine")
        async with engine.transaction() as transaction:
            # What IF NOT EXISTS steps over is compared below, so PostgreSQL need not tell of it as well.
            await transaction.connection.execute("SET LOCAL client_min_messages = warning")
            if backwards:
                await transaction.connection.execute(self.backwards)
                return
            await transaction.connection.execute(self.forwards)
            await self._compare(transaction.connection)

    async def _compare(self, connection: Any) -> None:
        """Refuse what `IF NOT EXISTS` stepped over but should not have.

        The migrations up to this one are played in an empty schema, and its catalog is compared.
        """
        schema = await connection.fetchval("SELECT current_schema()")
        path = await connection.fetchval("SHOW search_path")
        found = await read_catalog(connection, schema)
        await connection.execute(f"CREATE SCHEMA {SCRATCH}; SET LOCAL search_path = {SCRATCH}")
        for migration in await migrations_until(self.migration_id):
            await connection.execute(migration.forwards)
        wanted = await read_catalog(connection, SCRATCH)
        await connection.execute(
            f"DROP SCHEMA {SCRATCH} CASCADE; SELECT set_config('search_path', '{path}', true)"
        )
        if told := differences(wanted, found):
            raise UnexpectedSchema("the database has these otherwise: " + "; ".join(told))


async def migrations_until(last_id: str) -> list[SqlMigration]:
    """The migrations of the folder up to `last_id`, in their order."""
    managers = [await module.forwards() for _, module in sorted(_modules().items()) if last_id >= module.ID]
    return [manager for manager in managers if isinstance(manager, SqlMigration)]


def _modules() -> dict[str, Any]:
    return {
        path.stem: importlib.import_module(f"migrations.{path.stem}")
        for path in Path(__file__).resolve().parents[2].joinpath("migrations").glob("gatehouse_*.py")
    }
