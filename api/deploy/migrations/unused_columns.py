"""The columns that the application does not use any more, and that no migration has dropped yet."""

from collections.abc import Iterable

from api.deploy.migrations.contract import Contract
from api.deploy.migrations.expand import Rename, Retire
from api.deploy.migrations.migration import SqlMigration


def unused_columns(migrations: Iterable[SqlMigration]) -> dict[tuple[str, str], tuple[str, Retire | Rename]]:
    """By table and column: the id of the migration from which on it is unused, and the step that says so."""
    unused: dict[tuple[str, str], tuple[str, Retire | Rename]] = {}
    for migration in migrations:
        for step in migration.steps:
            if isinstance(step, Retire | Rename):
                unused[step.table, step.column] = migration.migration_id, step
            elif isinstance(step, Contract):
                unused.pop((step.table, step.column), None)
    return unused
