"""Counts in a real Redis, which all server processes share; while it is unavailable, requests pass."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from api import rate_limit_store
from api.rate_limit_store import RedisCounter, rate
from tests.commands import run_command
from tests.support import GatehouseProcess, free_port

REDIS = "redis-server"


@pytest.fixture(scope="module")
def redis_program() -> str:
    """The path of Redis, which is installed if possible."""
    if shutil.which(REDIS) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # This machine may have no lists of packages yet.
        for command in (["update"], ["install", "--yes", "--no-install-recommends", REDIS]):
            subprocess.run(
                ["apt-get", "--quiet", *command],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                check=False,
            )
    program = shutil.which(REDIS)
    if program is None:
        pytest.skip("there is no redis-server, and only root can install it: apt-get install redis-server")
    return program


class Redis:
    """A Redis of the test's own, with a password, which can be stopped, frozen and started again."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://:s3cret@127.0.0.1:{self.port}/0"
        self._command = [
            program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--requirepass", "s3cret", "--save", "", "--appendonly", "no",
        ]  # fmt: skip

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until(lambda: b"PONG" in self.say("PING"))

    def say(self, command: str) -> bytes:
        """The output of `redis-cli`, or an empty text."""
        answered = subprocess.run(
            ["redis-cli", "-p", str(self.port), "-a", "s3cret", "--no-auth-warning", *command.split()],
            capture_output=True,
            check=False,
        )
        return answered.stdout

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)


@pytest.fixture
def redis(redis_program: str, tmp_path: Path) -> Iterator[Redis]:
    redis = Redis(redis_program, tmp_path)
    try:
        redis.start()
        yield redis
    finally:
        redis.kill()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., GatehouseProcess]]:
    """`serve(redis, …)` starts another `gatehouse serve` that counts in `redis`."""
    started: list[GatehouseProcess] = []

    def start(redis: Redis, **environment: str) -> GatehouseProcess:
        environment = {"RATE_LIMITS": "on", "RATE_LIMIT_STORAGE": redis.url, **environment}
        process = GatehouseProcess(tmp_path / f"gatehouse{len(started)}.log", **environment)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def validate(server: GatehouseProcess) -> int:
    return httpx.get(f"{server.url}/api/beta-keys/validate/BETA-TEST-12345", timeout=30).status_code


async def validate_at_once(servers: list[GatehouseProcess]) -> list[int]:
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=100)) as client:
        urls = [f"{server.url}/api/beta-keys/validate/x" for server in servers]
        return [answer.status_code for answer in await asyncio.gather(*map(client.get, urls))]


def lines(server: GatehouseProcess, says: str) -> int:
    return server.log.read_text().count(says)


AWAY = "the rate-limit store is unavailable"
BACK = "the rate-limit store is available again"


def test_two_servers_share_one_count(redis: Redis, serve: Callable[..., GatehouseProcess]) -> None:
    one, other = serve(redis, RATE_LIMIT_VALIDATE="5/hour"), serve(redis, RATE_LIMIT_VALIDATE="5/hour")

    statuses = [validate(server) for server in (one, other, one, other, one, other, one)]

    assert statuses == [200] * 5 + [429] * 2
    refused = httpx.get(f"{other.url}/api/beta-keys/validate/BETA-TEST-12345")
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    assert refused.json()["code"] == "RATE_LIMITED"


@pytest.mark.slow
def test_the_processes_of_one_server_share_one_count(
    redis: Redis, serve: Callable[..., GatehouseProcess]
) -> None:
    server = serve(redis, RATE_LIMIT_VALIDATE="5/hour", WORKERS="2")

    assert [validate(server) for _ in range(12)] == [200] * 5 + [429] * 7
    assert lines(server, "RATE_LIMIT_STORAGE") == 0


def test_graphql_answers_a_limit_that_is_counted_in_redis(
    redis: Redis, serve: Callable[..., GatehouseProcess]
) -> None:
    server = serve(redis, RATE_LIMIT_LOGIN="100/hour", RATE_LIMIT_WRONG_PASSWORDS="2/hour")
    login = """mutation { login(input: {email: "Ana@example.com", password: "x"}) {
        __typename ... on RateLimited { retryAfterSeconds } } }"""

    answers = [
        httpx.post(f"{server.url}/graphql", json={"query": login}, timeout=30).json()["data"]["login"]
        for _ in range(4)
    ]

    assert [answer["__typename"] for answer in answers] == ["WrongCredentials"] * 2 + ["RateLimited"] * 2
    assert 3500 < answers[-1]["retryAfterSeconds"] <= 3600
    assert b"example" not in redis.say("KEYS *"), "Redis need not know who has an account here"


@pytest.mark.slow
def test_the_window_moves_on(redis: Redis, serve: Callable[..., GatehouseProcess]) -> None:
    server = serve(redis, RATE_LIMIT_VALIDATE="1/3 seconds")
    until(lambda: validate(server) == 429)

    until(lambda: validate(server) == 200)


