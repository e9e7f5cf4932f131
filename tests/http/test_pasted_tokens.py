"""The `Authorization` header, as people paste the token of a session into a client."""

import asyncpg
import pytest

from api.http.client import has_metrics_token
from tests.support import VIEWER, Api, Settings, issue_key, registration

pytestmark = pytest.mark.anyio

HEADERS = [
    "Bearer {}\u200b",
    "\ufeffBearer {}",
    "Bearer\u00a0{}",
    "Bearer \u00a0{} ",
    "Bearer \u202a{}\u202c",
    "bearer  {}",
    "BEARER\t{}",
    "Bearer: {}",
    "Bearer Bearer {}",
    'Bearer "{}"',
    "Bearer “{}”",
    "Bearer '{}',",
    "Bearer <{}>",
]


async def test_a_token_is_read_as_it_is_pasted(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    token = (await api.register(form))["accessToken"]
    dashes = f"Bearer {token.replace('-', chr(0x2011))}"

    for header in (*(pattern.format(token) for pattern in HEADERS), dashes):
        headers = {b"authorization": header.encode()}
        answer = await api.http.post("/graphql", json={"query": VIEWER}, headers=headers)
        me = await api.http.get("/api/users/me", headers=headers)

        assert answer.json()["data"]["viewer"]["email"] == form["email"], ascii(header)
        assert me.status_code == 200, ascii(header)
    latin = await api.http.get(
        "/api/users/me", headers={b"authorization": f"Bearer\xa0{token}".encode("latin-1")}
    )
    assert latin.status_code == 200


async def test_what_is_no_token_signs_nobody_in(api: Api, database: asyncpg.Connection) -> None:
    token = (await api.register(registration(await issue_key(database))))["accessToken"]

    for header in (
        "",
        "Bearer",
        token,
        f"Basic {token}",
        f"Bearer{token}",
        f"Bearer {token}x",
        f"Bearer {token} {token}",
        f"Bearer {token}\u3164",
        "Bearer " + "a\u0301" * 3000 + token,
    ):
        answer = await api.http.get("/api/users/me", headers={b"authorization": header.encode()})
        assert answer.status_code == 401, ascii(header[:80])


def test_the_token_of_metrics_is_read_as_it_is_pasted(settings: Settings) -> None:
    settings(METRICS_TOKEN="a-long-token-for-metrics")

    for header, is_right in (
        ("Bearer\u00a0a-long-token-for-metrics\u200b", True),
        ("Bearer a\u2011long\u2011token\u2011for\u2011metrics", True),
        ("Bearer a-long-token-for-metric", False),
    ):
        scope = {"type": "http", "headers": [(b"authorization", header.encode())]}
        assert has_metrics_token(scope) is is_right, ascii(header)
