"""`gatehouse db adopt`: converts a database of the old system into one of Gatehouse, in one transaction."""

from collections.abc import Collection, Sequence
from typing import Any

import asyncpg

from api.command_error import CommandError
from api.deploy.adoption.dependents import (
    ChangedColumn,
    changed_columns,
    disable_triggers,
    drop_dependents,
    drop_unused_enums,
    put_back,
)
from api.deploy.adoption.people import people_questions, without_tenant
from api.deploy.adoption.plan import Change, Plan, Question
from api.deploy.adoption.questions import find_questions
from api.deploy.adoption.steps import Steps, plan_steps, transactional
from api.deploy.migrations import history
from api.deploy.migrations.application_role import grant_rows
from api.deploy.migrations.expected_schema import build_expected_schema
from api.deploy.migrations.failures import failure_message
from api.deploy.migrations.lock import migration_lock
from api.deploy.migrations.migration import all_migrations
from api.deploy.migrations.pending import applied_ids, pending_migrations
from api.deploy.migrations.privileges import require_privileges
from api.deploy.migrations.retained_data import retained_tables
from api.deploy.migrations.transactions import in_transaction
from api.deploy.schema.catalog import Catalog, current_schema, read_catalog
from api.deploy.schema.differences import VERIFY, differences, require_schema
from api.deploy.schema.old_tables import FORWARDS, are_ours, problem_of_other_tables


async def adopt(*, dry_run: bool) -> Plan:
    """Adopt the database, unless a person has to answer questions first; returns what was done.

    A `dry_run` does the same, and rolls it back. Raises `CommandError`, and changes nothing, if the database
    cannot be converted.
    """
    plan = Plan()

    async def perform(connection: Any) -> None:
        nonlocal plan
        plan = Plan()
        await connection.execute("SAVEPOINT adoption")
        await _adopt(connection, plan)
        if dry_run or plan.questions:
            await connection.execute("ROLLBACK TO SAVEPOINT adoption")

    async with migration_lock():
        await require_privileges()
        try:
            await in_transaction(perform)
        except asyncpg.PostgresError as error:
            raise CommandError(f"nothing was changed: {failure_message(error)}") from error
        if not (dry_run or plan.questions):
            await grant_rows()
    return plan


async def _adopt(connection: Any, plan: Plan) -> None:
    """Adopt in the open transaction, and add to `plan` what is done. It stops if there are questions."""
    expected = (await build_expected_schema(connection, [])).final
    actual = await _read(connection, expected)
    found = differences(expected, actual)
    pending = await pending_migrations()
    if not pending and not found:
        return
    _require_tables(expected, actual, await retained_tables(connection))
    await _require_ownership(connection, actual)
    for table, one in actual.items():
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        if one.row_security == "enabled and forced":
            # The old policies may hide rows from the owner. The migrations force row security again.
            await connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    # An UPDATE may leave checks for the end of the transaction, and a table with such checks is not altered.
    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    plan.questions += await find_questions(connection, expected, actual)
    applied = await applied_ids()
    if are_ours(expected, actual, is_recorded=bool(applied)):
        if not plan.questions:
            raise CommandError(
                f"the old system did not create these tables; {f'run: {FORWARDS}' if pending else VERIFY}"
            )
        return
    columns = changed_columns(expected, actual)
    plan.questions += [one async for one in people_questions(connection, actual)]
    plan.without_tenant += await without_tenant(connection)
    plan.migrations += all_migrations()
    steps = await plan_steps(connection, expected, actual, applied)
    plan.changes += steps.changes
    if not plan.questions:
        await _convert(connection, plan, steps, expected, columns)


def _require_tables(expected: Catalog, actual: Catalog, retained: Collection[str]) -> None:
    if not actual:
        raise CommandError(f"there is no table users to adopt; run: {FORWARDS}")
    if problem := problem_of_other_tables(expected, actual, retained=retained):
        raise CommandError(problem)


async def _read(connection: Any, expected: Catalog) -> Catalog:
    return await read_catalog(connection, await current_schema(connection), only=expected)


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


async def _convert(
    connection: Any, plan: Plan, steps: Steps, expected: Catalog, columns: Sequence[ChangedColumn]
) -> None:
    enable_triggers = await disable_triggers(connection, expected)
    for change in steps.before:
        await _execute(connection, change)
    await drop_dependents(connection, columns)
    for change in steps.repairs:
        await _execute(connection, change)
    for migration in plan.migrations:
        for number, contract in migration.contracts.items():
            if keep := contract.keep_at_once(migration.migration_id, number):
                await connection.execute(keep)
        for statement in migration.transactional_steps:
            await connection.execute(statement)
    # What the old tables lack: the migrations skip a table that exists.
    for difference in differences(expected, await _read(connection, expected)):
        for statement in transactional(difference):
            await connection.execute(statement)
    for change in steps.after:
        await _execute(connection, change)
    async for result in put_back(connection, columns):
        if isinstance(result, Question):
            plan.questions.append(result)
        else:
            plan.changes.append(result)
    if plan.questions:
        return
    for statement in enable_triggers:
        await connection.execute(statement)
    plan.changes += [one async for one in drop_unused_enums(connection, columns)]
    require_schema(expected, await _read(connection, expected), later=expected)
    await _record(connection, plan)


async def _execute(connection: Any, change: Change) -> None:
    for statement in change.sql:
        if change.rows:
            for row in change.rows:
                await _update(connection, statement, 1, *row)
        elif change.ids:
            await _update(connection, statement, len(change.ids))
        else:
            await connection.execute(statement)


async def _update(connection: Any, statement: str, rows: int, *values: Any) -> None:
    # An UPDATE skips rows that row security hides, or that a trigger returns no row for, without an error.
    if await connection.execute(statement, *values) != f"UPDATE {rows}":
        raise CommandError(f"some rows could not be changed; nothing was changed: {statement}")


async def _record(connection: Any, plan: Plan) -> None:
    await connection.execute(f"{history.create_table()} {history.ADD_CHECKSUMS}")
    applied = await applied_ids()
    for migration in plan.migrations:
        if migration.migration_id not in applied:
            await connection.execute(history.insert_record(migration.migration_id, migration.checksum))
