"""Searches find what people mean, in stored texts of any composition, without reading many rows."""

import re
import unicodedata
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api.database.embedded import EmbeddedServer
from api.database.scopes import read_tenants, scoped
from api.domain import totals as exact_totals
from api.domain.beta_keys.listing import KeyFilter, list_keys
from api.domain.beta_keys.status import BetaKeyStatus
from api.domain.pagination import Position
from api.domain.search import pages
from api.domain.search.pages import match_condition
from api.domain.search.typed import Search
from api.domain.tenants.listing import TenantFilter, list_tenants
from tests.cli.commands import json_of
from tests.support import Api, Settings, hire, issue_key, registration

pytestmark = pytest.mark.anyio

TENANTS = """query($s: String) { tenants(first: 50, filter: {search: $s}) {
  totalCount edges { node { businessName } } } }"""

KEYS = """query($s: String) { betaKeys(first: 50, filter: {search: $s}) {
  totalCount edges { node { key } } } }"""


@pytest.fixture
async def operator(database: asyncpg.Connection, settings: Settings) -> str:
    settings(RATE_LIMITS="off")
    return (await hire(database, None, "SUPER_ADMIN")).token


async def found(api: Api, operator: str, query: str, search: str) -> list[str]:
    (page,) = (await api.data(query, operator, s=search)).values()
    (names,) = (
        zip(*(edge["node"].values() for edge in page["edges"]), strict=True) if page["edges"] else ((),)
    )
    assert page["totalCount"] == len(names)
    return list(names)


async def test_tenants_are_found_without_accents_and_in_any_composition(
    api: Api, database: asyncpg.Connection, operator: str
) -> None:
    names = ["Panadería Peña", "Øresund Straße", "Jean\u2013Luc’s Café", "Ñandú & Hijos", "日本食堂"]
    ids = []
    for name in names:
        form = registration(await issue_key(database), businessName=name)
        ids.append((await api.register(form))["tenant"]["id"])
    await database.execute("UPDATE users SET email = 'josé@müller.de' WHERE \"tenantId\" = $1", ids[3])
    # As an old system may have stored it.
    decomposed = unicodedata.normalize("NFD", names[0])
    await database.execute('UPDATE tenants SET "businessName" = $1 WHERE id = $2', decomposed, ids[0])

    for search, name in {
        "panaderia pena": decomposed,
        "PANADERÍA  PEÑA": decomposed,
        unicodedata.normalize("NFD", "Panadería"): decomposed,
        "\u200bpeña\ufeff": decomposed,
        "oresund strasse": names[1],
        "ØRESUND": names[1],
        "jean-luc's cafe": names[2],
        "jean\u2014luc": names[2],
        "nandu &": names[3],
        "食堂": names[4],
        "pena panaderia": decomposed,
        "pan pe": decomposed,
        "hijos": names[3],
        "luc cafe": names[2],
        "müller": names[3],
        "josé@müller.de": names[3],
        "José Ñandú <jose\u0301@xn--mller-kva.de>,": names[3],
        "mailto:josé@müller.de": names[3],
        "josé@": names[3],
    }.items():
        assert await found(api, operator, TENANTS, search) == [name], ascii(search)
    for nothing in ("panaderia pino", "anaderia", "pena@", "&", "de\ud7ff", "\U0010ffff"):
        assert await found(api, operator, TENANTS, nothing) == [], ascii(nothing)


async def test_tenants_are_found_by_any_spelling_of_their_tax_id(
    api: Api, database: asyncpg.Connection, operator: str
) -> None:
    for name, nit in (("Uno", "900.123.456-8"), ("Dos", "J&J010101AA1")):
        await api.register(registration(await issue_key(database), businessName=name, nit=nit))

    for search in (
        "900.123",
        "900 123 456",
        "NIT: 900.123.456-8",
        "123456\u20128",
        "９００１２３",
        "900123456",
    ):
        assert await found(api, operator, TENANTS, search) == ["Uno"], ascii(search)
    assert await found(api, operator, TENANTS, "j&j-0101") == ["Dos"]