@pytest.mark.slow
def test_requests_pass_while_redis_is_down(redis: Redis, serve: Callable[..., GatehouseProcess]) -> None:
    """The log reports it in one line; afterwards requests are counted again."""
    server = serve(redis, RATE_LIMIT_VALIDATE="2/hour", RATE_LIMIT_WRONG_KEYS="1000/hour")
    assert [validate(server) for _ in range(3)] == [200, 200, 429]

    redis.kill()
    assert [validate(server) for _ in range(30)] == [200] * 30
    assert (lines(server, AWAY), lines(server, BACK)) == (1, 0)
    assert "s3cret" not in server.log.read_text()

    redis.start()
    until(lambda: validate(server) == 429)
    assert (lines(server, AWAY), lines(server, BACK)) == (1, 1)


def test_a_hanging_redis_delays_few_requests(redis: Redis, serve: Callable[..., GatehouseProcess]) -> None:
    """Only requests at the beginning of the outage wait; the log reports it in one line."""
    server = serve(redis, RATE_LIMIT_VALIDATE="2/hour")
    assert [validate(server) for _ in range(3)] == [200, 200, 429]

    redis.freeze()
    assert asyncio.run(validate_at_once([server] * 15)) == [200] * 15
    answered = [httpx.get(f"{server.url}/api/beta-keys/validate/x", timeout=30) for _ in range(30)]

    assert {response.status_code for response in answered} == {200}
    # On a busy machine some are slow; each is if it asks Redis.
    assert sum(response.elapsed.total_seconds() > 0.45 for response in answered) <= 10
    assert lines(server, AWAY) == 1


def test_a_server_starts_without_its_redis(redis: Redis, serve: Callable[..., GatehouseProcess]) -> None:
    redis.kill()
    server = serve(redis, RATE_LIMIT_VALIDATE="1/hour")

    assert [validate(server) for _ in range(3)] == [200] * 3
    assert lines(server, AWAY) == 1


def test_a_redis_that_refuses_counts_as_unavailable(
    redis: Redis, serve: Callable[..., GatehouseProcess]
) -> None:
    redis.url = redis.url.replace("s3cret", "wr0ng")
    server = serve(redis, RATE_LIMIT_VALIDATE="1/hour")

    assert [validate(server) for _ in range(3)] == [200] * 3
    assert lines(server, AWAY) == 1


def test_the_doctor_finds_whether_limits_are_counted(redis: Redis) -> None:
    def diagnose(url: str) -> dict[str, str]:
        done = run_command("gatehouse", "doctor", "--json", RATE_LIMITS="on", RATE_LIMIT_STORAGE=url)
        assert "s3cret" not in done.stdout + done.stderr
        assert "wr0ng" not in done.stdout + done.stderr
        (found,) = [one for one in json.loads(done.stdout)["checks"] if one["check"] == "limits store"]
        return found

    answers = diagnose(redis.url)
    refuses = diagnose(redis.url.replace("s3cret", "wr0ng"))

    assert (answers["status"], "answers in" in answers["message"]) == ("ok", True)
    assert (refuses["status"], "check RATE_LIMIT_STORAGE" in refuses["message"]) == ("failure", True)


@pytest.mark.anyio
async def test_concurrent_hits_are_counted_exactly(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are more of them than connections to Redis."""
    # Redis would count as away on a busy machine, where the last of them waits for longer.
    monkeypatch.setattr(rate_limit_store, "REDIS_TIMEOUT", 60)
    counters = RedisCounter(redis.url), RedisCounter(redis.url)
    fifty = rate("x", "50/hour")

    waits = await asyncio.gather(*(counter.hit(fifty, "ana") for counter in counters * 100))

    assert waits.count(0) == 50
    assert all(0 < wait <= 3600 for wait in waits if wait)
    for counter in counters:
        await counter.close()


@pytest.mark.anyio
async def test_a_tally_is_shared_and_counts_on_in_memory_while_redis_is_away(redis: Redis) -> None:
    """Waits for tries from many networks must be the same at every process, and must not end with Redis."""
    one, other = RedisCounter(redis.url), RedisCounter(redis.url)
    short = rate("x", "1/1 second")
    tallied = [await counter.tally(short, "ana") for counter in (one, other, one)]

    assert tallied == [1, 2, 3]
    assert (await other.total(short, "ana"), await other.total(short, "eva")) == (3, 0)
    async with asyncio.timeout(5):
        while await one.total(short, "ana"):
            await asyncio.sleep(0.1)

    redis.kill()
    hour = rate("x", "1/hour")
    assert [await one.tally(hour, "ana") for _ in range(3)] == [1, 2, 3]
    assert await one.total(hour, "ana") == 3
    for counter in (one, other):
        await counter.close()
