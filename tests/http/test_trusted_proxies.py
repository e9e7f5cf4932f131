"""The client address of a request: that of the peer, or one in the header of a trusted proxy."""

from collections.abc import Callable

import asyncpg
import httpx
import pytest

from api.domain import rate_limits
from api.domain.actors import Client
from api.http.client import client_of
from tests.support import Api, GatehouseProcess, issue_key, registration

pytestmark = pytest.mark.anyio

PROXIES = "10.0.0.0/8, 192.0.2.7, fd00::/8"
PROXY = "10.1.2.3"


def address(peer: str | None, *forwarded: str) -> str | None:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    client = None if peer is None else (peer, 4711)
    return client_of({"type": "http", "headers": headers, "client": client}).ip_address


def test_the_first_of_repeated_headers_counts_and_languages_are_joined() -> None:
    headers = [
        (b"accept-language", b"es"),
        (b"user-agent", b"Tienda/1"),
        (b"accept-language", b"en;q=0.5"),
        (b"user-agent", b""),
    ]

    client = client_of({"type": "http", "headers": headers, "client": None})

    assert (client.language, client.user_agent) == ("es", "Tienda/1")


@pytest.mark.parametrize("peer", ["203.0.113.5", "2001:db8::5", "9.255.255.255"])
def test_a_client_cannot_choose_its_address(settings: Callable[..., None], peer: str) -> None:
    settings(TRUSTED_PROXIES=PROXIES)

    assert address(peer, "198.51.100.1") == peer
    assert address(peer, "10.0.0.1") == peer


def test_without_trusted_proxies_the_header_is_ignored(settings: Callable[..., None]) -> None:
    settings(TRUSTED_PROXIES="")

    assert address("127.0.0.1", "198.51.100.1") == "127.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "found"),
    [
        (["198.51.100.1"], "198.51.100.1"),
        (["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        (["6.6.6.6, 10.9.9.9, 198.51.100.1"], "198.51.100.1"),
        (["6.6.6.6, 198.51.100.1, 10.9.9.9, 192.0.2.7"], "198.51.100.1"),
        (["6.6.6.6", "198.51.100.1", "10.9.9.9"], "198.51.100.1"),
        (["198.51.100.1:4711"], "198.51.100.1"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:DB8:0::1"], "2001:db8::1"),
        (["::ffff:198.51.100.1"], "198.51.100.1"),
        (["198.51.100.1, ::ffff:10.9.9.9"], "198.51.100.1"),
        (["198.51.100.1,"], PROXY),
        (["198.51.100.1, unknown"], PROXY),
        (["198.51.100.1, unknown, 10.9.9.9"], "10.9.9.9"),
        (["10.8.8.8, 10.9.9.9"], "10.8.8.8"),
        ([""], PROXY),
        ([], PROXY),
        (["\xff, x" * 1000], PROXY),
    ],
)
def test_the_last_address_that_is_not_a_proxy_is_the_client(
    settings: Callable[..., None], forwarded: list[str], found: str
) -> None:
    settings(TRUSTED_PROXIES=PROXIES)

    assert address(PROXY, *forwarded) == found


def test_a_proxy_with_an_ipv4_mapped_address_is_trusted(settings: Callable[..., None]) -> None:
    settings(TRUSTED_PROXIES=PROXIES)

    assert address("::ffff:10.1.2.3", "198.51.100.1") == "198.51.100.1"
    assert address("fd12::3", "198.51.100.1") == "198.51.100.1"
    assert address(None, "198.51.100.1") is None


async def test_each_client_behind_a_proxy_has_its_own_limit_and_address(
    api: Api, database: asyncpg.Connection, settings: Callable[..., None]
) -> None:
    settings(TRUSTED_PROXIES=PROXIES, RATE_LIMITS="on", RATE_LIMIT_REGISTER="1/hour")
    behind = api.at(PROXY)
    results: list[str] = []

    for address in ("198.51.100.1", "198.51.100.2", "198.51.100.2"):
        behind.http.headers["x-forwarded-for"] = f"6.6.6.6, {address}"
        results.append((await behind.register(registration(await issue_key(database))))["__typename"])

    assert results == ["Registration", "Registration", "RateLimited"]
    recorded = await database.fetch('SELECT "ipAddress" FROM sessions ORDER BY 1')
    assert [row["ipAddress"] for row in recorded] == ["198.51.100.1", "198.51.100.2"]


async def test_uvicorn_ignores_the_header(gatehouse: GatehouseProcess) -> None:
    """By default, uvicorn trusts the header of a peer on the same machine."""
    gatehouse.environment |= {"RATE_LIMITS": "on", "RATE_LIMIT_VALIDATE": "2/hour"}
    gatehouse.start()
    statuses: list[int] = []

    async with httpx.AsyncClient(base_url=gatehouse.url) as client:
        for number in range(3):
            chosen = f"198.51.100.{number}"
            answer = await client.get(
                "/api/beta-keys/validate/BETA-TEST-12345",
                headers={"x-forwarded-for": chosen, "x-real-ip": chosen, "forwarded": f"for={chosen}"},
            )
            statuses.append(answer.status_code)

    assert statuses == [200, 200, 429]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("198.51.100.1", "::ffff:198.51.100.1", True),
        ("198.51.100.1", "198.51.100.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        (None, "testclient", True),
    ],
)
def test_an_ipv6_address_counts_with_its_network(one: str | None, other: str, same: bool) -> None:
    counted = [rate_limits.address_of(Client(ip_address=address)) for address in (one, other)]

    assert (counted[0] == counted[1]) is same