async def test_keys_are_found_in_any_spelling(api: Api, database: asyncpg.Connection, operator: str) -> None:
    key = await issue_key(database, key="BETA-BTJE7-7ED6F", notes="Panadería Peña")
    await issue_key(database, key="BETA-22222-33333", notes=unicodedata.normalize("NFD", "Peñón"))
    await issue_key(database, key="OLD-1")

    for search in (
        "BTJE77ED6F",
        "btje77ed6f",
        "btje7 7ed6f",
        "BTJE7\u22127ED6F",
        "7ed6f",
        "beta-btj panaderia",
        "Clave: BETA-BTJE7-7ED6F",
        "BETA-BTJE7-7ED6F",
        "beta btje7 7ed6f",
        "ＢＴＪＥ７",
        "btje7-7e",
        "\u202aBETA\u2013BTJE7\u20137ED6F\u202c",
        "panaderia pena",
        "pañaderia",
        "peña panadería",
    ):
        assert await found(api, operator, KEYS, search) == [key], ascii(search)
        assert [row["key"] for row in json_of("keys", "list", "--search", search)] == [key]
    assert await found(api, operator, KEYS, "penon") == ["BETA-22222-33333"]
    assert await found(api, operator, KEYS, "old-1") == ["OLD-1"]
    assert (
        len(await found(api, operator, KEYS, "beta")) == len(await found(api, operator, KEYS, "BETA-")) == 3
    )
    assert await found(api, operator, KEYS, "je7") == []


async def test_addresses_are_found_by_their_parts(
    api: Api, database: asyncpg.Connection, operator: str
) -> None:
    key = await issue_key(database, recipientEmail="ana.pérez@tienda.example.com")
    await issue_key(database, recipientEmail="anabel@example.org")

    for search in (
        "ana.perez@",
        "ANA.PÉREZ",
        "perez",
        "perez@tie",
        "@tienda",
        "tienda.example",
        "ana tienda",
    ):
        assert await found(api, operator, KEYS, search) == [key], search
    assert await found(api, operator, KEYS, "com") == []
    assert len(await found(api, operator, KEYS, "ana")) == 2


async def test_what_is_stored_and_what_is_searched_for_have_one_form(database: asyncpg.Connection) -> None:
    """Each text is found by itself: of Latin, Greek, Cyrillic and Japanese letters, and of punctuation."""
    ranges = (range(0x20, 0x530), range(0x1E00, 0x2070), range(0x2190, 0x2200), range(0x3000, 0x3100))
    texts = [
        f"x{letter}y"
        for letter in map(chr, (code for codes in ranges for code in codes))
        if unicodedata.category(letter)[0] in "LNPSZ" and unicodedata.normalize("NFC", letter) == letter
    ]
    await database.executemany(
        "INSERT INTO beta_keys (key, notes) VALUES ($1, $2)",
        [(f"K{n}", text) for n, text in enumerate(texts)],
    )

    differing: list[str] = []
    for text in texts:
        search = Search.of(text)
        condition, values = match_condition(search)
        query = f"SELECT count(*) FROM beta_keys WHERE notes = $3 AND {condition.format('$1', '$2')}"
        if not search.words or not await database.fetchval(query, *values, text):
            differing.append(text)

    assert len(texts) > 1800
    assert differing == []


async def test_the_words_of_a_row_follow_its_changes(
    api: Api, database: asyncpg.Connection, operator: str
) -> None:
    key = await issue_key(database, notes="Ñame")
    await database.execute("UPDATE beta_keys SET notes = 'Más'")
    assert await found(api, operator, KEYS, "name") == []
    assert await found(api, operator, KEYS, "mas") == [key]

    tenant = (await api.register(registration(key, businessName="El Sol")))["tenant"]
    await database.execute("UPDATE users SET email = 'luz@example.org' WHERE \"isOwner\"")
    assert await found(api, operator, TENANTS, "luz sol") == ["El Sol"]
    await database.execute("UPDATE users SET \"isOwner\" = false WHERE email = 'luz@example.org'")
    assert await found(api, operator, TENANTS, "luz") == []
    await database.execute("UPDATE tenants SET \"createdAt\" = '2020-01-01'")
    assert await found(api, operator, TENANTS, "sol") == ["El Sol"]
    assert await database.fetchval("SELECT count(*) FROM tenant_words WHERE word = 'sol'") == 1

    await database.execute("DELETE FROM tenants WHERE id = $1", UUID(tenant["id"]))
    await database.execute("DELETE FROM beta_keys")
    assert await database.fetchval("SELECT count(*) FROM tenant_words") == 0
    assert await database.fetchval("SELECT count(*) FROM beta_key_words") == 0


async def test_words_are_also_written_without_a_scope_which_stays_as_it_was(
    server: EmbeddedServer, database: asyncpg.Connection
) -> None:
    """Tools of operators write keys without a scope, because the keys themselves have no row security."""
    connection = await asyncpg.connect(server.dsn())
    for scope in ("", "tenant"):
        async with connection.transaction():
            await connection.execute("SELECT set_config('gatehouse.scope', $1, true)", scope)
            await connection.execute("INSERT INTO beta_keys (key, notes) VALUES ($1, 'x')", f"OLD{scope}")
            assert await connection.fetchval("SELECT current_setting('gatehouse.scope')") == scope
            assert await connection.fetchval("SELECT count(*) FROM beta_key_words") == 0
    await connection.close()

    assert await database.fetchval("SELECT count(*) FROM beta_key_words") == 4


