"""`gatehouse db adopt`: converts a database of the old system into one of Gatehouse, in one transaction."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.database.scopes import platform_scope
from api.deploy.adoption.conflicts import (
    LOWER_CASE_KEYS,
    UNTRIMMED_EMAILS,
    AdoptionConflict,
    find_conflicts,
    stored_tax_id,
)
from api.deploy.migrations import history
from api.deploy.migrations.expected_schema import build_expected_schema
from api.deploy.migrations.failures import failure_message
from api.deploy.migrations.lock import migration_lock
from api.deploy.migrations.migration import SqlMigration, all_migrations
from api.deploy.migrations.pending import applied_ids, pending_migrations
from api.deploy.migrations.privileges import require_privileges
from api.deploy.migrations.transactions import in_transaction
from api.deploy.schema.catalog import Catalog, Constraint, Index, current_schema, read_catalog
from api.deploy.schema.differences import Difference, differences, require_schema
from api.domain.business_types import BusinessType


@dataclass(frozen=True)
class Change:
    """One change of the tables or rows, and its statements; none where a migration makes the change."""

    description: str
    sql: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    """The statement's parameters for each row, where it runs once for each row."""


@dataclass(frozen=True)
class Plan:
    """The `migrations` run after the `changes`. Without `migrations` the database needs no adoption."""

    changes: list[Change] = field(default_factory=list)
    migrations: list[SqlMigration] = field(default_factory=list)
    conflicts: list[AdoptionConflict] = field(default_factory=list)
    """A person must resolve them first."""

    def as_json(self) -> dict[str, Any]:
        return {
            "changes": [{"what": one.description, "sql": list(one.sql)} for one in self.changes],
            "migrations": [one.migration_id for one in self.migrations],
            "undecided": [{"what": one.description, "ids": one.ids} for one in self.conflicts],
        }


async def adopt(show: Callable[[Plan], None], *, dry_run: bool) -> Plan:
    """Pass the plan to `show`, then carry it out, unless it has conflicts or this is a `dry_run`.

    Raises `CommandError`, and changes nothing, if the database has no table `users` or cannot be converted.
    """
    async with migration_lock():
        await require_privileges()
        async with platform_scope() as transaction:
            plan = await _make_plan(transaction.connection)
        show(plan)
        if plan.migrations and not (dry_run or plan.conflicts):
            try:
                await in_transaction(_carry_out)
            except asyncpg.PostgresError as error:
                raise CommandError(f"nothing was changed: {failure_message(error)}") from error
    return plan


async def _make_plan(connection: Any) -> Plan:
    expected = (await build_expected_schema(connection, [])).final
    actual = await _read(connection, expected)
    if not await pending_migrations() and not differences(expected, actual):
        return Plan()
    if "users" not in actual:
        raise CommandError("there is no table users to adopt; run: piccolo migrations forwards all")
    _require_columns(expected, actual)
    await _require_ownership(connection, actual)
    changes = [*_renames(expected, actual), *_repairs(expected, actual), *await _rewrites(connection, actual)]
    return Plan(changes, all_migrations(), await find_conflicts(connection, expected, actual))


async def _read(connection: Any, expected: Catalog) -> Catalog:
    return await read_catalog(connection, await current_schema(connection), only=expected)


def _require_columns(expected: Catalog, actual: Catalog) -> None:
    """Refuse a table without a column that existing rows cannot get: NOT NULL and without a default."""
    for table, old in actual.items():
        new = expected[table]
        missing = [
            name
            for name, one in new.columns.items()
            if name not in old.columns and (name == "role" or (one.not_null and one.default is None))
        ]
        if old.columns.get("id", new.columns["id"]).type not in ("uuid", "text", "character varying"):
            missing.append("ids that are uuids")
        if missing:
            raise CommandError(
                f"{table} is neither Gatehouse's table nor the old system's: it lacks {', '.join(missing)};"
                f" rename it: ALTER TABLE {table} RENAME TO …"
            )


