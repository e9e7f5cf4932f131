"""Rows that mean something else in Gatehouse than in the old system, or that its queries would not find."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from api.deploy.adoption.plan import Change
from api.deploy.adoption.spelling import BETA_KEY_USED, EMAIL, EMPTY_VALUES, KEY, stored_tax_id
from api.deploy.schema.catalog import Catalog
from api.domain.business_types import BusinessType


class _Rewrite(NamedTuple):
    """`UPDATE table SET assignment WHERE condition`, if the old database has the columns `needs`."""

    table: str
    needs: tuple[str, ...]
    description: str
    assignment: str
    condition: str


_SPELLINGS = (
    _Rewrite(
        "users",
        ("email",),
        "lose the blanks around their email",
        f"email = {EMAIL}",
        f"email::text <> {EMAIL}",
    ),
    _Rewrite(
        "beta_keys",
        ("key",),
        "have their key written as Gatehouse writes it",
        f"key = {KEY}",
        f"key::text <> {KEY}",
    ),
    _Rewrite(
        "tenants",
        ("betaKeyUsed",),
        "have the key that they used written as Gatehouse writes it",
        f'"betaKeyUsed" = {BETA_KEY_USED}',
        f'"betaKeyUsed"::text <> {BETA_KEY_USED}',
    ),
)


async def early_changes(connection: Any, actual: Catalog) -> list[Change]:
    """Changes before the types of the columns change, because a text with blanks may be too long."""
    return await _changes(connection, actual, _SPELLINGS)


_NAMED_BY_TENANT = f"SELECT tenants.id FROM tenants WHERE {BETA_KEY_USED} = {KEY} LIMIT 1"

_MEANINGS = (
    _Rewrite(
        "beta_keys",
        ("isUsed", "usedByTenantId"),
        "count as used, because they name the tenant that used them",
        '"isUsed" = true, "usedAt" = coalesce("usedAt", "updatedAt", now())',
        '"usedByTenantId" IS NOT NULL AND "isUsed" IS NOT TRUE',
    ),
    _Rewrite(
        "beta_keys",
        ("isUsed", "usedByTenantId", "tenants.betaKeyUsed"),
        "count as used, because a tenant names them as its key",
        '"isUsed" = true, "usedAt" = coalesce("usedAt", "updatedAt", now()),'
        f' "usedByTenantId" = ({_NAMED_BY_TENANT})',
        f'"usedByTenantId" IS NULL AND "isUsed" IS NOT TRUE AND EXISTS ({_NAMED_BY_TENANT})',
    ),
    _Rewrite(
        "beta_keys",
        ("deletedAt",),
        "are revoked, because they were deleted in the old system",
        '"revokedAt" = now(), "revokedReason" = \'deleted in the old system\'',
        '"deletedAt" IS NOT NULL AND "isUsed" IS NOT TRUE AND to_jsonb(beta_keys) ->> \'revokedAt\' IS NULL',
    ),
    _Rewrite(
        "tenants",
        ("deletedAt",),
        "were deleted in the old system: their grace period starts now, and then they are erased",
        '"suspendedAt" = CASE WHEN NOT "isActive" THEN coalesce("suspendedAt", now()) END,'
        ' "deletedAt" = now(), "isActive" = false',
        '"deletedAt" IS NOT NULL',
    ),
    _Rewrite(
        "users",
        ("deletedAt",),
        "are deactivated, because they were deleted in the old system",
        '"isActive" = false',
        '"deletedAt" IS NOT NULL AND "isActive"',
    ),
    _Rewrite(
        "users",
        ("tenantId", "isOwner"),
        "leave their tenant, because they are operators",
        '"tenantId" = NULL, "isOwner" = false',
        "role::text = 'SUPER_ADMIN' AND \"tenantId\" IS NOT NULL",
    ),
    _Rewrite(
        "users",
        ("tenantId", "isOwner"),
        "own nothing, because they have no tenant",
        '"isOwner" = false',
        '"tenantId" IS NULL AND "isOwner"',
    ),
)


async def late_changes(connection: Any, actual: Catalog, ours: Collection[tuple[str, str]]) -> list[Change]:
    """Changes after the migrations, whose columns they set.

    The columns in `ours`, pairs of a table and a column, were created by a migration of Gatehouse.
    """
    old_meanings = [one for one in _MEANINGS if not {(one.table, column) for column in one.needs} & set(ours)]
    changes = await _changes(connection, actual, old_meanings)
    if "tenants" in actual:
        rows = await connection.fetch('SELECT id, nit::text, "businessType"::text AS type FROM tenants')
        changes += _computed("nit", [(row["id"], row["nit"], stored_tax_id(row["nit"])) for row in rows])
        changes += _computed(
            "businessType", [(row["id"], row["type"], _business_type(row["type"])) for row in rows]
        )
    return changes


async def _changes(connection: Any, actual: Catalog, rewrites: Sequence[_Rewrite]) -> list[Change]:
    changes: list[Change] = []
    for one in rewrites:
        if not all(_has(actual, one.table, column) for column in one.needs):
            continue
        rows = await connection.fetch(f"SELECT id::text FROM {one.table} WHERE {one.condition} ORDER BY id")
        if rows:
            changes.append(
                Change(
                    f"{one.table}: {len(rows)} {one.description}",
                    (f"UPDATE {one.table} SET {one.assignment} WHERE {one.condition}",),
                    tuple(row["id"] for row in rows),
                )
            )
    return changes


def _has(actual: Catalog, table: str, column: str) -> bool:
    """`column` may name another table: `tenants.nit`."""
    *other, name = column.split(".")
    table = other[0] if other else table
    return table in actual and name in actual[table].columns


def _business_type(old: str | None) -> str:
    """An unknown label stays as it is, and is read as OTRO."""
    known = BusinessType.read(old or "")
    return known.value if known is not None else old or EMPTY_VALUES["tenants", "businessType"]


def _computed(column: str, values: Sequence[tuple[Any, str | None, str]]) -> list[Change]:
    """One change of the tenants whose old value of `column` is not the new one; null is changed elsewhere."""
    rows = tuple((tenant, new) for tenant, old, new in values if old is not None and new != old)
    if not rows:
        return []
    return [
        Change(
            f"tenants.{column} is written as Gatehouse writes it, in {len(rows)} of the rows",
            (f'UPDATE tenants SET "{column}" = $2 WHERE id = $1',),
            tuple(str(tenant) for tenant, _ in rows),
            rows,
        )
    ]
