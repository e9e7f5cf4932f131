"""Requests that are made to be expensive: none fails, none is answered at length, and none costs much."""

import logging
import time
from collections.abc import Callable
from itertools import islice

import httpx
import pytest
from graphql import parse

from benchmarks.hostile_requests import HostileRequest, hostile_requests, post
from tests.support import Api, everything

pytestmark = pytest.mark.anyio

MAX_ANSWER = 300_000

MAX_REFUSAL = 20_000
"""Bytes of an answer that has errors."""

UNIT = "{ " + "__typename " * 900 + "}"
"""To parse this document takes 7 ms on a machine on which a request may take 25 ms."""

MAX_UNITS = 5.0
"""A sixth more than that, because a busy machine is not equally slow for all."""


async def send(http: httpx.AsyncClient, request: HostileRequest, token: str | None) -> httpx.Response:
    headers = {b"content-type": b"application/json", b"accept": b"application/json"}
    if token is not None:
        headers[b"authorization"] = f"Bearer {token}".encode()
    headers |= {name.encode(): value.encode() for name, value in request.headers.items()}
    # An absolute address, because httpx refuses a path of slashes.
    url = f"http://gatehouse.test{request.path}"
    return await http.request(request.method, url, content=request.body, headers=headers)


@pytest.mark.parametrize("seed", range(4))
async def test_no_hostile_request_is_a_failure(
    api: Api, operator: str, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for number, request in enumerate(hostile_requests(81, seed)):
        token = operator if request.may_sign_in and number % 2 else None

        response = await send(api.http, request, token)

        shown = f"{request.family}: {request.body[:500]!r} {response.text[:500]}"
        assert response.status_code < 500, shown
        assert len(response.content) <= MAX_ANSWER, shown
        if response.text.startswith('{"errors"'):
            answer = response.json()
            assert len(response.content) <= MAX_REFUSAL or answer.get("data"), shown
            codes = [error.get("extensions", {}).get("code") for error in answer["errors"]]
            assert "INTERNAL" not in codes, shown
            assert len(codes) <= 20, shown
    assert not caplog.records, everything(caplog.records)


def _costliest() -> list[HostileRequest]:
    """Those that cost the most in `make bench`, one or two of each kind."""
    repeated = "{ " + "viewer { tenant { owner { tenant { id } } } } " * 70 + "}"
    unknown = "{ " + " ".join(f"viewe{number}" for number in range(990)) + " }"
    types = "{ " + " ".join(f"... on Tenan{number} {{ id }}" for number in range(140)) + " }"
    spreads = " ".join(f"...f{number}" for number in range(90))
    fragments = " ".join(f"fragment f{number} on Query {{ viewer {{ id email }} }}" for number in range(90))
    cycles = " ".join(f"fragment f{n} on Query {{ ...f{(n * 7 + 1) % 100} ...f{n} }}" for n in range(90))
    definitions = " ".join(f"$v{number}: Unknown" for number in range(190))
    return [
        post("repeated", repeated),
        post("unknown fields", unknown),
        post("unknown types", types),
        post("spreads", f"{{ {spreads} }} {fragments}"),
        post("cycles", f"{{ ...f0 }} {cycles}"),
        post("variables", f"query({definitions}) {{ __typename }}"),
        post("schema", "{ " + " ".join(f"a{n}: __schema {{ types {{ name }} }}" for n in range(15)) + " }"),
        post("escapes", '{ validateBetaKey(key: "' + "\\n" * 9_900 + '") { valid } }'),
        post("block", '{ validateBetaKey(key: """' + "\n" * 19_900 + '""") { valid } }'),
        post("list", "{ betaKeys(filter: [" + "{} " * 450 + "]) { totalCount } }"),
        post("object", "mutation { login(input: {" + "x: 1 " * 320 + "}) { __typename } }"),
        post("mutations", "mutation { " + " ".join(f"a{n}: logout {{ message }}" for n in range(15)) + " }"),
        HostileRequest("parameters", b"", "GET", "/graphql?" + "a&" * 25_000),
        post("values", "query($i: Int) { operators { id } }", variables={"i": [{}] * 9_000}),
        HostileRequest("JSON", b"[" * 65_000),
    ]


@pytest.mark.parametrize("request_", _costliest(), ids=lambda request: request.family)
async def test_hostile_requests_cost_little(api: Api, request_: HostileRequest) -> None:
    """Compared with the parser, so that the speed of the machine does not matter."""

    async def once(number: int) -> float:
        before = time.thread_time()
        await send(api.http, request_.varied(number), None)
        return time.thread_time() - before

    await once(0)
    unit = min(_timed(lambda: parse(UNIT)) for _ in range(5))
    cost = min([await once(number) for number in range(1, 6)])

    assert cost < MAX_UNITS * unit, f"{1000 * cost:.1f} ms; the unit took {1000 * unit:.1f} ms"


def _timed(call: Callable[[], object]) -> float:
    before = time.thread_time()
    call()
    return time.thread_time() - before


async def test_the_seeds_give_the_same_requests() -> None:
    """A failure can be repeated."""
    first, second = ([*islice(hostile_requests(200, 5), 150)] for _ in range(2))

    assert first == second
    assert len({request.family for request in first}) > 20
