"""A migration is tried on empty copies of the tables before it touches them.

Its steps say IF NOT EXISTS, and so step over whatever exists already; if that is not as it should be, this
is the time to say so: afterwards, the steps before the last one would have changed the database.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from api.deploy.catalog import Catalog, read_catalog
from api.deploy.differences import create_table, differences, referenced_first
from api.errors import CommandFailed

SCHEMA = "gatehouse_rehearsal"
"""Where the copies are; it is rolled back, and so never seen by anybody else."""


class UnexpectedSchema(CommandFailed):
    """What exists already is not what the migration makes; the message lists every difference."""


async def rehearse(connection: Any, steps: Sequence[str], wanted: Catalog) -> None:
    """Raise `UnexpectedSchema` if `steps` would not make of the tables that exist what is `wanted`.

    It leaves the copies behind, for the caller to roll back.
    """
    schema = await connection.fetchval("SELECT current_schema()")
    found = await read_catalog(connection, schema, only=wanted)
    # The schema itself comes second: the tables may use its types.
    await connection.execute(f'CREATE SCHEMA {SCHEMA}; SET LOCAL search_path = {SCHEMA}, "{schema}"')
    try:
        for name in referenced_first(found):
            for statement in create_table(name, found[name]):
                await connection.execute(statement)
        for step in steps:
            await connection.execute(step)
    except (asyncpg.SyntaxOrAccessError, asyncpg.FeatureNotSupportedError):
        # The steps cannot work with what there is, so that is compared as it is.
        refuse({name: table for name, table in wanted.items() if name in found}, found)
        raise
    refuse(wanted, await read_catalog(connection, SCHEMA))


def refuse(wanted: Catalog, found: Catalog) -> None:
    """Raise `UnexpectedSchema` if `found` is not what is `wanted`."""
    if told := [difference.what for difference in differences(wanted, found)]:
        raise UnexpectedSchema(
            f"the database has these otherwise: {'; '.join(told)}; how to mend them: gatehouse db verify"
        )
