"""Taking over a database of the old system as it is found, in one transaction."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.database.engine import Engine
from api.deploy import bookkeeping
from api.deploy.catalog import Catalog, Constraint, Index, read_catalog
from api.deploy.differences import Difference, differences
from api.deploy.lock import migration_lock
from api.deploy.migration import all_migrations
from api.deploy.pending import recorded_ids
from api.deploy.rehearsal import refuse
from api.deploy.transactions import in_transaction
from api.deploy.undecided import Undecided, find_undecided, stored_tax_id
from api.deploy.wanted import wanted_catalog
from api.domain.business_types import BusinessType
from api.errors import CommandFailed


@dataclass(frozen=True)
class Change:
    """One thing that adopting does, and the statements that do it; rows are changed in place of `{}`."""

    what: str
    sql: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    """The parameters of the only statement, once for each row."""


@dataclass(frozen=True)
class Plan:
    changes: list[Change] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "changes": [{"what": one.what, "sql": list(one.sql)} for one in self.changes],
            "undecided": [{"what": one.what, "ids": one.ids} for one in self.undecided],
        }


async def adopt(engine: Engine, patience: float, tell: Callable[[Plan], None], *, dry_run: bool) -> None:
    """Tell what is to be done, and do it, unless it is a `dry_run` or a person has to decide first.

    A database whose migrations are all on record is left as it is. Raises `CommandFailed`, and changes
    nothing, for one that holds no users, one that is half migrated, and one that cannot be made as wanted.
    """
    async with migration_lock(engine, patience):
        async with engine.transaction(scope="SET LOCAL gatehouse.scope = 'platform'") as transaction:
            plan = await _plan(transaction.connection)
        tell(plan)
        if not (dry_run or plan.undecided or not plan.changes):
            await in_transaction(engine, _carry_out)


async def _plan(connection: Any) -> Plan:
    migrations = all_migrations()
    if recorded := await recorded_ids():
        if set(recorded) >= {migration.migration_id for migration in migrations}:
            return Plan()
        raise CommandFailed("this database is adopted already; run: piccolo migrations forwards all")
    wanted = wanted_catalog()
    found = await _read(connection, wanted)
    if "users" not in found:
        raise CommandFailed("there is no table users to adopt; run: piccolo migrations forwards all")
    _check_columns(wanted, found)
    await _check_owner(connection, found)
    changes = [
        *_renames(wanted, found),
        *_otherwise(wanted, found),
        *await _rewritten(connection, found),
        *(
            Change(f"apply {one.migration_id}: {one.description}", tuple(one.plain_steps))
            for one in migrations
        ),
    ]
    return Plan(changes, await find_undecided(connection, wanted, found))


async def _read(connection: Any, wanted: Catalog) -> Catalog:
    return await read_catalog(connection, await connection.fetchval("SELECT current_schema()"), only=wanted)


def _check_columns(wanted: Catalog, found: Catalog) -> None:
    """A column that must have a value, and has no default, cannot be added to the rows that are there."""
    lacking = [
        f"{table}.{column}"
        for table, there in found.items()
        for column, one in wanted[table].columns.items()
        if column not in there.columns and (column == "role" or (one.not_null and one.default is None))
    ]
    if lacking:
        raise CommandFailed(f"this is no database of the old system: it lacks {', '.join(lacking)}")


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
        raise CommandFailed(f"the tables belong to {rows[0]['owner']}; let a superuser run: {mends}")


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


def _otherwise(wanted: Catalog, found: Catalog) -> Iterator[Change]:
    """What is there, but not as it should be; what is missing is made by the migrations."""
    for one in differences({table: wanted[table] for table in found}, found):
        if not one.missing:
            yield Change(one.what, _in_a_transaction(one))


def _in_a_transaction(difference: Difference) -> tuple[str, ...]:
    return tuple(statement.replace(" CONCURRENTLY", "") for statement in difference.sql)


async def _rewritten(connection: Any, found: Catalog) -> Iterator[Change]:
    """The old system kept tax ids and kinds of business as they were typed."""
    if "tenants" not in found:
        return iter(())
    rows = await connection.fetch('SELECT id, nit::text, "businessType"::text AS type FROM tenants')
    tax_ids = [(row["id"], new) for row in rows if (new := stored_tax_id(row["nit"])) != row["nit"]]
    types = [
        (row["id"], known.value)
        for row in rows
        if (known := BusinessType.read(row["type"] or "")) is not None and known.value != row["type"]
    ]
    changes = {
        f"tax ids become letters and digits alone ({len(tax_ids)})": ("nit", tax_ids),
        f"kinds of business become the names of the API ({len(types)})": ("businessType", types),
    }
    return (
        Change(what, (f'UPDATE tenants SET "{column}" = $2 WHERE id = $1',), tuple(values))
        for what, (column, values) in changes.items()
        if values
    )


async def _carry_out(connection: Any) -> None:
    """Plan again, as nobody can write any more, and do it."""
    wanted = wanted_catalog()
    for table in await _read(connection, wanted):
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    plan = await _plan(connection)
    if plan.undecided:
        raise CommandFailed("somebody wrote to the tables meanwhile; stop the old system and run it again")
    for change in plan.changes:
        for statement in change.sql:
            for row in change.rows:
                # Row security would pass over what it hides, without a word.
                if await connection.execute(statement, *row) != "UPDATE 1":
                    raise CommandFailed(f"the row {row[0]} could not be changed")
            if not change.rows:
                await connection.execute(statement)
    # What the old tables lack, and what the migrations pass over because the tables exist.
    for difference in differences(wanted, await _read(connection, wanted)):
        for statement in _in_a_transaction(difference):
            await connection.execute(statement)
    refuse(wanted, await _read(connection, wanted))
    await connection.execute(f"{bookkeeping.create_table()} {bookkeeping.ADD_CHECKSUMS}")
    for migration in all_migrations():
        await connection.execute(bookkeeping.record(migration.migration_id, migration.checksum))
