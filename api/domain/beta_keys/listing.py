"""Listing, searching and counting beta keys, for operators."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api import typed_text
from api.database.bulkheads import is_long
from api.database.readers import may_read_replica
from api.database.rows import read_optional_row, read_row, select_list
from api.database.scopes import read_platform
from api.domain.beta_keys.key_format import STORED, canonical
from api.domain.beta_keys.lookup import find_key
from api.domain.beta_keys.status import STATUS, BetaKeyStatus
from api.domain.email_addresses import as_registered
from api.domain.errors import NotFound
from api.domain.fields import batch_as_stored, can_be_stored
from api.domain.pagination import Page, Position, cut
from api.domain.search.pages import Searched, find_page, match_condition
from api.domain.search.totals import total_of_search
from api.domain.search.typed import MAX_LENGTH, Search, compact_form
from api.domain.totals import Total, total_of
from api.key_shape import PREFIX
from tables import BetaKey, Tenant


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys to list. None does not filter."""

    status: BetaKeyStatus | None = None
    batch: str | None = None
    search: str | None = None
    """The beginnings of words of the key, the notes or the recipient; ignores case and accents."""


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key, its status at the time of the query, and the tenant that used it, unless that is deleted."""

    row: BetaKey
    status: BetaKeyStatus
    used_by: Tenant | None


@may_read_replica
async def list_keys(key_filter: KeyFilter, first: int, after: Position | None = None) -> Page[ListedKey]:
    """The next `first` keys after `after`, the newest first."""
    if not can_match(key_filter):
        return Page([], has_next=False)
    search = _search(key_filter)
    end = None
    if search is None:
        keys, values = _newest(key_filter, "*", after, first + 1)
        rows = await read_platform(_page(keys), *values, first + 1)
    else:
        found = await find_page(_searched(key_filter), search, first + 1, after)
        keys = _page("SELECT * FROM beta_keys WHERE id = ANY({}::uuid[])")
        rows = await read_platform(keys, found.ids, len(found.ids))
        end = found.end
    return cut([_listed(row) for row in rows], first, end)


def _newest(key_filter: KeyFilter, columns: str, after: Position | None, limit: int) -> tuple[str, list[Any]]:
    """The query for columns of at most `limit` keys after a position, in no order, without the search."""
    conditions, values = _conditions(key_filter)
    # PostgreSQL reads a page in the order of an index only for the expression of that index. The indexes of
    # batches have the time in UTC, the others have the column.
    time = "{}" if key_filter.batch is None else "({} AT TIME ZONE 'UTC')"
    created = time.format('"createdAt"')
    if after is not None:
        conditions.append(f"({created}, id) < ({time.format('{}::timestamptz')}, {{}})")
        values += after
    # One SELECT for each partial index, so that each reads no more rows than a page has.
    selects = [
        f"(SELECT {columns} FROM {' AND '.join([source, *conditions])}"
        f" ORDER BY {created} DESC, id DESC LIMIT {{}})"
        for source in _SOURCES[key_filter.status]
    ]
    return " UNION ALL ".join(selects), [*values, limit] * len(selects)


_OPEN = 'NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NULL'

# Expired keys that `mark_expired` has not marked yet. They are few, and the index of expiries finds them.
# OFFSET 0 makes PostgreSQL use it: it overestimates their number, and would search all open keys in the order
# of the page.
_UNMARKED = f"""(SELECT * FROM beta_keys WHERE {_OPEN} AND "expiresAt" <= now() OFFSET 0) unmarked"""

_SOURCES: Mapping[BetaKeyStatus | None, tuple[str, ...]] = {
    None: ("beta_keys WHERE true",),
    BetaKeyStatus.USED: ('beta_keys WHERE "isUsed"',),
    BetaKeyStatus.REVOKED: ('beta_keys WHERE NOT "isUsed" AND "revokedAt" IS NOT NULL',),
    BetaKeyStatus.EXPIRED: (
        'beta_keys WHERE NOT "isUsed" AND "revokedAt" IS NULL AND "expiredAt" IS NOT NULL',
        f"{_UNMARKED} WHERE true",
    ),
    BetaKeyStatus.AVAILABLE: (f'beta_keys WHERE {_OPEN} AND ("expiresAt" IS NULL OR "expiresAt" > now())',),
}
"""The FROM and WHERE of each status, with the conditions of the partial indexes; they do not overlap."""


def can_match(key_filter: KeyFilter) -> bool:
    """Whether any key can match. No stored text contains NUL or lone surrogates, which PostgreSQL rejects."""
    return all(text is None or can_be_stored(text) for text in (key_filter.batch, key_filter.search))


def _conditions(key_filter: KeyFilter) -> tuple[list[str], list[Any]]:
    """SQL conditions for the batch and for a whole key, and a value for each `{}` in them."""
    conditions: list[str] = []
    values: list[Any] = []
    if key_filter.batch is not None:
        conditions.append("batch = {}")
        values.append(batch_as_stored(key_filter.batch))
    if (key := _whole_key(key_filter)) is not None:
        conditions.append("key = {}")
        values.append(key)
    return conditions, values


def conditions_of(key_filter: KeyFilter) -> tuple[list[str], list[Any]]:
    """SQL conditions for all but the status, on all keys, and a value for each `{}` in them."""
    conditions, values = _conditions(key_filter)
    search = _search(key_filter)
    if search is not None:
        condition, patterns = match_condition(search)
        conditions.append(condition)
        values += patterns
    return conditions, values


def _whole_key(key_filter: KeyFilter) -> str | None:
    key = canonical(key_filter.search or "")
    return key if key is not None and STORED.fullmatch(key) else None


_PREFIX = re.compile(rf"(?<!\S){PREFIX}-", re.IGNORECASE)


def _search(key_filter: KeyFilter) -> Search | None:
    """What a search that is not a whole key means; None for one that every key matches."""
    typed = key_filter.search
    if not typed or _whole_key(key_filter) is not None:
        return None
    meant = as_registered(typed[:MAX_LENGTH])
    code = compact_form(meant)
    # No word contains the prefix, with which every key begins.
    prefix = PREFIX.lower()
    if code == prefix:
        return None
    codes = [code.removeprefix(prefix)] if code is not None else []
    return Search.of(_PREFIX.sub("", typed_text.fold_dashes(meant)), codes)


def _searched(key_filter: KeyFilter) -> Searched:
    conditions, values = _conditions(key_filter)
    if key_filter.status is not None:
        conditions.append(f"{STATUS} = {{}}")
        values.append(key_filter.status.value)

    def walk(after: Position | None, limit: int) -> tuple[str, list[Any]]:
        keys, values = _newest(key_filter, 'id, "createdAt", "searchWords"', after, limit)
        return f'SELECT * FROM ({keys}) k ORDER BY "createdAt" DESC, id DESC LIMIT {{}}', [*values, limit]

    return Searched("beta_keys", "beta_key_words", " AND ".join(["true", *conditions]), values, walk)


def _page(keys: str) -> str:
    """The query for a page of the keys that the query `keys` selects, with their status and tenant."""
    return f"""
