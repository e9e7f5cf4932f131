"""The columns that the application does not use any more, and that no migration has dropped yet."""

from collections.abc import Iterable
from dataclasses import replace

from api.deploy.migrations.contract import Contract
from api.deploy.migrations.expand import ColumnPair, Rename, Retire
from api.deploy.migrations.migration import SqlMigration
from api.deploy.schema.catalog import Catalog


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


def without_dropped(expected: Catalog, actual: Catalog, migrations: Iterable[SqlMigration]) -> Catalog:
    """`expected` without the unused columns that `actual` lacks, and what PostgreSQL drops with them."""
    result = dict(expected)
    for (name, column), (_, step) in unused_columns(migrations).items():
        if name not in actual or column in actual[name].columns:
            continue
        table = result[name]
        pair = ColumnPair(name, column, step.renamed_to, "NULL").name if step.renamed_to else None
        result[name] = replace(
            table,
            columns={key: one for key, one in table.columns.items() if key != column},
            constraints={key: one for key, one in table.constraints.items() if column not in one.columns},
            indexes={key: one for key, one in table.indexes.items() if column not in one.columns},
            triggers={key: one for key, one in table.triggers.items() if key != pair},
        )
    return result
