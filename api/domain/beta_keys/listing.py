"""Beta keys as operators see them: pages under filters, one by one, and counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.database.rows import read_optional_row, select_list
from api.database.scopes import read_platform
from api.domain.beta_keys.lookup import find_key
from api.domain.beta_keys.status import STATUS, BetaKeyStatus
from api.domain.errors import NotFound
from api.domain.fields import can_be_stored
from api.domain.pagination import Page, Position, cut
from tables import BetaKey, Tenant


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys; those of every status, or of every batch, where it does not say."""

    status: BetaKeyStatus | None = None
    batch: str | None = None
    search: str | None = None
    """Part of the key, the notes or the recipient, in any case."""


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key, its status at that moment, and the business that used it, if that is still there."""

    row: BetaKey
    status: BetaKeyStatus
    used_by: Tenant | None


async def list_keys(wanted: KeyFilter, first: int, after: Position | None = None) -> Page[ListedKey]:
    """The `first` keys that come after `after`, the newest first."""
    if not can_be_found(wanted):
        return Page([], has_next=False)
    conditions, values = conditions_of(wanted)
    # The indexes of batches have another expression for the moment than those of all keys.
    moment = "{}" if wanted.batch is None else "({} AT TIME ZONE 'UTC')"
    created = moment.format('"createdAt"')
    if after is not None:
        conditions.append(f"({created}, id) < ({moment.format('{}::timestamptz')}, {{}})")
        values += after
    # Each of these finds its page in an index that holds no others.
    parts = [
        f"(SELECT * FROM {' AND '.join([of_status, *conditions])}"
        f" ORDER BY {created} DESC, id DESC LIMIT {{}})"
        for of_status in _OF_STATUS[wanted.status]
    ]
    query = _page(" UNION ALL ".join(parts))
    rows = await read_platform(query, *[*values, first + 1] * len(parts), first + 1)
    return cut([_listed(row) for row in rows], first)


_OPEN = 'NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NULL'

# Taken for themselves, from the index of those that will expire. PostgreSQL believes them to be many, and
# would otherwise look for them among all open keys in the order of the page.
_UNNOTICED = f"""(SELECT * FROM beta_keys WHERE {_OPEN} AND "expiresAt" <= now() OFFSET 0) unnoticed"""

_OF_STATUS: Mapping[BetaKeyStatus | None, tuple[str, ...]] = {
    None: ("beta_keys WHERE true",),
    BetaKeyStatus.USED: ('beta_keys WHERE "isUsed"',),
    BetaKeyStatus.REVOKED: ('beta_keys WHERE NOT "isUsed" AND "revokedAt" IS NOT NULL',),
    # Those that nobody has noticed yet are few, and the others are known without looking at the clock.
    BetaKeyStatus.EXPIRED: (
        'beta_keys WHERE NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NOT NULL',
        f"{_UNNOTICED} WHERE true",
    ),
    BetaKeyStatus.AVAILABLE: (f'beta_keys WHERE {_OPEN} AND ("expiresAt" IS NULL OR "expiresAt" > now())',),
}
"""Where the keys of each status are found, with conditions as the indexes have them; each key once."""


def can_be_found(wanted: KeyFilter) -> bool:
    return all(text is None or can_be_stored(text) for text in (wanted.batch, wanted.search))


def conditions_of(wanted: KeyFilter) -> tuple[list[str], list[Any]]:
    """Conditions with a place for each of the values, but for the status."""
    conditions: list[str] = []
    values: list[Any] = []
    if wanted.batch is not None:
        conditions.append("batch = {}")
        values.append(wanted.batch)
    if wanted.search:
        conditions.append(_SEARCH)
        values.append(wanted.search)
    return conditions, values


# A search that finds little walks over all keys, a second for millions. An index for it would hold
# every three letters of every key: issuing took eight times as long with one.
_SEARCH = """
strpos(lower(concat_ws(E'\\n', key, notes, "recipientEmail")), lower({})) > 0
"""


def _page(found: str) -> str:
    return f"""
SELECT {select_list(BetaKey, "k")}, {STATUS} AS status, {select_list(Tenant, "t")}
  FROM (SELECT * FROM ({found}) found ORDER BY "createdAt" DESC, id DESC LIMIT {{}}) k
       LEFT JOIN tenants t ON t.id = k."usedByTenantId" AND t."deletedAt" IS NULL
 ORDER BY k."createdAt" DESC, k.id DESC
"""


def _listed(row: Mapping[str, Any]) -> ListedKey:
    key = read_optional_row(BetaKey, "k", row)
    if key is None:
        raise LookupError("a key without an id")
    return ListedKey(key, BetaKeyStatus(row["status"]), read_optional_row(Tenant, "t", row))


async def count_keys(wanted: KeyFilter) -> int:
    """How many keys a filter finds. Without a search, an index alone tells."""
    if not can_be_found(wanted):
        return 0
    conditions, values = conditions_of(wanted)
    if wanted.status is not None:
        conditions.append(f"{STATUS} = {{}}")
        values.append(wanted.status.value)
    where = " AND ".join(["true", *conditions])
    ((count,),) = [row.values() for row in await BetaKey.raw(_COUNT.format(where), *values)]
    return count


_COUNT = "SELECT count(*) FROM beta_keys WHERE {}"


@dataclass(frozen=True, slots=True)
class KeyStats:
    """How many keys there are of each status, and how many were mailed to somebody."""

    total: int
    available: int
    used: int
    expired: int
    revoked: int
    sent: int

    @property
    def usage_percentage(self) -> float:
        """From 0 to 100, to two places."""
        return round(100 * self.used / self.total, 2) if self.total else 0.0


_STATS = f"""
SELECT count(*) AS total, count("sentAt") AS sent,
       {", ".join(f"count(*) FILTER (WHERE {STATUS} = '{one.name}') AS {one.name}" for one in BetaKeyStatus)}
  FROM beta_keys
"""


async def key_stats(batch: str | None = None) -> KeyStats:
    """Of all keys, or of one batch."""
    if batch is None:
        rows = await BetaKey.raw(_STATS)
    else:
        rows = await BetaKey.raw(f"{_STATS} WHERE batch = {{}}", batch if can_be_stored(batch) else "")
    return KeyStats(**{name.lower(): count for name, count in rows[0].items()})


async def find_listed(key_id: UUID) -> ListedKey | None:
    """One key by its id."""
    rows = await read_platform(_page("SELECT * FROM beta_keys WHERE id = {}"), key_id, 1)
    return _listed(rows[0]) if rows else None


async def show_key(typed: str) -> ListedKey:
    """One key, as somebody typed it. Raises `NotFound`."""
    state = await find_key(typed)
    listed = None if state is None else await find_listed(state.id)
    if listed is None:
        raise NotFound
    return listed
