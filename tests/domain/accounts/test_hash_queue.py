"""The queue of password hashes, while its only thread is busy."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import pytest
from starlette.types import Message, Scope

from api.domain.accounts import hash_queue, passwords
from api.domain.accounts.hash_queue import HashQueue, Share, run_in_turn
from tests.support import PASSWORD, REGISTER, Api, Settings, issue_key, make_app, registration

pytestmark = pytest.mark.anyio


class Busy:
    """A queue whose only thread works on something else until `release`."""

    def __init__(self) -> None:
        self.queue = HashQueue(1)
        self._released = threading.Event()

    async def begin(self) -> None:
        # In a context of its own, or it would belong to the last request of the test, whose client has gone.
        work = run_in_turn(self._released.wait)
        self._work = asyncio.create_task(work, context=contextvars.Context())
        while not self.queue._executor._threads or self.length():
            await asyncio.sleep(0)

    def length(self) -> int:
        return sum(map(self.queue.length, Share))

    async def until_length(self, length: int) -> None:
        async with asyncio.timeout(10):
            while self.length() != length:
                await asyncio.sleep(0.001)

    async def release(self) -> None:
        self._released.set()
        await self._work


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Busy]:
    busy = Busy()
    monkeypatch.setattr(hash_queue, "hash_queue", lambda: busy.queue)
    yield busy
    busy._released.set()
    busy.queue._executor.shutdown()


def code_of(answer: Any) -> str:
    """The code of the only error of a response."""
    (error,) = answer["errors"]
    return error["extensions"]["code"]


async def test_a_request_that_has_waited_too_long_is_refused_and_leaves_the_queue(
    api: Api, database: asyncpg.Connection, busy: Busy, settings: Settings
) -> None:
    settings(MAX_QUEUE_SECONDS="0.2")
    form = registration(await issue_key(database))
    await busy.begin()

    answer = await api.post(REGISTER, language="es", i=form)

    assert code_of(answer) == "OVERLOADED"
    assert answer["errors"][0]["message"].startswith("Hay muchas personas")
    assert busy.length() == 0
    await busy.release()
    assert (await api.register(form))["__typename"] == "Registration"


@pytest.mark.parametrize("path", ["/graphql", "/api/auth/register"])
async def test_the_deadline_of_a_request_takes_it_out_of_the_queue(
    pool: None, database: asyncpg.Connection, busy: Busy, path: str
) -> None:
    form = registration(await issue_key(database))
    body = {"query": REGISTER, "variables": {"i": form}} if path == "/graphql" else form
    await busy.begin()
    transport = httpx.ASGITransport(make_app("plans", max_seconds=0.2))
    async with httpx.AsyncClient(transport=transport, base_url="http://gatehouse.test") as http:
        response = await http.post(path, json=body)

    assert response.status_code == 503
    assert busy.length() == 0
    await busy.release()
    assert await database.fetchval("SELECT count(*) FROM tenants") == 0


class Leaving:
    """A client that goes away when `gone` is set."""

    def __init__(self, path: str, body: bytes) -> None:
        self.gone = asyncio.Event()
        self.sent: list[Message] = []
        self._body: bytes | None = body
        self._scope: Scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
            "client": ("127.0.0.1", 4711),
            "server": ("gatehouse.test", 80),
        }

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def request(self) -> None:
        await make_app("plans")(self._scope, self.receive, self.send)


@pytest.fixture(params=["/graphql", "/api/auth/register"])
async def leaving(request: pytest.FixtureRequest, pool: None, database: asyncpg.Connection) -> Leaving:
    form = registration(await issue_key(database))
    body = {"query": REGISTER, "variables": {"i": form}} if request.param == "/graphql" else form
    return Leaving(request.param, httpx.Request("POST", "http://x", json=body).content)


async def test_a_client_that_went_away_leaves_the_queue(
    leaving: Leaving, busy: Busy, database: asyncpg.Connection
) -> None:
    await busy.begin()
    request = asyncio.create_task(leaving.request())
    await busy.until_length(1)
    leaving.gone.set()
    await request

    assert busy.length() == 0
    await busy.release()
    assert await database.fetchval('SELECT count(*) FROM beta_keys WHERE "isUsed"') == 0


async def test_the_key_of_a_client_that_goes_away_during_the_hash_stays_free(
    leaving: Leaving, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    hash_ = passwords._HASHES.hash

    def leave_and_hash(password: str) -> str:
        loop.call_soon_threadsafe(leaving.gone.set)
        return hash_(password)

    monkeypatch.setattr(passwords._HASHES, "hash", leave_and_hash)
    await leaving.request()

    assert await database.fetchval("SELECT count(*) FROM tenants") == 0
    assert await database.fetchval('SELECT count(*) FROM beta_keys WHERE "isUsed"') == 0


async def test_a_refused_attempt_is_not_counted(
    api: Api, database: asyncpg.Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(RATE_LIMITS="on", RATE_LIMIT_REGISTER="1/hour", MAX_QUEUE_SECONDS="3")
    form = registration(await issue_key(database))
    with monkeypatch.context() as patch:
        patch.setattr(HashQueue, "expected_wait", lambda *_: 3.1)
        for _ in range(3):
            answer = await api.post(REGISTER, i=form)
            assert code_of(answer) == "OVERLOADED"
            assert 4 <= answer["errors"][0]["extensions"]["retryAfterSeconds"] <= 7

    assert (await api.register(form))["__typename"] == "Registration"


async def test_a_code_that_was_not_compared_costs_no_try(
    api: Api, database: asyncpg.Connection, busy: Busy, settings: Settings
) -> None:
    """A code may be tried five times."""
    settings(MAX_QUEUE_SECONDS="0.1")
    request = "mutation($e: String!) { requestEmailVerification(email: $e) { __typename } }"
    verify = "mutation($e: String!, $c: String!) { verifyEmail(email: $e, code: $c) { __typename } }"
    await api.data(request, e="ana@example.com")
    await busy.begin()
    answers = [await api.post(verify, e="ana@example.com", c="000000") for _ in range(6)]
    await busy.release()

    assert {code_of(answer) for answer in answers} == {"OVERLOADED"}
    assert await database.fetchval('SELECT attempts + "attemptsElsewhere" FROM one_time_codes') == 0


async def test_the_kinds_of_requests_take_turns(api: Api, database: asyncpg.Connection, busy: Busy) -> None:
    forms = [registration(await issue_key(database)) for _ in range(21)]
    assert (await api.register(forms[0]))["__typename"] == "Registration"
    ended: list[str] = []

    async def end(name: str, request: Any) -> None:
        assert (await request)["__typename"] in ("Registration", "SignedIn")
        ended.append(name)

    await busy.begin()
    async with asyncio.TaskGroup() as tasks:
        for number, form in enumerate(forms[1:], 1):
            tasks.create_task(end("registration", api.register(form)))
            await busy.until_length(number)
        tasks.create_task(end("sign-in", api.login(forms[0]["email"])))
        await busy.until_length(21)
        await busy.release()

    # In the order of arrival it would be the last one. A sign-in has more round trips than a registration.
    assert ended.index("sign-in") < 15


async def test_in_a_long_queue_the_newest_request_is_first(
    api: Api, database: asyncpg.Connection, busy: Busy, settings: Settings
) -> None:
    """The clients of old ones are the most likely to have gone."""
    settings(MAX_QUEUE_SECONDS="20")
    busy.queue._seconds[Share.REGISTRATION] = 1
    ended: list[int] = []

    async def register(number: int, form: dict[str, Any]) -> None:
        assert (await api.register(form))["__typename"] == "Registration"
        ended.append(number)

    await busy.begin()
    async with asyncio.TaskGroup() as tasks:
        for number in range(1, 13):
            tasks.create_task(register(number, registration(await issue_key(database))))
            await busy.until_length(number)
        await busy.release()

    # Hashed first, it would be the last one in the order of arrival. Transactions end in any order.
    assert ended.index(12) < 6
    assert sorted(ended) == list(range(1, 13))


async def test_a_request_that_hashes_again_is_not_refused(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash of an adopted database is replaced at sign-in, after the password was checked."""
    form = registration(await issue_key(database))
    await api.register(form)
    old = passwords.BcryptHasher(rounds=4).hash(PASSWORD)
    await database.execute("UPDATE users SET password = $1", old)
    waits = iter([0.0, 0.0])
    monkeypatch.setattr(HashQueue, "require_room", lambda *_: next(waits))

    assert (await api.login(form["email"]))["__typename"] == "SignedIn"
    assert await database.fetchval("SELECT password LIKE '$argon2id$%' FROM users")
