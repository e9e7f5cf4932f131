"""`gatehouse keys …` and `gatehouse operators …`, run as an operator runs them."""

import re
from datetime import UTC, datetime

import asyncpg
import pytest

from api.key_shape import ALPHABET
from tests.cli.commands import failure, json_of, printed, type_in, wrong_usage
from tests.support import PASSWORD, Api, free_port, issue_key, registration

pytestmark = pytest.mark.anyio


KEY = re.compile(f"BETA-[{ALPHABET}]{{5}}-[{ALPHABET}]{{5}}")

FIELDS = {
    "id", "key", "status", "notes", "batch", "recipientEmail", "createdAt", "expiresAt", "sentAt",
    "usedAt", "usedBy", "revokedAt", "revokedReason",
}  # fmt: skip


# Issuing


async def test_keys_are_issued_and_printed_as_a_table(database: asyncpg.Connection) -> None:
    table = printed("keys", "issue", "--count", "3", "--notes", "feria", "--expires", "30d")

    stored = await database.fetch('SELECT key, notes, "expiresAt" - now() AS left FROM beta_keys')
    assert sorted(KEY.findall(table)) == sorted(row["key"] for row in stored)
    assert table.count("feria") == table.count("AVAILABLE") == len(stored) == 3
    assert {(row["notes"], row["left"].days) for row in stored} == {("feria", 29)}


async def test_json_has_the_field_names_of_the_api(database: asyncpg.Connection) -> None:
    issued = json_of("keys", "issue", "--count", "2", "--notes", "feria", "--expires", "2w")

    assert [set(key) for key in issued] == [FIELDS, FIELDS]
    assert {(key["status"], key["notes"], key["usedBy"]) for key in issued} == {("AVAILABLE", "feria", None)}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", key["expiresAt"]) for key in issued)


async def test_times_are_printed_in_the_zone_of_the_settings(database: asyncpg.Connection) -> None:
    """Not in that of the terminal."""
    key = await issue_key(database, expiresAt=datetime(2099, 12, 1, 4, 59, 59, 999999, tzinfo=UTC))
    await database.execute(
        "INSERT INTO audit_events (action, at) VALUES ('x', $1)", datetime(2026, 1, 31, 4, 30, tzinfo=UTC)
    )

    for zone, expires, at in [
        ("", "2099-11-30 23:59 UTC-5", "2026-01-30 23:30:00 UTC-5"),
        ("asia/kathmandu", "2099-12-01 10:44 UTC+5:45", "2026-01-31 10:15:00 UTC+5:45"),
        ("Africa/Abidjan", "2099-12-01 04:59 UTC", "2026-01-31 04:30:00 UTC"),
    ]:
        shown = type_in("keys", "show", key, TIME_ZONE=zone, TZ="Asia/Tokyo").stdout
        assert shown.splitlines()[1].split("\t")[4] == expires
        event = type_in("audit", TIME_ZONE=zone, TZ="Asia/Tokyo").stdout
        assert event.splitlines()[1].split("\t")[:2] == [at, "x"]
    assert json_of("keys", "show", key)["expiresAt"] == "2099-12-01T04:59:59.999999Z"


async def test_many_keys_are_all_distinct_and_unambiguous(database: asyncpg.Connection) -> None:
    """More than one statement inserts; none contains an ambiguous symbol."""
    keys = [key["key"] for key in json_of("keys", "issue", "--count", "2500")]

    assert len(set(keys)) == len(keys) == 2500
    assert all(KEY.fullmatch(key) for key in keys)
    assert not set("0O1ILU") & set(ALPHABET)
    assert await database.fetchval("SELECT count(*) FROM beta_keys") == 2500


async def test_notes_are_printed_as_they_were_written(database: asyncpg.Connection) -> None:
    """Square brackets and backslashes are markup for the library that prints the table."""
    notes = r"[bold]x[/bold] [/] \[a] \ [red"

    assert notes in printed("keys", "issue", "--notes", notes)


# Listing and showing


async def test_listings_are_newest_first_and_filtered_by_status_and_limit(
    api: Api, database: asyncpg.Connection
) -> None:
    await issue_key(
        database, key="OLD", createdAt=await database.fetchval("SELECT now() - interval '3 days'")
    )
    used = await issue_key(database, createdAt=await database.fetchval("SELECT now() - interval '2 days'"))
    await issue_key(database, key="NEW")
    name = (await api.register(registration(used)))["tenant"]["businessName"]

    assert [key["key"] for key in json_of("keys", "list")] == ["NEW", used, "OLD"]
    (listed,) = json_of("keys", "list", "--status", "used")
    assert (listed["key"], listed["usedBy"]["businessName"]) == (used, name)
    table = printed("keys", "list", "--limit", "2")
    assert table.index("NEW") < table.index(used)
    assert f"used by {name}" in table
    assert "OLD" not in table


async def test_a_key_is_found_in_any_spelling(database: asyncpg.Connection) -> None:
    key = await issue_key(database, notes="feria")

    shown = json_of("keys", "show", key.lower().replace("-", "  "))

    assert (shown["key"], shown["notes"], set(shown)) == (key, "feria", FIELDS)


@pytest.mark.parametrize(
    "words", ["show KEY", "revoke KEY", "update KEY --notes x", "invite KEY ana@example.com"]
)
async def test_an_unknown_key_is_reported_in_one_line(database: asyncpg.Connection, words: str) -> None:
    assert "BETA-TEST-12345" in failure("keys", *words.replace("KEY", "BETA-TEST-12345").split())


# Changing


