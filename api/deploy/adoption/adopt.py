"""Taking over a database of the old system as it is found, in one transaction."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.database.engine import Engine
from api.deploy.adoption.conflicts import (
    UNTIDY_EMAILS,
    UNTIDY_KEYS,
    AdoptionConflict,
    find_conflicts,
    stored_tax_id,
)
from api.deploy.migrations import history
from api.deploy.migrations.lock import migration_lock
from api.deploy.migrations.migration import SqlMigration, all_migrations
from api.deploy.migrations.pending import pending_migrations, recorded_ids
from api.deploy.migrations.piccolo_patches import failure_message
from api.deploy.migrations.transactions import in_transaction
from api.deploy.schema.catalog import Catalog, Constraint, Index, read_catalog
from api.deploy.schema.differences import Difference, differences, refuse
from api.deploy.schema.expected_schema import expected_catalog
from api.domain.business_types import BusinessType


@dataclass(frozen=True)
class Change:
    """One thing that adopting does, and the statements that do it."""

    what: str
    sql: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    """Where rows are rewritten one by one: the parameters of the statement, for each row."""


@dataclass(frozen=True)
class Plan:
    """`migrations` come after the `changes`; where there are none, there is nothing to do."""

    changes: list[Change] = field(default_factory=list)
    migrations: list[SqlMigration] = field(default_factory=list)
    undecided: list[AdoptionConflict] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "changes": [{"what": one.what, "sql": list(one.sql)} for one in self.changes],
            "migrations": [one.migration_id for one in self.migrations],
            "undecided": [{"what": one.what, "ids": one.ids} for one in self.undecided],
        }


async def adopt(engine: Engine, patience: float, tell: Callable[[Plan], None], *, dry_run: bool) -> None:
    """Tell what is to be done, and do it, unless it is a `dry_run` or a person has to decide first.

    A database that was adopted is left as it is. Raises `CommandError`, and changes nothing, for one that
    holds no users, and one that cannot be made as wanted.
    """
    async with migration_lock(engine, patience):
        async with engine.transaction(scope="SET LOCAL gatehouse.scope = 'platform'") as transaction:
            plan = await _plan(transaction.connection)
        tell(plan)
        if plan.migrations and not (dry_run or plan.undecided):
            try:
                await in_transaction(engine, _carry_out)
            except asyncpg.PostgresError as error:
                raise CommandError(f"nothing was changed: {failure_message(error)}") from error


async def _plan(connection: Any) -> Plan:
    wanted = expected_catalog()
    found = await _read(connection, wanted)
    if not await pending_migrations() and not differences(wanted, found):
        return Plan()
    if "users" not in found:
        raise CommandError("there is no table users to adopt; run: piccolo migrations forwards all")
    _check_columns(wanted, found)
    await _check_owner(connection, found)
    changes = [*_renames(wanted, found), *_mends(wanted, found), *await _rewritten(connection, found)]
    return Plan(changes, all_migrations(), await find_conflicts(connection, wanted, found))


async def _read(connection: Any, wanted: Catalog) -> Catalog:
    return await read_catalog(connection, await connection.fetchval("SELECT current_schema()"), only=wanted)


def _check_columns(wanted: Catalog, found: Catalog) -> None:
    """A column that must have a value, and has no default, cannot be added to the rows that are there."""
    for table, there in found.items():
        want = wanted[table]
        lacking = [
            name
            for name, one in want.columns.items()
            if name not in there.columns and (name == "role" or (one.not_null and one.default is None))
        ]
        if there.columns.get("id", want.columns["id"]).type not in ("uuid", "text", "character varying"):
            lacking.append("ids that are uuids")
        if lacking:
            raise CommandError(
                f"{table} is neither Gatehouse's table nor the old system's: it lacks {', '.join(lacking)};"
                f" give it another name: ALTER TABLE {table} RENAME TO …"
            )


async def _check_owner(connection: Any, found: Catalog) -> None:
    """Only the owner of a table may change it; the old system may have used another role."""
    rows = await connection.fetch(
        "SELECT relname, relowner::regrole::text AS owner FROM pg_class"
        " WHERE oid = ANY($1::text[]::regclass[]) AND NOT pg_has_role(relowner, 'USAGE')",
        list(found),
    )
    if rows:
        me = await connection.fetchval("SELECT current_user")
        mends = "; ".join(f'ALTER TABLE {row["relname"]} OWNER TO "{me}"' for row in rows)
        raise CommandError(f"the tables belong to {rows[0]['owner']}; let a superuser run: {mends}")


def _renames(wanted: Catalog, found: Catalog) -> Iterator[Change]:
    """What is as it should be but for its name gets the name that it has in every other database."""
    for table, there in found.items():
        want = wanted[table]
        for old, new in _other_names(want.constraints, there.constraints):
            yield Change(
                f"{old} of {table} becomes {new}",
                (f'ALTER TABLE {table} RENAME CONSTRAINT "{old}" TO "{new}"',),
            )
        for old, new in _other_names(want.indexes, there.indexes):
            yield Change(f"{old} of {table} becomes {new}", (f'ALTER INDEX "{old}" RENAME TO "{new}"',))


def _other_names(
    wanted: Mapping[str, Constraint | Index], found: Mapping[str, Constraint | Index]
) -> Iterator[tuple[str, str]]:
    names = {one.definition: name for name, one in wanted.items() if name not in found}
    for old, one in found.items():
        if old not in wanted and (new := names.pop(one.definition, None)) is not None:
            yield old, new


def _mends(wanted: Catalog, found: Catalog) -> Iterator[Change]:
    """What is there, but not as it should be; what is missing is told of, and made by the migrations."""
    for one in differences({table: wanted[table] for table in found}, found):
        yield Change(one.what, () if one.missing else _in_a_transaction(one))


def _in_a_transaction(difference: Difference) -> tuple[str, ...]:
    return tuple(statement.replace(" CONCURRENTLY", "") for statement in difference.sql)


async def _rewritten(connection: Any, found: Catalog) -> list[Change]:
    """The old system kept some things as they were typed, and would not find them as they are typed now."""
    changes = {("users", "email"): [tuple(row) for row in await connection.fetch(UNTIDY_EMAILS)]}
    if "beta_keys" in found:
        changes["beta_keys", "key"] = [tuple(row) for row in await connection.fetch(UNTIDY_KEYS)]
    if "tenants" in found:
        rows = await connection.fetch('SELECT id, nit::text, "businessType"::text AS type FROM tenants')
        changes["tenants", "nit"] = [
            (row["id"], new) for row in rows if (new := stored_tax_id(row["nit"])) != row["nit"]
        ]
        changes["tenants", "businessType"] = [
            (row["id"], known.value)
            for row in rows
            if (known := BusinessType.read(row["type"] or "")) is not None and known.value != row["type"]
        ]
    return [
        Change(
            f"{table}.{column} is written as Gatehouse writes it, in {len(rows)} of the rows",
            (f'UPDATE {table} SET "{column}" = $2 WHERE id = $1',),
            tuple(rows),
        )
        for (table, column), rows in changes.items()
        if rows
    ]


async def _carry_out(connection: Any) -> None:
    """Plan again, as nobody can write any more, and do it."""
    wanted = expected_catalog()
    for table in await _read(connection, wanted):
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    plan = await _plan(connection)
    if plan.undecided:
        raise CommandError("somebody wrote to the tables meanwhile; stop the old system and run it again")
    for change in plan.changes:
        await _make(connection, change)
    for migration in plan.migrations:
        for step in migration.plain_steps:
            await connection.execute(step)
    # What the old tables lack, and what the migrations pass over because the tables exist.
    for difference in differences(wanted, await _read(connection, wanted)):
        for statement in _in_a_transaction(difference):
            await connection.execute(statement)
    refuse(wanted, await _read(connection, wanted), later=wanted)
    await connection.execute(f"{history.create_table()} {history.ADD_CHECKSUMS}")
    recorded = await recorded_ids()
    for migration in plan.migrations:
        if migration.migration_id not in recorded:
            await connection.execute(history.record(migration.migration_id, migration.checksum))


async def _make(connection: Any, change: Change) -> None:
    for statement in change.sql:
        for row in change.rows:
            # Row security would pass over what it hides, without a word.
            if await connection.execute(statement, *row) != "UPDATE 1":
                raise CommandError(f"the row {row[0]} could not be changed; nothing was changed")
        if not change.rows:
            await connection.execute(statement)
