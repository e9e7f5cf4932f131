"""Searches find what people mean, in stored texts of any composition."""

import unicodedata
from typing import Any

import asyncpg
import pytest

from api.domain.search import search_form
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
        "josé@müller.de": names[3],
        "José Ñandú <jose\u0301@xn--mller-kva.de>,": names[3],
        "mailto:josé@müller.de": names[3],
        "josé@": names[3],
    }.items():
        assert await found(api, operator, TENANTS, search) == [name], ascii(search)
    assert await found(api, operator, TENANTS, "panaderia pino") == []


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
        "BETA-BTJE7-7ED6F",
        "beta btje7 7ed6f",
        "ＢＴＪＥ７",
        "e7-7e",
        "\u202aBETA\u2013BTJE7\u20137ED6F\u202c",
        "panaderia pena",
        "pañaderia",
    ):
        assert await found(api, operator, KEYS, search) == [key], ascii(search)
        assert [row["key"] for row in json_of("keys", "list", "--search", search)] == [key]
    assert await found(api, operator, KEYS, "penon") == ["BETA-22222-33333"]
    assert await found(api, operator, KEYS, "old-1") == ["OLD-1"]


async def test_what_is_stored_and_what_is_searched_for_have_one_form(database: asyncpg.Connection) -> None:
    """For the letters of Latin, Greek and Cyrillic, and for punctuation."""
    letters = [chr(code) for code in (*range(0x20, 0x530), *range(0x1E00, 0x2000), *range(0x2010, 0x2028))]
    texts = [
        f"x{letter}y"
        for letter in letters
        if unicodedata.category(letter)[0] in "LNP" and unicodedata.normalize("NFKC", letter) == letter
    ]
    await database.executemany(
        "INSERT INTO beta_keys (key, notes) VALUES ($1, $2)",
        [(f"K{n}", text) for n, text in enumerate(texts)],
    )
    rows: list[Any] = await database.fetch('SELECT notes, "searchText" FROM beta_keys')

    differing = [
        row["notes"] for row in rows if row["searchText"].partition("\n")[2] != search_form(row["notes"])
    ]

    assert len(rows) > 1400
    assert differing == []


async def test_the_text_of_a_changed_row_is_stored_anew(database: asyncpg.Connection) -> None:
    await issue_key(database, key="OLD-1", notes="Ñ")
    await database.execute("UPDATE beta_keys SET notes = 'Más'")

    assert await database.fetchval('SELECT "searchText" FROM beta_keys') == "old1\nmas"