SELECT {select_list(BetaKey, "k")}, {STATUS} AS status, {select_list(Tenant, "t")}
  FROM (SELECT * FROM ({keys}) keys ORDER BY "createdAt" DESC, id DESC LIMIT {{}}) k
       LEFT JOIN tenants t ON t.id = k."usedByTenantId" AND t."deletedAt" IS NULL
 ORDER BY k."createdAt" DESC, k.id DESC
"""


def _listed(row: Mapping[str, Any]) -> ListedKey:
    status = BetaKeyStatus(row["status"])
    return ListedKey(read_row(BetaKey, "k", row), status, read_optional_row(Tenant, "t", row))


@may_read_replica
async def count_keys(key_filter: KeyFilter) -> Total:
    """How many keys match."""
    if not can_match(key_filter):
        return Total(0)
    search = _search(key_filter)
    if search is not None:
        return await total_of_search(_searched(key_filter), search)
    conditions, values = _conditions(key_filter)
    sources = [" AND ".join([source, *conditions]) for source in _SOURCES[key_filter.status]]
    return await total_of("beta_keys", sources, values)


@dataclass(frozen=True, slots=True)
class KeyStats:
    """How many keys have each status, and how many were sent as an invitation."""

    total: int
    available: int
    used: int
    expired: int
    revoked: int
    sent: int

    @property
    def usage_percentage(self) -> float:
        """Used keys in percent of all, from 0 to 100, with two decimals."""
        return round(100 * self.used / self.total, 2) if self.total else 0.0


_OF_EACH_STATUS = ", ".join(
    f"count(*) FILTER (WHERE {STATUS} = '{name}') AS {name}" for name in BetaKeyStatus.__members__
)

_STATS = f'SELECT count(*) AS total, count("sentAt") AS sent, {_OF_EACH_STATUS} FROM beta_keys'


@may_read_replica
@is_long
async def key_stats(batch: str | None = None) -> KeyStats:
    """The numbers of all keys, or of one batch."""
    if batch is None:
        rows = await BetaKey.raw(_STATS)
    else:
        rows = await BetaKey.raw(
            f"{_STATS} WHERE batch = {{}}", batch_as_stored(batch) if can_be_stored(batch) else ""
        )
    return KeyStats(**{name.lower(): count for name, count in rows[0].items()})


async def find_listed(key_id: UUID) -> ListedKey | None:
    """The key of an id, or None."""
    rows = await read_platform(_page("SELECT * FROM beta_keys WHERE id = {}"), key_id, 1)
    return _listed(rows[0]) if rows else None


async def show_key(typed: str) -> ListedKey:
    """The key that a person typed; in any spelling. Raises `NotFound`."""
    state = await find_key(typed)
    listed = None if state is None else await find_listed(state.id)
    if listed is None:
        raise NotFound
    return listed
