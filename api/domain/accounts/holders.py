"""Accounts that hold an email address, with which no other account can be made."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from api.database.scopes import read_platform
from api.domain.roles import Role
from api.settings import get_settings


class Holder(NamedTuple):
    """The account of an address. Without a business, it is an operator's or an inactive user's."""

    business_name: str | None
    nit: str | None
    erased_at: datetime | None
    """When a deleted business is erased, and the address is free; until then it can be restored."""


async def is_taken(address: str) -> bool:
    """Whether an account has this address, in any case of its letters."""
    (row,) = await read_platform(
        'SELECT EXISTS (SELECT FROM users WHERE "emailLower" = lower({})) AS is_taken', address
    )
    return row["is_taken"]


async def find_holders(addresses: Sequence[str]) -> dict[str, Holder]:
    """The holder of each address that cannot register. An active user without a tenant can."""
    rows = await read_platform(_HOLDERS, list(addresses))
    grace = timedelta(days=get_settings().deletion_grace_days)
    return {
        row["address"]: Holder(row["businessName"], row["nit"], row["deletedAt"] and row["deletedAt"] + grace)
        for row in rows
    }


_HOLDERS = f"""
SELECT typed.address, t."businessName", t.nit, t."deletedAt"
  FROM unnest({{}}::text[]) AS typed (address)
       JOIN users u ON u."emailLower" = lower(typed.address)
       LEFT JOIN tenants t ON t.id = u."tenantId"
 WHERE u."tenantId" IS NOT NULL OR NOT u."isActive" OR u.role = '{Role.SUPER_ADMIN.value}'
"""
