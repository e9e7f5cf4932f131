"""Beta keys and files: issuing into a file, export, import, and sending to the addresses in a file."""

import csv
import io
import os
import pty
import re
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from tests.cli.commands import failure, json_of, printed, start, until, wrong_usage
from tests.support import GATEHOUSE, ROOT, Api, issue_key, one_row, registration

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


@pytest.mark.slow
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


@pytest.mark.slow
async def test_a_full_disk_issues_nothing(database: asyncpg.Connection, tmp_path: Path) -> None:
    done = issue_where_files_stay_small(tmp_path / "keys.csv")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert await count(database) == 0
    assert files(tmp_path) == []


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


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
    inside = await issue_key(database, notes="Tienda;=cmd|'/C calc'!A0;", batch="a\t=1")
    # The old system accepted any text.
    for number, first in enumerate("\t\r\n＝＋－＠"):
        await issue_key(database, key=f"old-{number}", notes=f"{first}1+1")

    exported = printed("keys", "export")
    by_key = {row["key"]: row for row in rows(exported)}

    old = {key: by_key.pop(f"old-{key}")["notes"] for key in range(7)}
    row = by_key.pop(inside)
    assert row["notes"] == "Tienda;'=cmd|'/C calc'!A0;"
    assert row["batch"] == "a\t'=1"
    assert re.fullmatch(r'(?:(?:"(?:[^"]|"")*")?[,\n])+', exported.partition("\n")[2])
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
