"""Whether the database is what the migrations build, and the runbook's two questions about it."""

from dataclasses import asdict, dataclass
from typing import Any

from api.database.engine import Engine
from api.deploy.catalog import read_catalog
from api.deploy.differences import Difference, differences
from api.deploy.wanted import wanted_catalog


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
        return not self.differences and all(one.found == one.expected for one in self.runbook)

    def as_json(self) -> dict[str, Any]:
        return {
            "differences": [{"what": one.what, "sql": list(one.sql)} for one in self.differences],
            "runbook": [asdict(one) for one in self.runbook],
        }


_TABLES = """
SELECT table_name FROM information_schema.tables
 WHERE table_schema = 'public' AND table_name IN ('tenants', 'beta_keys') ORDER BY 1
"""

_COLUMNS = """
SELECT column_name FROM information_schema.columns
 WHERE table_name = 'users' AND column_name IN ('tenantId', 'isOwner', 'documentId', 'phoneNumber') ORDER BY 1
"""

_RUNBOOK = {
    _TABLES: ["beta_keys", "tenants"],
    _COLUMNS: ["documentId", "isOwner", "phoneNumber", "tenantId"],
}


async def verify(engine: Engine) -> Verification:
    """Compare the live catalog with the committed one. It reads, and takes no lock that holds anybody up."""
    wanted = wanted_catalog()
    async with engine.transaction() as transaction:
        connection: Any = transaction.connection
        schema = await connection.fetchval("SELECT current_schema()")
        found = await read_catalog(connection, schema, only=wanted)
        runbook = [
            Question(" ".join(sql.split()), expected, [row[0] for row in await connection.fetch(sql)])
            for sql, expected in _RUNBOOK.items()
        ]
    return Verification(differences(wanted, found), runbook)
