"""The tables that the migrations build. The server of the database builds them itself, and rolls them back.

PostgreSQL stores an expression in parsed form, and each version writes it in another way. So the definitions
of a database can only be compared with those that the same server writes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.deploy.migrations.migration import SqlMigration, all_migrations
from api.deploy.schema.catalog import Catalog
from api.deploy.schema.temporary_schema import execute_temporarily, read_temporary_tables, temporary_schema


@dataclass(frozen=True)
class ExpectedSchema:
    """The tables after each migration, by its id, in the order of the migrations."""

    after: Mapping[str, Catalog]

    @property
    def final(self) -> Catalog:
        """The tables after all migrations."""
        return self.after[max(self.after)] if self.after else {}


async def build_expected_schema(
    connection: Any, migrations: Sequence[SqlMigration] | None = None
) -> ExpectedSchema:
    """The tables after each of `migrations`, by default all, and after all migrations.

    `connection` is in a transaction.
    """
    every = all_migrations()
    wanted = {one.migration_id for one in (every if migrations is None else migrations)}
    after: dict[str, Catalog] = {}
    async with temporary_schema(connection):
        for migration in every:
            await execute_temporarily(connection, migration.transactional_steps)
            if migration.migration_id in wanted or migration is every[-1]:
                after[migration.migration_id] = await read_temporary_tables(connection)
    return ExpectedSchema(after)


def created_tables(applied: Collection[str]) -> set[str]:
    """The names of the tables that the migrations with the ids `applied` create."""
    return {table for one in all_migrations() if one.migration_id in applied for table in one.tables}
