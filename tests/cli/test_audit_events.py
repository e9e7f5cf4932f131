"""`gatehouse audit`, and `--follow`."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import orjson
import pytest

from api.database.embedded import EmbeddedServer
from tests.cli.commands import failure, printed, wrong_usage
from tests.support import GATEHOUSE, ROOT, Api, issue_key, registration

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def followed(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        GATEHOUSE, "audit", "--follow", *words,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def lines(process: asyncio.subprocess.Process, count: int) -> list[str]:
    assert process.stdout is not None
    return [(await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip() for _ in range(count)]


@pytest.mark.slow
async def test_following_prints_each_event_once_even_if_its_transaction_ends_late(
    database: asyncpg.Connection, server: EmbeddedServer
) -> None:
    """Also one of a transaction that began before printed events, and that wrote it in a savepoint."""
    add = "INSERT INTO audit_events (action) VALUES ('{}')"
    late = await asyncpg.connect(server.dsn(user="postgres"))
    await database.execute(add.format("before"))
    async with followed("--json") as process:
        (first,) = await lines(process, 1)
        assert orjson.loads(first)["action"] == "before"

        ending = late.transaction()
        await ending.start()
        await late.execute("SELECT now()")
        await database.execute(add.format("quick"))
        async with late.transaction():
            await late.execute(add.format("late"))
        (quick,) = await lines(process, 1)
        await database.execute(add.format("quicker"))
        (quicker,) = await lines(process, 1)
        await ending.commit()
        (last,) = await lines(process, 1)
        for number in range(5):
            await database.execute(add.format(f"after {number}"))
        rest = await lines(process, 5)

        process.send_signal(signal.SIGINT)
        output, complaint = await process.communicate()
    await late.close()

    assert [orjson.loads(line)["action"] for line in (quick, quicker, last)] == ["quick", "quicker", "late"]
    assert [orjson.loads(line)["action"] for line in rest] == [f"after {number}" for number in range(5)]
    assert (output, complaint, process.returncode) == (b"", b"", 130)


@pytest.mark.slow
async def test_following_prints_no_old_event_during_a_long_transaction(
    database: asyncpg.Connection, server: EmbeddedServer
) -> None:
    add = "INSERT INTO audit_events (action) VALUES ('{}')"
    long = await asyncpg.connect(server.dsn(user="postgres"))
    try:
        async with long.transaction():
            await long.execute(add.format("long"))
            for number in range(3):
                await database.execute(add.format(f"before {number}"))
            async with followed("--json", "--limit", "1") as process:
                shown = await lines(process, 1)
                await database.execute(add.format("after"))
                shown += await lines(process, 1)
    finally:
        await long.close()

    assert [orjson.loads(line)["action"] for line in shown] == ["before 2", "after"]


@pytest.mark.slow
async def test_following_continues_after_an_outage(
    database: asyncpg.Connection, server: EmbeddedServer
) -> None:
    await database.execute("INSERT INTO audit_events (action) VALUES ('before')")
    async with followed() as process:
        await lines(process, 2)
        await database.execute("ALTER ROLE application NOLOGIN")
        try:
            await database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'application'"
            )
            await database.execute("INSERT INTO audit_events (action) VALUES ('meanwhile')")
            assert process.stderr is not None
            warning = await asyncio.wait_for(process.stderr.readline(), 30)
        finally:
            await database.execute("ALTER ROLE application LOGIN")
        (line,) = await lines(process, 1)

    assert b"the database cannot be reached" in warning
    assert "meanwhile" in line


async def test_events_are_printed_one_a_line_with_the_latest_last(
    api: Api, database: asyncpg.Connection
) -> None:
    answer = await api.register(registration(await issue_key(database), nit="900123456"))
    await api.login(answer["user"]["email"], "Wr0ng!word")

    shown = printed("audit").splitlines()
    assert len(shown) == 1 + 3
    assert "session.refused" in shown[-1]
    assert f"\t{answer['user']['email']}\t127.0.0.1\t" in shown[-1]
    assert shown[-1].endswith('\t{"reason":"wrong password"}')
    assert len(printed("audit", "--limit", "2").splitlines()) == 1 + 2
    assert printed("audit", "--action", "session.refused").splitlines() == [shown[0], shown[-1]]
    assert (
        printed("audit", "--tenant", "900.123.456", "--actor", answer["user"]["email"]).splitlines() == shown
    )
    assert printed("audit", "--since", "2099-01-01").splitlines() == shown[:1]
    assert printed("audit", "--until", "2026-01-01").splitlines() == shown[:1]
    assert printed("audit", "--until", "2099-01-01").splitlines() == shown
    assert "not found" in failure("audit", "--tenant", "900999999")
    for never in ("soon", "0001-01-01T00:00+14:00"):
        assert never in wrong_usage("audit", "--since", never)


async def test_an_event_cannot_write_control_characters_to_a_terminal(database: asyncpg.Connection) -> None:
    await database.execute(
        "INSERT INTO audit_events (action, detail) VALUES ('x', $1)", '{"a": "line\\nand \\u001b[2J"}'
    )

    output = printed("audit")

    assert len(output.splitlines()) == 1 + 1
    assert "\x1b" not in output
