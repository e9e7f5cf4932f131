"""Beta keys and files: issuing into a file, export, import, and sending to the addresses in a file."""

import asyncio
import csv
import io
import os
import pty
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from api.domain.beta_keys.file_import import MAX_PROBLEMS
from tests.cli.commands import failure, json_of, printed, type_in, wrong_usage
from tests.commands import Ended
from tests.support import GATEHOUSE, ROOT, Api, free_port, issue_key, one_row, registration

pytestmark = pytest.mark.anyio


async def count(database: asyncpg.Connection, where: str = "true") -> int:
    return (await one_row(database, f"SELECT count(*) FROM beta_keys WHERE {where}"))["count"]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# Issuing


async def test_keys_are_issued_into_a_file_that_only_its_owner_can_read(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "keys.csv"

    output = printed(
        "keys", "issue", "--count", "12000", "--batch", "launch", "--notes", "=1+1", "--csv", str(file)
    )

    assert output == f"12000 keys written to {file}\n"
    written = rows(file.read_text())
    stored = await database.fetch("SELECT key FROM beta_keys WHERE batch = 'launch'")
    assert {row["key"] for row in written} == {row["key"] for row in stored}
    assert len(written) == 12000
    assert {(row["batch"], row["notes"]) for row in written} == {("launch", "'=1+1")}
    assert file.stat().st_mode & 0o077 == 0
    assert files(tmp_path) == [file]


def seen_at_a_terminal(*words: str | Path) -> str:
    """What a successful command writes to standard error if that is a terminal."""
    terminal, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(
        [GATEHOUSE, *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=end
    ) as process:
        os.close(end)
        seen = b""
        # On Linux, reading fails when no process has the other end open.
        with suppress(OSError), open(terminal, "rb", buffering=0) as reader:
            while chunk := reader.read(65_536):
                seen += chunk
    assert process.returncode == 0
    return seen.decode()


async def test_a_terminal_shows_the_progress(database: asyncpg.Connection, tmp_path: Path) -> None:
    seen = seen_at_a_terminal("keys", "issue", "--count", "12000", "--csv", tmp_path / "keys.csv")

    assert "/12000" in seen


async def test_an_existing_file_is_not_overwritten(database: asyncpg.Connection, tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("precious")

    for words in (("issue", "--csv"), ("export", "--output")):
        assert "already exists" in failure("keys", *words, str(file))

    assert file.read_text() == "precious"
    assert await count(database) == 0
    assert "cannot be written" in failure("keys", "issue", "--csv", str(tmp_path / "none" / "keys.csv"))


def issue_where_files_stay_small(file: Path) -> subprocess.CompletedProcess[str]:
    """Make writing fail after 100 KB, as on a full disk."""
    script = f"ulimit -f 100; trap '' XFSZ; exec {GATEHOUSE} keys issue --count 20000 --csv {file}"
    return subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)


async def test_a_full_disk_issues_nothing(database: asyncpg.Connection, tmp_path: Path) -> None:
    done = issue_where_files_stay_small(tmp_path / "keys.csv")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert await count(database) == 0
    assert files(tmp_path) == []


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def start(*words: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([GATEHOUSE, *words], cwd=ROOT, stdout=subprocess.DEVNULL)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    deadline = time.monotonic() + 30
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_killed_run_leaves_no_keys_and_no_file(database: asyncpg.Connection, tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    process = start("keys", "issue", "--count", "3000000", "--csv", file)

    async def is_half_done() -> bool:
        return (await one_row(database, "SELECT pg_relation_size('beta_keys') > 1000000"))[0]

    async def is_rolled_back() -> bool:
        query = "SELECT count(*) FROM pg_locks WHERE relation = 'beta_keys'::regclass"
        return not (await one_row(database, query))["count"]

    await until(is_half_done)
    process.kill()
    process.wait()
    await until(is_rolled_back)

    assert files(tmp_path) == []
    assert await count(database) == 0


async def test_a_recipient_gets_one_key(database: asyncpg.Connection) -> None:
    (key,) = json_of("keys", "issue", "--recipient", "ana@example.com", "--batch", "launch")

    assert (key["recipientEmail"], key["batch"]) == ("ana@example.com", "launch")
    assert "recipientEmail: " in failure("keys", "issue", "--recipient", "ana@example.com", "--count", "2")
    assert "exclude" in wrong_usage("keys", "issue", "--csv", "x", "--json")


# Listing and counting


async def test_listings_and_counts_are_filtered_by_batch_and_search(
    api: Api, database: asyncpg.Connection
) -> None:
    for number in range(3):
        await issue_key(database, batch="a" if number else "b", notes=f"note {number}")

    assert [key["notes"] for key in json_of("keys", "list", "--batch", "a")] == ["note 2", "note 1"]
    assert [key["notes"] for key in json_of("keys", "list", "--search", "NOTE 0")] == ["note 0"]
    stats = json_of("keys", "stats", "--batch", "a")
    assert (stats["total"], stats["available"], stats["usagePercentage"]) == (2, 2, 0.0)
    assert "available" in printed("keys", "stats")


# Exporting


async def test_exported_text_is_safe_in_a_spreadsheet(
    api: Api, database: asyncpg.Connection, tmp_path: Path
) -> None:
    used = await issue_key(database, notes="=HYPERLINK(1)", batch="@x")
    await api.register(registration(used, businessName="+Tienda"))
    await issue_key(database, key="-1+1", notes="-2")
    # The old system accepted any text.
    for number, first in enumerate("\t\r\n＝＋－＠"):
        await issue_key(database, key=f"old-{number}", notes=f"{first}1+1")

    by_key = {row["key"]: row for row in rows(printed("keys", "export"))}

    old = {key: by_key.pop(f"old-{key}")["notes"] for key in range(7)}
    assert all(notes.startswith("'") and notes.endswith("1+1") for notes in old.values()), old
    assert by_key.keys() == {used, "'-1+1"}
    row = by_key[used]
    assert (row["notes"], row["batch"], row["status"]) == ("'=HYPERLINK(1)", "'@x", "USED")
    assert row["usedBy"] == "'+Tienda"
    assert datetime.now(UTC) - datetime.fromisoformat(row["usedAt"]) < timedelta(minutes=5)


async def test_exported_json_equals_that_of_listings(
    api: Api, database: asyncpg.Connection, tmp_path: Path
) -> None:
    """For any text in the notes."""
    used = await issue_key(database, notes='a "quoted" \\ line\nand another\ttab \x01\x02', batch="a")
    await api.register(registration(used))
    await issue_key(database, batch="b")
    file = tmp_path / "keys.json"

    printed("keys", "export", "--format", "json", "--output", str(file))

    exported = orjson.loads(file.read_text())
    listed = json_of("keys", "list")
    times = ("createdAt", "usedAt", "expiresAt", "sentAt", "revokedAt")

    def comparable(keys: list[Any]) -> list[Any]:
        return sorted(
            ({name: value for name, value in key.items() if name not in times} for key in keys),
            key=lambda key: key["id"],
        )

    assert comparable(exported) == comparable(listed)
    of_batch = orjson.loads(printed("keys", "export", "--format", "json", "--batch", "b"))
    assert [key["batch"] for key in of_batch] == ["b"]
    nothing = printed("keys", "export", "--format", "json", "--status", "revoked", "--search", "x")
    assert orjson.loads(nothing) == []


# Importing


def take_over(file: Path, text: str | bytes) -> Ended:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return type_in("keys", "import", str(file))


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
async def test_imported_keys_admit_a_business(
    api: Api, database: asyncpg.Connection, tmp_path: Path, delimiter: str, newline: str
) -> None:
    lines = [
        "\ufeffkey,batch,notes,expiresAt,recipientEmail",
        'old-1,x,"a",2099-01-31,',
        "beta abcde fghjk,x,,,ana@example.com",
        "",
        "ZZ TOP,,,2099-01-31T12:00-05:00",
    ]
    text = newline.join(lines).replace(",", delimiter)

    done = take_over(tmp_path / "keys.csv", text)

    assert (done.stdout, done.stderr, done.returncode) == ("3 keys imported\n", "", 0)
    for typed in ("old-1", "BETA-ABCDE-FGHJK", "zz top"):
        assert (await api.validate(typed))["valid"], typed
    ours = await one_row(database, "SELECT * FROM beta_keys WHERE key = 'BETA-ABCDE-FGHJK'")
    assert (ours["batch"], ours["notes"], ours["recipientEmail"]) == ("x", None, "ana@example.com")
    ends = await database.fetch(
        'SELECT "expiresAt"::text FROM beta_keys WHERE "expiresAt" IS NOT NULL ORDER BY 1'
    )
    assert [row[0][:16] for row in ends] == ["2099-01-31 17:00", "2099-02-01 04:59"]
    event = await one_row(database, "SELECT * FROM audit_events")
    assert (event["action"], orjson.loads(event["detail"])) == (
        "beta_key.imported",
        {"count": 3, "file": "keys.csv"},
    )


async def test_each_invalid_line_is_reported_with_its_number_and_no_key_is_imported(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    text = """key,notes,expiresAt,recipientEmail
good-1,,,
,no key,,
way-too-long-to-be-a-key,,,
bad-mail,,,ana
"two
lines","fine",,
past,,2001-01-01,
when,,soon,
nul\x00,,,
more,,,,cells
end of days,,9999-12-31T23:59:59-14:00,
"""
    done = take_over(tmp_path / "keys.csv", text)

    assert done.returncode == 1
    *problems, last = done.stderr.splitlines()
    assert [line.partition(": ")[0] for line in problems] == [
        "line 3, key",
        "line 4, key",
        "line 5, recipientEmail",
        "line 6, key",
        "line 8, expiresAt",
        "line 9, expiresAt",
        "line 10, key",
        "line 11, recipientEmail",
        "line 12, expiresAt",
    ]
    assert last.startswith("gatehouse: nothing was imported: 9 problems")
    assert await count(database) == 0


async def test_duplicate_keys_are_reported_with_their_lines(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    """Duplicates of keys in the database, or of earlier lines of the file."""
    await issue_key(database, key="BETA-ABCDE-FGHJK")
    text = "key\nnew-1\nbeta-abcde-fghjk\nnew-2\nnew-1\n"

    done = take_over(tmp_path / "keys.csv", text)

    assert [line.partition(": ")[0] for line in done.stderr.splitlines()[:-1]] == [
        "line 3, key",
        "line 5, key",
    ]
    assert await count(database) == 1


async def test_all_errors_are_reported_at_once(database: asyncpg.Connection, tmp_path: Path) -> None:
    await issue_key(database, key="BETA-ABCDE-FGHJK")
    text = "key,recipientEmail\nBETA-ABCDE-FGHJK,\nnew-1,ana\nnew-2,\nnew-2,\n"

    done = take_over(tmp_path / "keys.csv", text)

    assert done.stderr.splitlines()[:-1] == [
        "line 2, key: This key already exists.",
        "line 3, recipientEmail: This is not a valid email address.",
        "line 5, key: This key is also in line 4.",
    ]
    assert "3 problems" in done.stderr


async def test_a_file_of_issued_keys_can_be_imported(database: asyncpg.Connection, tmp_path: Path) -> None:
    """Such as in another database. Notes that were escaped for spreadsheets are restored."""
    file = tmp_path / "keys.csv"
    printed("keys", "issue", "--count", "3", "--notes", "=1+1", "--expires", "30d", "--csv", str(file))
    issued = 'SELECT key, notes, batch, "expiresAt" FROM beta_keys ORDER BY key'
    before = await database.fetch(issued)
    await database.execute("DELETE FROM beta_keys")

    assert printed("keys", "import", str(file)) == "3 keys imported\n"

    assert await database.fetch(issued) == before
    assert before[0]["notes"] == "=1+1"


async def test_of_very_many_errors_the_first_are_reported(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    done = take_over(tmp_path / "keys.csv", "key,notes\n" + ",x\n" * (MAX_PROBLEMS + 50))

    assert len(done.stderr.splitlines()) == MAX_PROBLEMS + 1
    assert f"{MAX_PROBLEMS + 50} problems" in done.stderr


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "line 1, key"),
        (b"schluessel\nx\n", "line 1, schluessel"),
        (b"key,key\nx,y\n", "line 1, key"),
        (b"key\n\xff\xfe\n", "not in UTF-8"),
        (b"key,notes\na,b\nc," + b"x" * 1_000_000, "line 3, notes"),
        (b'key,notes\na,b\nc,"' + b"\n" * 1_000_000, "line 3, notes"),
        (b"x" * 1_000_000, "line 1, xxx"),
    ],
    ids=["empty", "unknown column", "twice", "not UTF-8", "endless line", "endless cell", "no lines"],
)
async def test_a_file_of_another_format_is_refused(
    database: asyncpg.Connection, tmp_path: Path, content: bytes, error: str
) -> None:
    done = take_over(tmp_path / "keys.csv", content)

    assert done.returncode == 1
    assert error in done.stderr


async def test_a_missing_file_is_reported_in_one_line(database: asyncpg.Connection) -> None:
    assert "cannot be read" in failure("keys", "import", "none.csv")


async def test_an_unavailable_database_is_not_reported_as_an_error_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("key\nnew-1\n")

    output = failure("keys", "import", str(file), DATABASE_URL=f"postgresql://x@127.0.0.1:{free_port()}/x")

    assert "database" in output
    assert "keys.csv" not in output


# Sending


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


async def test_addresses_are_found_in_a_spreadsheet_with_semicolons(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    await issue_key(database, batch="launch")
    addresses = tmp_path / "addresses.csv"
    addresses.write_text("name;email\nAna;ana@example.com\n")

    output = printed("keys", "send", "--batch", "launch", "--to", str(addresses))

    assert output == "ana@example.com: sent\n"


async def test_a_file_of_addresses_that_is_not_csv_is_reported_in_one_line(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    addresses = tmp_path / "addresses.csv"
    addresses.write_text('email\n"' + "x" * 200_000)

    assert "addresses.csv is not CSV" in failure("keys", "send", "--batch", "launch", "--to", str(addresses))


async def test_addresses_without_a_key_are_reported_and_the_others_get_theirs(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    await issue_key(database, batch="launch")
    addresses = tmp_path / "addresses.txt"
    addresses.write_text("ana\nana@example.com\neva@example.com\n")

    done = type_in("keys", "send", "--batch", "launch", "--to", str(addresses))

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "ana: is not a valid email address",
        "ana@example.com: sent",
        "eva@example.com: batch launch has no keys left",
    ]
    assert done.stderr.startswith("gatehouse: 2 of 3 addresses got no key")
    assert await recipients(database) == ["ana@example.com"]


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
