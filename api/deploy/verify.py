"""Whether the database is what the migrations build, and the runbook's two questions about it."""

from dataclasses import asdict, dataclass
from typing import Any

from api.database.engine import Engine
from api.deploy.migrations.pending import migration_ids, recorded_ids
from api.deploy.schema.catalog import read_catalog
from api.deploy.schema.differences import Difference, differences
from api.deploy.schema.expected_schema import expected_catalog


@dataclass(frozen=True)
class Question:
    """A query of the runbook, and the names it is to answer."""

    sql: str
    expected: list[str]
    found: list[str]


@dataclass(frozen=True)
class Verification:
    differences: list[Difference]
    runbook: list[Question]

    @property
    def clean(self) -> bool:
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        return {
            "differences": [{"what": one.what, "sql": list(one.sql)} for one in self.differences],
            "runbook": [asdict(one) for one in self.runbook],
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


async def verify(engine: Engine) -> Verification:
    """Compare the live catalog with the committed one. It reads, and takes no lock that holds anybody up.

    What the runbook asks for is among what is compared. On a database that a newer version has migrated,
    what that one has made besides is no difference: an older one may be deployed again.
    """
    wanted = expected_catalog()
    newer = set(await recorded_ids()) - set(migration_ids())
    async with engine.transaction() as transaction:
        connection: Any = transaction.connection
        schema = await connection.fetchval("SELECT current_schema()")
        found = await read_catalog(connection, schema, only=wanted)
        runbook = [
            Question(" ".join(sql.split()), expected, [row[0] for row in await connection.fetch(sql)])
            for sql, expected in _RUNBOOK.items()
        ]
    told = [one for one in differences(wanted, found) if not (newer and one.besides)]
    return Verification(told, runbook)
