"""Whether tables that exist are those of the old system, which `gatehouse db adopt` converts."""

from collections.abc import Collection

from api.deploy.schema.catalog import Catalog, Table
from api.deploy.schema.differences import VERIFY, differences

FORWARDS = "piccolo migrations forwards all"
ADOPT = "gatehouse db adopt"
RESTORE_USERS = "piccolo migrations forwards gatehouse 1"


def problem_of_other_tables(
    expected: Catalog, actual: Catalog, *, retained: Collection[str] = ()
) -> str | None:
    """What to do about tables that are neither Gatehouse's nor the old system's; None if all are.

    Such a table lacks a column that existing rows cannot get: NOT NULL and without a default. `retained` are
    the tables that a revert has moved away.
    """
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
            return (
                f"{table} is neither Gatehouse's table nor the old system's: it lacks {', '.join(missing)};"
                f" rename it: ALTER TABLE {table} RENAME TO …"
            )
    if actual and "users" not in actual:
        names = ", ".join(actual)
        if "users" in retained:
            return (
                f"the table users, to which {names} belong, was reverted; to restore it, run: {RESTORE_USERS}"
            )
        return f"there is no table users, to which {names} belong; restore it, or rename {names}"
    return None


def are_ours(expected: Catalog, actual: Catalog, *, is_recorded: bool) -> bool:
    """Whether migrations created the tables of `actual`, however they were changed afterwards.

    Tables of the old system have none of the parts that migrations name, and differ from the expected ones
    in more than what is missing. `is_recorded` says whether a migration is recorded; where the record is
    lost, the first one has left a column that the old system does not have.
    """
    has_first_migration = "users" in actual and "emailLower" in actual["users"].columns
    if has_first_migration and all(_has_our_parts(expected[name], one) for name, one in actual.items()):
        return True
    return (is_recorded or has_first_migration) and all(one.missing for one in differences(expected, actual))


def _has_our_parts(expected: Table, actual: Table) -> bool:
    """Whether a policy, a trigger or an index has the name that migrations give it.

    PostgreSQL names primary keys by itself, so the old system's may have the same name.
    """
    indexes = expected.indexes.keys() & actual.indexes.keys() - expected.constraints.keys()
    return bool(
        indexes
        | expected.policies.keys() & actual.policies.keys()
        | expected.triggers.keys() & actual.triggers.keys()
    )


def advice(expected: Catalog, actual: Catalog, created: Collection[str], retained: Collection[str]) -> str:
    """What to do where migrations do not fit the tables of `actual`.

    `created` are the tables that the recorded migrations create; `retained` those that a revert has moved
    away.
    """
    if (created and set(actual) <= set(created)) or are_ours(expected, actual, is_recorded=False):
        return VERIFY
    if not actual:
        return f"run: {FORWARDS}"
    return (
        problem_of_other_tables(expected, actual, retained=retained)
        or f"if the old system created these tables, run: {ADOPT}"
    )
