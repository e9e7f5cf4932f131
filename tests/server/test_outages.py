"""A database that is unavailable, returns, or hangs."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.server.serving import (
    VALIDATE,
    Registered,
    Start,
    ask,
    assert_masked,
    assert_tells_nothing,
    client,
    lines_of,
    ready_status,
    until_ready,
)
from tests.support import (
    REGISTER,
    VIEWER,
    Api,
    GatehouseProcess,
    free_port,
    kill_postgres,
    postgres_processes,
    registration,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def forlorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatehouseProcess]:
    """A server whose database has been unavailable since the start."""
    process = GatehouseProcess(
        tmp_path_factory.mktemp("forlorn") / "gatehouse.log",
        DATABASE_URL=f"postgresql://gatehouse:hunter2@127.0.0.1:{free_port()}/gatehouse",
    )
    process.start()
    yield process
    process.kill()


async def test_without_a_database_the_process_is_healthy_and_not_ready(forlorn: GatehouseProcess) -> None:
    async with client(forlorn) as api:
        ready = await api.http.get("/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "UNAVAILABLE")
        assert (await api.http.get("/healthz")).status_code == 200
    assert_tells_nothing(ready.text)


@pytest.mark.parametrize("query", [VALIDATE, VIEWER], ids=["validateBetaKey", "viewer"])
async def test_without_a_database_graphql_answers_a_masked_error(
    forlorn: GatehouseProcess, query: str
) -> None:
    async with client(forlorn) as api:
        response = await api.http.post(
            "/graphql", json={"query": query}, headers={"authorization": f"Bearer {'x' * 43}"}
        )
    assert_masked(response, "UNAVAILABLE")


async def test_a_failing_request_is_one_log_line_with_its_id(forlorn: GatehouseProcess) -> None:
    """X-Request-ID is that of the request, or a new one for a request without it."""
    async with client(forlorn) as api:
        given = await api.http.post("/graphql", json={"query": VALIDATE}, headers={"x-request-id": "abc-123"})
        made_up = await api.http.post("/graphql", json={"query": VALIDATE})

    assert given.headers["x-request-id"] == "abc-123"
    assert len(made_up.headers["x-request-id"]) == 32
    for response in (given, made_up):
        (line,) = lines_of(forlorn, response.headers["x-request-id"])
        assert "the database is not available" in line
    assert "hunter2" not in forlorn.log.read_text()


async def test_an_outage_of_the_database_requires_no_restart(registered: Registered, start: Start) -> None:
    """During the outage every response is a masked error, without delay; then requests succeed again."""
    database = EmbeddedServer(registered.home)
    database.start()
    try:
        async with client(start(DATABASE_URL=database.dsn())) as api:
            for crash in (False, True):
                await fill_pool(api, registered.token)

                if crash:
                    kill_postgres(registered.home)
                database.stop()

                for query in (VALIDATE, VIEWER):
                    seconds: list[float] = []
                    for _ in range(5):
                        began = time.monotonic()
                        assert_masked(await ask(api, query, registered.token), "UNAVAILABLE")
                        seconds.append(time.monotonic() - began)
                    # On a busy machine one request is slow; each is if they wait for a timeout.
                    assert min(seconds) < 1
                assert await ready_status(api) == 503

                database.start()
                await until_ready(api)
                assert (await api.viewer(registered.token))["isOwner"]
                assert (await api.validate(registered.key))["reason"] == "USED"
    finally:
        database.stop()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the processes of the server are found in /proc")
async def test_a_database_that_hangs_delays_no_request_beyond_five_seconds(
    registered: Registered, start: Start
) -> None:
    """Single and concurrent requests get responses, and succeed when the database responds again."""
    database = EmbeddedServer(registered.home)
    database.start()
    form = registration(registered.key)

    async def timed(request: Any) -> tuple[float, httpx.Response]:
        began = time.monotonic()
        response = await request
        return time.monotonic() - began, response

    async def ask_at_once(api: Api, viewers: int) -> tuple[float, list[httpx.Response]]:
        """The seconds of the slowest response, and all of them."""
        answers = await asyncio.gather(
            timed(ask(api, REGISTER, i=form)),
            timed(api.http.get("/readyz")),
            *(timed(ask(api, VALIDATE)) for _ in range(30)),
            *(timed(ask(api, VIEWER, registered.token)) for _ in range(viewers)),
        )
        return max(seconds for seconds, _ in answers), [response for _, response in answers]

    try:
        async with client(start(DATABASE_URL=database.dsn())) as api:
            await fill_pool(api, registered.token)
            undisturbed, _ = await ask_at_once(api, 30)
            with hanging(registered.home):
                # The first round uses connections of the pool; the second one also opens some.
                for viewers in (2, 30):
                    longest, responses = await ask_at_once(api, viewers)
                    # On a busy machine, they also wait for the processor.
                    assert longest < 5 + 2 * undisturbed
                    for response in responses:
                        if response.url.path == "/readyz":
                            assert response.status_code == 503
                        else:
                            assert_masked(response, "UNAVAILABLE")
            await until_ready(api)
            assert (await api.viewer(registered.token))["isOwner"]
            assert (await api.validate(registered.key))["reason"] == "USED"
            assert (await api.register(form))["reason"] == "USED"
    finally:
        database.stop()


async def fill_pool(api: Api, token: str) -> None:
    """Use as many connections concurrently as the pool may have."""
    viewers = await asyncio.gather(*(api.viewer(token) for _ in range(20)))
    assert all(viewer["isOwner"] for viewer in viewers)


@contextmanager
def hanging(home: Path) -> Iterator[None]:
    """Make PostgreSQL hang: it responds to no client and closes no connection."""
    stopped: set[int] = set()
    try:
        # Twice, to stop processes that were forked before the first one was stopped.
        for _ in range(2):
            for pid in postgres_processes(home):
                os.kill(pid, signal.SIGSTOP)
                stopped.add(pid)
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