async def _require_ownership(connection: Any, actual: Catalog) -> None:
    """Only the owner of a table may alter it, and the old system may have used another role."""
    rows = await connection.fetch(
        "SELECT relname, relowner::regrole::text AS owner FROM pg_class"
        " WHERE oid = ANY($1::text[]::regclass[]) AND NOT pg_has_role(relowner, 'USAGE')",
        list(actual),
    )
    if rows:
        role = await connection.fetchval("SELECT current_user")
        statements = "; ".join(f'ALTER TABLE {row["relname"]} OWNER TO "{role}"' for row in rows)
        raise CommandError(f"the tables belong to {rows[0]['owner']}; let a superuser run: {statements}")


def _renames(expected: Catalog, actual: Catalog) -> Iterator[Change]:
    """Constraints and indexes with the expected definition get the expected name."""
    for table, old in actual.items():
        new = expected[table]
        for old_name, new_name in _other_names(new.constraints, old.constraints):
            yield Change(
                f"{old_name} of {table} becomes {new_name}",
                (f'ALTER TABLE {table} RENAME CONSTRAINT "{old_name}" TO "{new_name}"',),
            )
        for old_name, new_name in _other_names(new.indexes, old.indexes):
            yield Change(
                f"{old_name} of {table} becomes {new_name}",
                (f'ALTER INDEX "{old_name}" RENAME TO "{new_name}"',),
            )


def _other_names(
    expected: Mapping[str, Constraint | Index], actual: Mapping[str, Constraint | Index]
) -> Iterator[tuple[str, str]]:
    """The actual and the expected name of each definition that has another name."""
    names = {one.definition: name for name, one in expected.items() if name not in actual}
    for old_name, one in actual.items():
        if old_name not in expected and (new_name := names.pop(one.definition, None)) is not None:
            yield old_name, new_name


def _repairs(expected: Catalog, actual: Catalog) -> Iterator[Change]:
    """The differences of the existing tables. A missing part has no SQL here: the migrations create it."""
    for one in differences({table: expected[table] for table in actual}, actual):
        yield Change(one.description, () if one.missing else _transactional(one))


def _transactional(difference: Difference) -> tuple[str, ...]:
    return tuple(statement.replace(" CONCURRENTLY", "") for statement in difference.sql)


async def _rewrites(connection: Any, actual: Catalog) -> list[Change]:
    """Values in a form of the old system, which Gatehouse's lookups would not find."""
    changes = {("users", "email"): [tuple(row) for row in await connection.fetch(UNTRIMMED_EMAILS)]}
    if "beta_keys" in actual:
        changes["beta_keys", "key"] = [tuple(row) for row in await connection.fetch(LOWER_CASE_KEYS)]
    if "tenants" in actual:
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
    """Lock the tables, make the plan again, because rows may have changed since, and carry it out."""
    expected = (await build_expected_schema(connection, [])).final
    for table in await _read(connection, expected):
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    plan = await _make_plan(connection)
    if plan.conflicts:
        raise CommandError("the tables were changed in the meantime; stop the old system and run it again")
    for change in plan.changes:
        await _execute(connection, change)
    for migration in plan.migrations:
        for step in migration.transactional_steps:
            await connection.execute(step)
    # What the old tables lack: the migrations skip a table that exists.
    for difference in differences(expected, await _read(connection, expected)):
        for statement in _transactional(difference):
            await connection.execute(statement)
    require_schema(expected, await _read(connection, expected), later=expected)
    await connection.execute(f"{history.create_table()} {history.ADD_CHECKSUMS}")
    applied = await applied_ids()
    for migration in plan.migrations:
        if migration.migration_id not in applied:
            await connection.execute(history.insert_record(migration.migration_id, migration.checksum))


async def _execute(connection: Any, change: Change) -> None:
    for statement in change.sql:
        for row in change.rows:
            # An UPDATE skips rows that row security hides, without an error.
            if await connection.execute(statement, *row) != "UPDATE 1":
                raise CommandError(f"the row {row[0]} could not be changed; nothing was changed")
        if not change.rows:
            await connection.execute(statement)
