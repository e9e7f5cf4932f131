"""Sending the keys of a batch to the addresses in a file."""

import os
import pty
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from tests.cli.commands import failure, printed, start, type_in, until
from tests.commands import Command, Ended
from tests.support import Person, issue_key, one_row

pytestmark = pytest.mark.anyio


async def count(database: asyncpg.Connection, where: str) -> int:
    return (await one_row(database, f"SELECT count(*) FROM beta_keys WHERE {where}"))["count"]


async def recipients(database: asyncpg.Connection) -> list[str]:
    return [row[0] for row in await database.fetch("SELECT recipient FROM mails ORDER BY 1")]


async def test_each_address_gets_one_key_in_repeated_runs(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    """A key that was issued for an address is sent to it, and no other key is used for that address."""
    for _ in range(3):
        await issue_key(database, batch="launch")
    theirs = await issue_key(database, batch="launch", recipientEmail="eva@example.com")
    addresses = tmp_path / "addresses.csv"
    addresses.write_text("name,Email\nAna,ana@example.com\nEva,eva@example.com\nAna again,ANA@example.com\n")

    first = printed("keys", "send", "--batch", "launch", "--to", str(addresses), "--language", "es")
    again = printed("keys", "send", "--batch", "launch", "--to", str(addresses))

    assert first.splitlines() == [
        "ana@example.com: sent",
        "eva@example.com: sent",
        "ANA@example.com: already has a key",
    ]
    assert "sent\n" not in again.replace("already has a key\n", "")
    assert await recipients(database) == ["ana@example.com", "eva@example.com"]
    assert await count(database, '"sentAt" IS NOT NULL') == 2
    assert await count(database, f"key = '{theirs}' AND \"sentAt\" IS NOT NULL") == 1
    languages = await database.fetch("SELECT DISTINCT language FROM mails")
    assert [row[0] for row in languages] == ["es"]


NOTHING_SENT = "gatehouse: nothing was sent: "


def send(file: Path, content: str | bytes, *options: str, typed: str = "") -> Ended:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return type_in("keys", "send", "--batch", "launch", "--to", str(file), *options, typed=typed)


async def test_a_doubtful_line_sends_nothing(database: asyncpg.Connection, tmp_path: Path) -> None:
    await issue_key(database, batch="launch")
    await issue_key(database, batch="launch")

    done = send(tmp_path / "guests.csv", "Nombre,Correo\nAna,ana@example.com\nEva,eva\nLuz,\n")

    assert (done.returncode, done.stdout) == (1, "")
    *problems, last = done.stderr.splitlines()
    assert problems == [
        "line 3, Correo: This is not a valid email address.",
        "line 4, Correo: This field is required.",
    ]
    assert last.startswith(f"{NOTHING_SENT}2 problems in ")
    assert await recipients(database) == []


async def test_a_file_without_csv_or_addresses_sends_nothing(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "guests.csv"
    for content, reason in (
        ('email\n"' + "x" * 200_000, "guests.csv is not CSV in line 2; is a quotation mark missing?"),
        ("", "guests.csv has no addresses"),
        ("Nombre,Correo\n", "guests.csv has no addresses"),
        ("ana@example.com\neva@example.com\n", "gatehouse keys issue --count 2 --batch launch"),
    ):
        done = send(file, content)

        (line,) = done.stderr.splitlines()
        assert line.startswith(NOTHING_SENT)
        assert reason in line
    assert "cannot be read" in failure("keys", "send", "--batch", "launch", "--to", "none.csv")


async def test_a_list_on_standard_input_reaches_every_address(database: asyncpg.Connection) -> None:
    for _ in range(3):
        await issue_key(database, batch="launch")
    typed = '"Ríos, Ana" <ana@example.com>; Eva <eva@example.com>, luz@example.com'

    output = printed("keys", "send", "--batch", "launch", "--to", "-", typed=typed)

    assert output.splitlines() == [f"{name}@example.com: sent" for name in ("ana", "eva", "luz")]


async def test_a_key_beside_an_address_is_the_one_that_is_sent(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    """As in a file of `keys export`, or of `keys issue --csv` with addresses typed beside the keys."""
    first, second, third = [await issue_key(database, batch="launch") for _ in range(3)]
    other = await issue_key(database, batch="other")
    file = tmp_path / "keys.csv"
    pairs = f"key,recipientEmail\n{second},ana@example.com\n{first},\n{third},eva@example.com\n"

    done = send(file, pairs)
    again = send(file, pairs)
    exported = printed("keys", "export", "--batch", "launch")

    assert done.stdout == "ana@example.com: sent\neva@example.com: sent\n"
    assert done.stderr == "lines with a key and no address, which are left out: 1\n"
    assert again.stdout == "ana@example.com: already has a key\neva@example.com: already has a key\n"
    assert sorted(send(file, exported).stdout.splitlines()) == again.stdout.splitlines()
    sent = await database.fetch('SELECT key, "recipientEmail" FROM beta_keys WHERE "sentAt" IS NOT NULL')
    assert {tuple(row) for row in sent} == {(second, "ana@example.com"), (third, "eva@example.com")}

    refused = send(
        file,
        f"key,email\n{second},luz@example.com\n{other},leo@example.com\nBETA-ZZZZZ-ZZZZZ,lia@example.com\n"
        f"{first},ana@example.com\n",
    )

    assert refused.stderr.splitlines()[:-1] == [
        "line 2: This beta key was issued to another email address.",
        "line 3: This key belongs to another batch.",
        "line 4: This beta key does not exist.",
    ]


def send_at_a_terminal(*words: str, typed: str) -> tuple[int, str]:
    """The exit code and all that a terminal shows while an operator types."""
    terminal, end = pty.openpty()
    with open(end, "r+b", buffering=0) as stream, open(terminal, "r+b", buffering=0) as reader:
        reader.write(typed.encode())
        command = Command(["gatehouse", "keys", "send", *words], dict(os.environ), (stream, stream, stream))
        stream.close()
        seen = b""
        # On Linux, reading fails when no process has the other end open.
        with suppress(OSError):
            while chunk := reader.read(65_536):
                seen += chunk
        return command.wait(60), seen.decode().replace("\r\n", "\n")


async def test_a_terminal_shows_what_would_be_sent_and_asks(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    for _ in range(12):
        await issue_key(database, batch="launch")
    file = tmp_path / "guests.csv"
    file.write_text("Correo;Nombre\n" + "".join(f"a{number}@example.com;A\n" for number in range(12)))
    words = ("--batch", "launch", "--to", str(file), "--language", "es")

    code, seen = send_at_a_terminal(*words, typed="n\n")

    assert code == 1
    assert "12 addresses get a key of batch launch, by mail in es, from the column Correo:\n" in seen
    shown = [line.strip() for line in seen.splitlines() if line.startswith("  ")]
    assert shown == [
        *(f"a{number}@example.com" for number in range(5)),
        "…",
        *(f"a{number}@example.com" for number in range(7, 12)),
    ]
    assert await recipients(database) == []
    code, seen = send_at_a_terminal(*words, typed="y\n")
    assert (code, seen.count(": sent")) == (0, 12)
    file.write_text("new@example.com\n")
    await issue_key(database, batch="launch")
    assert send_at_a_terminal(*words, typed="") == (0, "new@example.com: sent\n")


async def test_a_key_for_an_address_with_an_account_is_mailed_only_after_a_warning(
    database: asyncpg.Connection, tmp_path: Path, owner: Person
) -> None:
    key = await issue_key(database, batch="launch")
    file = tmp_path / "guests.txt"
    business = f"{owner.email} has an account of El Ahorro, tax id 9001234568"

    warned = send(file, owner.email)
    invited = failure("keys", "invite", key, owner.email.upper())
    printed("tenants", "delete", "9001234568", "--yes")
    deleted = failure("keys", "invite", key, owner.email)

    assert warned.stderr.startswith(f"line 1: {business}, so this address cannot register with a key\n")
    assert NOTHING_SENT in warned.stderr
    assert "El Ahorro" in invited
    assert "add --yes" in invited
    assert "(to restore it: gatehouse tenants restore 9001234568)" in deleted
    assert await count(database, '"sentAt" IS NOT NULL') == 0
    code, seen = send_at_a_terminal("--batch", "launch", "--to", str(file), typed="n\n")
    assert (code, business in seen) == (1, True)
    assert send(file, owner.email, "--yes").stdout == f"{owner.email}: sent\n"


@pytest.mark.slow
async def test_a_killed_run_repeated_beside_another_leaves_no_address_out(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    for _ in range(60):
        await issue_key(database, batch="launch")
    addresses = tmp_path / "addresses.txt"
    addresses.write_text("".join(f"a{number}@example.com\n" for number in range(60)))
    command = ["keys", "send", "--batch", "launch", "--to", addresses]

    async def are_some_sent() -> bool:
        return await count(database, '"sentAt" IS NOT NULL') > 10

    killed = start(*command)
    await until(are_some_sent)
    killed.kill()
    killed.wait()
    both = [start(*command) for _ in range(2)]

    assert [process.wait(60) for process in both] == [0, 0]
    assert await recipients(database) == sorted(f"a{number}@example.com" for number in range(60))
    assert await count(database, '"sentAt" IS NOT NULL') == 60


@pytest.mark.slow
async def test_sending_waits_at_the_hourly_limit(database: asyncpg.Connection, tmp_path: Path) -> None:
    """And continues without another run."""
    await issue_key(database, batch="launch")
    await database.execute(
        """INSERT INTO audit_events (action, at)
        SELECT 'beta_key.sent', now() - interval '1 hour' + interval '4 s' FROM generate_series(1, 200)"""
    )
    addresses = tmp_path / "addresses.txt"
    addresses.write_text("ana@example.com\n")

    done = type_in("keys", "send", "--batch", "launch", "--to", str(addresses))

    assert (done.returncode, done.stdout) == (0, "ana@example.com: sent\n")
    assert "continuing at" in done.stderr
