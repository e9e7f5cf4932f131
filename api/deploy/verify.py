"""`gatehouse db verify`: compares the database with the migrations, and answers the runbook's two queries."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from api.database.engine import get_engine
from api.deploy.migrations.expected_schema import build_expected_schema, created_tables
from api.deploy.migrations.migration import all_migrations
from api.deploy.migrations.pending import applied_ids, migration_ids
from api.deploy.migrations.replaced import replaced_ids
from api.deploy.migrations.retained_data import retained_tables
from api.deploy.migrations.unused_columns import without_dropped
from api.deploy.schema.catalog import current_schema, read_catalog
from api.deploy.schema.differences import VERIFY, Difference, differences, differences_from_both
from api.deploy.schema.old_tables import FORWARDS, advice


@dataclass(frozen=True)
class RunbookQuery:
    """A query of the runbook, the names that it should return, and those that it returned."""

    sql: str
    expected: list[str]
    found: list[str]


@dataclass(frozen=True)
class Verification:
    differences: list[Difference]
    runbook: list[RunbookQuery]
    advice: str | None
    """What to run instead of SQL, or after it."""

    @property
    def clean(self) -> bool:
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        return {
            "differences": [{"what": one.description, "sql": list(one.sql)} for one in self.differences],
            "runbook": [asdict(one) for one in self.runbook],
            "advice": self.advice,
        }


_TABLES = """
SELECT table_name FROM information_schema.tables
 WHERE table_schema = current_schema() AND table_name IN ('tenants', 'beta_keys') ORDER BY 1
"""

_COLUMNS = """
SELECT column_name FROM information_schema.columns
 WHERE table_schema = current_schema() AND table_name = 'users'
   AND column_name IN ('tenantId', 'isOwner', 'documentId', 'phoneNumber') ORDER BY 1
"""

_RUNBOOK = {
    _TABLES: ["beta_keys", "tenants"],
    _COLUMNS: ["documentId", "isOwner", "phoneNumber", "tenantId"],
}


async def verify() -> Verification:
    """Compare the tables with those that the migrations build. It changes nothing, and blocks no transaction.

    An older version may be deployed again after a newer one has migrated the database. Where migrations
    without a file are applied, something unexpected is therefore no difference, nor is an unused column that
    is gone.
    """
    applied = await applied_ids()
    is_newer = bool(set(applied) - set(migration_ids()) - replaced_ids(applied))
    async with get_engine().transaction() as transaction:
        connection: Any = transaction.connection
        newest = [one for one in all_migrations() if one.migration_id in applied][-1:]
        schema = await build_expected_schema(connection, newest)
        expected = schema.final
        actual = await read_catalog(connection, await current_schema(connection), only=expected)
        retained = await retained_tables(connection)
        if is_newer:
            expected = without_dropped(expected, actual, all_migrations())
        runbook = [
            RunbookQuery(" ".join(sql.split()), names, [row[0] for row in await connection.fetch(sql)])
            for sql, names in _RUNBOOK.items()
        ]
    found = [one for one in differences(expected, actual) if not (is_newer and one.unexpected)]
    instead = advice(expected, actual, created_tables(applied), retained) if found else VERIFY
    if instead == VERIFY:
        pending = set(migration_ids()) - set(applied)
        if not (found and newest and pending):
            return Verification(found, runbook, None)
        before = differences_from_both(schema.after[newest[0].migration_id], expected, actual)
        return _with_pending(found, before, runbook)
    # The SQL would give old tables the columns of Gatehouse, and their rows another meaning: it would erase
    # a tenant whose deletedAt is older than the grace period.
    return Verification([replace(one, sql=()) for one in found], runbook, instead)


def _with_pending(
    found: Sequence[Difference], before: Sequence[Difference], runbook: list[RunbookQuery]
) -> Verification:
    """The differences of a database with pending migrations, which remove all but those in `before`.

    Only these have SQL: that of the others would leave out what the migrations do beside it.
    """
    described = {one.description for one in before}
    others = [replace(one, sql=()) for one in found if one.description not in described]
    advice = (
        f"run: {FORWARDS}" if not before else f"migrations are pending, too; after this SQL run: {FORWARDS}"
    )
    return Verification([*before, *others], runbook, advice if others else None)