async def test_given_options_are_changed_and_an_empty_text_clears(database: asyncpg.Connection) -> None:
    key = await issue_key(database, notes="feria")

    changed = json_of("keys", "update", key, "--expires", "30d")
    assert (changed["notes"], changed["expiresAt"] is None) == ("feria", False)
    changed = json_of("keys", "update", key, "--notes", "", "--expires", "")
    assert (changed["notes"], changed["expiresAt"]) == (None, None)
    assert "notes: " in failure("keys", "update", key, "--notes", "x" * 501)
    assert "--notes" in wrong_usage("keys", "update", key)


# Inviting


async def test_a_key_is_mailed_to_one_address(database: asyncpg.Connection) -> None:
    key = await issue_key(database)

    invited = json_of("keys", "invite", key, "ana@example.com", "--language", "es")

    assert (invited["recipientEmail"], invited["sentAt"] is None) == ("ana@example.com", False)
    (mail,) = await database.fetch("SELECT template, recipient, language FROM mails")
    assert tuple(mail) == ("beta_key_invitation", "ana@example.com", "es")
    assert re.search(r"wait \d+ s", failure("keys", "invite", key, "ana@example.com"))
    assert "another recipient" in failure("keys", "invite", key, "eva@example.com")
    assert "email: " in failure("keys", "invite", key, "ana")


# Revoking


async def test_a_revoked_key_admits_no_business(api: Api, database: asyncpg.Connection) -> None:
    key = await issue_key(database)

    table = printed("keys", "revoke", key, "--reason", "sent to the wrong one")

    assert "sent to the wrong one" in table
    assert (await api.validate(key))["reason"] == "REVOKED"
    (listed,) = json_of("keys", "list", "--status", "revoked")
    assert (listed["key"], listed["revokedReason"]) == (key, "sent to the wrong one")


async def test_a_used_or_revoked_key_cannot_be_revoked(api: Api, database: asyncpg.Connection) -> None:
    revoked = await issue_key(
        database, revokedReason="first", revokedAt=await database.fetchval("SELECT now()")
    )
    used = await issue_key(database)
    await api.register(registration(used))

    for key in (revoked, used):
        assert "cannot be revoked" in failure("keys", "revoke", key, "--reason", "second")

    assert await database.fetchval("SELECT count(*) FROM beta_keys WHERE \"revokedReason\" = 'second'") == 0


async def test_a_reason_that_is_too_long_is_reported_in_one_line(database: asyncpg.Connection) -> None:
    key = await issue_key(database)

    assert "reason may have at most 500" in failure("keys", "revoke", key, "--reason", "x" * 501)


# Operators


async def test_the_password_of_a_new_operator_is_printed_once_and_signs_in(
    api: Api, database: asyncpg.Connection
) -> None:
    output = printed("operators", "add", "Op@Example.com")

    (password,) = re.findall(r"^password: (\S+)$", output, re.MULTILINE)
    answer = await api.login("op@example.com", password)
    viewer = await api.viewer(answer["accessToken"])
    assert (viewer["role"], viewer["tenant"]) == ("SUPER_ADMIN", None)
    (listed,) = json_of("operators", "list")
    assert (listed["email"], listed["role"]) == (viewer["email"], "SUPER_ADMIN")
    for listing in (str(listed), printed("operators", "list")):
        assert viewer["email"] in listing
        assert "argon2" not in listing
        assert password not in listing


async def test_a_password_is_read_from_standard_input(api: Api, database: asyncpg.Connection) -> None:
    output = printed("operators", "add", "op@example.com", "--password-stdin", typed=f"{PASSWORD}\n")

    assert PASSWORD not in output
    assert (await api.login("op@example.com"))["__typename"] == "SignedIn"


async def test_an_invalid_operator_is_refused_in_one_line(api: Api, database: asyncpg.Connection) -> None:
    taken = registration(await issue_key(database))["email"]
    await api.register(registration(await issue_key(database), email=taken))

    def add(email: str, password: str) -> str:
        return failure("operators", "add", email, "--password-stdin", typed=f"{password}\n")

    assert add("op@example.com", "weak").startswith("password: ")
    assert add("op", PASSWORD).startswith("email: ")
    assert "already registered" in add(taken.upper(), PASSWORD)
    assert await database.fetchval("SELECT count(*) FROM users WHERE role = 'SUPER_ADMIN'") == 0


# Errors


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["keys", "issue", "--count", "0"], "--count"),
        (["keys", "issue", "--expires", "soon"], "soon"),
        (["keys", "issue", "--expires", "2001-01-01"], "past"),
        (["keys", "show"], "keys show"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_wrong_usage_is_exit_code_2(words: list[str], named: str) -> None:
    assert named in wrong_usage(*words)


def test_an_unavailable_database_is_reported_in_one_line() -> None:
    """The line says what to check, and does not contain the password."""
    away = f"postgresql://gatehouse:hunter2@127.0.0.1:{free_port()}/gatehouse"

    line = failure("keys", "issue", DATABASE_URL=away)

    assert "cannot be reached" in line
    assert "DATABASE_URL" in line
    assert "hunter2" not in line


def test_a_wrong_setting_is_reported_in_one_line() -> None:
    line = failure("keys", "list", DATABASE_URL="mysql://gatehouse:hunter2@db.internal/gatehouse")

    assert line.startswith("DATABASE_URL: must be like postgresql://")
    assert "hunter2" not in line


def test_a_value_that_the_database_rejects_is_reported_in_one_line() -> None:
    assert "the database rejects a value" in failure("keys", "list", "--limit", "99999999999999999999")


async def test_a_database_without_tables_is_reported_in_one_line(empty_database: str) -> None:
    line = failure("keys", "issue", DATABASE_URL=empty_database)

    assert line is not None
    assert line.endswith("run: piccolo migrations forwards all && gatehouse db verify")