async def test_a_business_changes_its_words_and_sees_none(
    api: Api, database: asyncpg.Connection, operator: str
) -> None:
    owner = await api.register(registration(await issue_key(database), businessName="El Sol"))
    update = "mutation($i: UpdateTenantInput!) { updateTenant(input: $i) { __typename } }"

    answer = await api.data(update, owner["accessToken"], i={"businessName": "La Luna"})

    assert answer["updateTenant"]["__typename"] == "Tenant"
    assert await found(api, operator, TENANTS, "luna") == ["La Luna"]
    assert await found(api, operator, TENANTS, "sol") == []
    assert await read_tenants([UUID(owner["tenant"]["id"])], "SELECT word FROM tenant_words") == []


# Ways to find a page


WAYS = {
    "look up": {},
    "newest": {"FEW": 0, "NEWEST": 1000},
    "word by word": {"FEW": 0, "NEWEST": 2},
    "word by word to a bound": {"FEW": 0, "NEWEST": 2, "CANDIDATES": 3},
    "many spellings": {"FEW": 0, "NEWEST": 2, "FEW_SPELLINGS": 0},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [None, BetaKeyStatus.AVAILABLE, BetaKeyStatus.EXPIRED])
async def test_every_way_finds_the_same_keys(
    pool: None,
    database: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    status: BetaKeyStatus | None,
) -> None:
    """Page by page: a frequent word, several words, words with one beginning, and words of old keys alone."""
    notes = ["feria uno", "feria dos", "ferias", "otra feria", "nada"]
    await database.executemany(
        """INSERT INTO beta_keys (key, notes, "createdAt", "expiresAt", "expiredAt")
        VALUES ($1, $2, now() - $3 * interval '1 minute', now() - $4 * interval '1 day',
                CASE WHEN $5 THEN now() END)""",
        [
            (f"K{n}", notes[n % 5] if n > 10 else None, n // 3, [None, 1][n % 2], n % 4 == 1)
            for n in range(60)
        ],
    )
    for name, value in WAYS[way].items():
        monkeypatch.setattr(pages, name, value)
    for search in ("feria", "fer uno", "feria otra", "nada", "feria nada", "none", "k1"):
        rows = await database.fetch(
            """SELECT key FROM beta_keys
                WHERE ($1::text IS NULL OR ($1 = 'EXPIRED') = ("expiresAt" IS NOT NULL))
                  AND NOT EXISTS (SELECT FROM unnest($2::text[]) part
                                   WHERE strpos(concat_ws(' ', '', lower(key), notes), ' ' || part) = 0)
                ORDER BY "createdAt" DESC, id DESC""",
            status and status.name,
            search.split(),
        )
        key_filter = KeyFilter(status=status, search=search)
        seen: list[str] = []
        page, after = None, None
        while page is None or page.has_next:
            page = await list_keys(key_filter, 4, after)
            seen += [listed.row.key for listed in page.items]
            if page.end is not None:
                after = page.end
            elif page.items:
                after = Position(page.items[-1].row.created_at, page.items[-1].row.id)
        assert seen == [row["key"] for row in rows], search


async def test_a_page_that_ends_at_the_bound_of_a_search_says_where_the_next_one_begins(
    api: Api, database: asyncpg.Connection, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two frequent words that are on one old row alone; the command reads all pages."""
    await database.execute(
        """INSERT INTO beta_keys (key, notes, "createdAt")
           SELECT 'K' || n, CASE n WHEN 300 THEN 'feria bazar' ELSE (ARRAY['feria', 'bazar'])[n % 2 + 1] END,
                  now() - n * interval '1 s'
             FROM generate_series(1, 300) n"""
    )
    for name in ("FEW", "NEWEST", "CANDIDATES"):
        monkeypatch.setattr(pages, name, 50)
    document = """query($after: String) { betaKeys(first: 5, after: $after, filter: {search: "feria bazar"}) {
      edges { node { key } } pageInfo { hasNextPage endCursor } } }"""

    seen, lengths = [], []
    after = None
    while True:
        page = (await api.data(document, operator, after=after))["betaKeys"]
        seen += [edge["node"]["key"] for edge in page["edges"]]
        lengths.append(len(page["edges"]))
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]

    assert lengths == [0, 0, 1, 0]
    assert seen == ["K300"]


# Totals


async def test_totals_are_exact_up_to_a_bound_and_estimates_beyond(
    api: Api, database: asyncpg.Connection, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = """query($s: String) {
      betaKeys(filter: {search: $s}) { totalCount totalCountIsEstimate }
      tenants(filter: {search: $s}) { totalCount totalCountIsEstimate } }"""
    await database.execute(
        """INSERT INTO beta_keys (key, notes)
           SELECT 'K' || n, CASE WHEN n % 2 = 0 THEN 'feria' ELSE 'bazar' END
             FROM generate_series(1, 3000) n;
           INSERT INTO tenants (nit, "businessName", "businessType", address)
           SELECT 'N' || n, CASE WHEN n % 2 = 0 THEN 'feria' ELSE 'bazar' END, 'TIENDA', 'x'
             FROM generate_series(1, 3000) n"""
    )
    for table in ("beta_keys", "tenants", "beta_key_words", "tenant_words"):
        await database.execute(f"ANALYZE {table}")

    async def totals(search: str | None) -> list[tuple[int, bool]]:
        counted = await api.data(document, operator, s=search)
        return [(one["totalCount"], one["totalCountIsEstimate"]) for one in counted.values()]

    exact = {None: 3000, "feria": 1500, "feria bazar": 0, "nothing": 0}
    for search, count in exact.items():
        assert await totals(search) == [(count, False)] * 2
    for module, name in ((pages, "FEW"), (pages, "NEWEST"), (exact_totals, "EXACT")):
        monkeypatch.setattr(module, name, 100)
    for search, count in exact.items():
        for total, is_estimate in await totals(search):
            assert is_estimate is (search != "nothing")
            assert abs(total - count) <= 0.2 * count


# Cost


@pytest.fixture
async def crowd(database: asyncpg.Connection) -> AsyncIterator[None]:
    """So many rows that PostgreSQL uses an index."""
    await database.execute(
        """INSERT INTO beta_keys (key, notes, "createdAt")
           SELECT 'K' || n, 'feria x' || n, now() - n * interval '1 s'
             FROM generate_series(1, 20000) n;
           INSERT INTO tenants (nit, "businessName", "businessType", address, "createdAt")
           SELECT 'N' || n, 'feria x' || n, 'TIENDA', 'x', now() - n * interval '1 s'
             FROM generate_series(1, 20000) n"""
    )
    for table in ("beta_keys", "tenants", "beta_key_words", "tenant_words"):
        await database.execute(f"VACUUM (ANALYZE) {table}")
    yield
    # Later tests would read the dead rows of these.
    await database.execute("TRUNCATE beta_keys, tenants, beta_key_words, tenant_words CASCADE")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("listing", ["keys", "tenants"])
async def test_row_security_lets_every_way_use_the_indexes(
    pool: None,
    database: asyncpg.Connection,
    crowd: None,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    listing: str,
) -> None:
    """In the plans of the application's role: no table is read as a whole."""
    statements: list[tuple[str, tuple[Any, ...]]] = []
    read = pages.read_platform

    async def record(query: str, *values: Any) -> list[dict[str, Any]]:
        statements.append((scoped(query, len(values)), ("gatehouse.scope", "platform", *values)))
        return await read(query, *values)

    monkeypatch.setattr(pages, "read_platform", record)
    monkeypatch.setattr(pages, "CANDIDATES", 30_000)
    for name, value in WAYS[way].items():
        monkeypatch.setattr(pages, name, value)
    if listing == "keys":
        page = await list_keys(KeyFilter(search="feria x1999"), 20)
    else:
        page = await list_tenants(TenantFilter(search="feria x1999"), 20)
    await database.execute("SET ROLE gatehouse")
    plans = [
        "\n".join(row[0] for row in await database.fetch(f"EXPLAIN {statement}", *values))
        for statement, values in statements
    ]
    await database.execute("RESET ROLE")

    assert (page.end is None) == (way in ("look up", "newest", "word by word"))
    assert len(page.items) == 11 or page.end is not None
    # Fewer rows match than a page has, so the newest rows are not enough, unless they are all.
    assert len(plans) == (2 if way == "look up" else 4 if way == "many spellings" else 6)
    words = "beta_key_words" if listing == "keys" else "tenant_words"
    for plan in plans:
        assert "Seq Scan" not in plan, plan
        assert re.search(
            rf"Index (Only )?Scan.* (on {words}|using {words}_word|(using|on) \w+_created)", plan
        ), plan
