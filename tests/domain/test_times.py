"""Times and days that people and clients give, at every door."""

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from api.domain import times
from api.domain.errors import Problem
from tests.cli.commands import json_of, printed, type_in, wrong_usage
from tests.domain.beta_keys.keys import issue_one
from tests.support import Api, Settings

pytestmark = pytest.mark.anyio

END_IN_BOGOTA = "2099-12-01T04:59:59.999999Z"
"""Of 2099-11-30."""

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

RFC_3339 = {
    "2026-11-30T12:00:00Z": NOON,
    "2026-11-30t12:00:00z": NOON,
    "2026-11-30 12:00:00z": NOON,
    "2026-11-30T07:00:00-05:00": NOON,
    "2026-12-01T11:59:00+23:59": NOON,
    "2026-11-29T12:01:00-23:59": NOON,
    "2026-11-30T12:00:00-00:00": NOON,
    "2026-11-30T12:00:00.5Z": NOON + timedelta(seconds=0.5),
    "2026-11-30T12:00:00.000001Z": NOON + MICROSECOND,
    "2026-11-30T12:00:00.0000019999Z": NOON + MICROSECOND,
    f"2026-11-30T12:00:00.{'0' * 5000}Z": NOON,
    # A leap second, in UTC and in Bogotá.
    "2016-12-31T23:59:60Z": datetime(2017, 1, 1, tzinfo=UTC),
    "2016-12-31T18:59:60-05:00": datetime(2017, 1, 1, tzinfo=UTC),
    "2026-11-30": date(2026, 11, 30),
    "2028-02-29": date(2028, 2, 29),
    "0001-01-01": date(1, 1, 1),
    "9999-12-30": date(9999, 12, 30),
    "9999-12-31T23:59:59Z": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
}

OF_NO_FORM = [
    *("2026-W49-1", "2026-W49", "2026W491", "2026-W49-1T12:00:00Z", "2026-334", "2026334"),
    *("20261130T120000Z", "2026-11-30T12Z", "2026-11-30T120000Z", "2026-11-30T12:00:00,5Z"),
    *("20261130", "2026-11", "2026-11-30T12:00:00.Z"),
    *("2026-11-30T24:00:00Z", "2026-11-30T12:60:00Z", "2026-11-30T12:00:60Z", "2026-11-30T23:59:61Z"),
    *("2026-02-29", "2026-02-30T12:00:00Z", "2026-13-01", "2026-00-10", "2026-11-31", "2026-1-1"),
    *("2026-11-30T12:00:00+24:00", "2026-11-30T12:00:00+05:60", "2026-11-30T12:00:00+05:00:00"),
    *("2026-11-30T12:00:00\u221205", "2026-11-30_12:00:00Z", "2026-11-30X12:00:00Z", "2026-11-30  12:00:00Z"),
    *("+2026-11-30", "-2026-11-30", "12026-11-30", "0000-01-01", "26-11-30", "30/11/2026", "11/30/2026"),
    *("2026-11-30T", "2026-11-30Z", "12:00:00Z", "1796040000", "now", "", "Nov 30, 2026", "P1D"),
    # Out of the range of PostgreSQL's and Python's times.
    *("9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:60Z"),
]  # fmt: skip

ONLY_TYPED = {
    "2026-11-30 07:00": NOON,
    "2026-11-30T7:00": NOON,
    "2026-11-30T07:00:00": NOON,
    "2026-11-30T07:00:00.000001": NOON + MICROSECOND,
    "2026-11-30 12:00Z": NOON,
    # As PostgreSQL and the tables of the commands write it.
    "2026-11-30 07:00:00-05": NOON,
    "2026-11-30 07:00 UTC-5": NOON,
    "2026-11-30 17:30 UTC+5:30": NOON,
    "2026-11-30T17:30:00+0530": NOON,
    "2026-11-30 12:00 UTC": NOON,
    # As it is copied from a chat or a spreadsheet.
    "\u200e\uff12\uff10\uff12\uff16\u201311\u201330 ": date(2026, 11, 30),
    "2026\u221211\u221230\u00a007:00": NOON,
}


def is_refused(read: Callable[[str], date], text: str) -> bool:
    try:
        read(text)
    except (ValueError, Problem):
        return True
    return False


def test_a_client_writes_times_as_rfc_3339_says() -> None:
    for text, time in RFC_3339.items():
        assert times.read_rfc_3339(text) == time, text[:40]
    for text in [*OF_NO_FORM, *ONLY_TYPED, " 2026-11-30", "2026-11-30\n", "\u0662026-11-30"]:
        assert is_refused(times.read_rfc_3339, text), text[:40]


def test_a_person_may_leave_out_seconds_and_offset() -> None:
    for text, time in (RFC_3339 | ONLY_TYPED).items():
        assert times.read_typed(text) == time, text[:40]
    for text in OF_NO_FORM:
        # Pasted, U+2212 is a minus sign.
        assert "\u2212" in text or is_refused(times.read_typed, text), text


DAYS = [
    ("America/Bogota", "2026-11-30", "2026-11-30T05:00", "2026-12-01T05:00"),
    ("UTC", "2026-11-30", "2026-11-30T00:00", "2026-12-01T00:00"),
    ("Asia/Kathmandu", "2026-11-30", "2026-11-29T18:15", "2026-11-30T18:15"),
    # The clocks go from 24:00 to 1:00, so the day begins at 1:00, and from 24:00 back to 23:00.
    ("America/Santiago", "2026-09-05", "2026-09-05T04:00", "2026-09-06T04:00"),
    ("America/Santiago", "2026-09-06", "2026-09-06T04:00", "2026-09-07T03:00"),
    ("America/Santiago", "2026-04-04", "2026-04-04T03:00", "2026-04-05T04:00"),
    # From 1:00 back to 0:00: midnight is twice, and the day begins with the first.
    ("America/Havana", "2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),
    # From 23:00 to 24:00: the day before ends at 23:00.
    ("America/Nuuk", "2026-03-28", "2026-03-28T02:00", "2026-03-29T01:00"),
    ("America/New_York", "2026-03-08", "2026-03-08T05:00", "2026-03-09T04:00"),
    # Samoa skipped this day.
    ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00", "2011-12-30T10:00"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "day", "start", "following"), DAYS)
def test_a_day_lasts_from_its_first_instant_to_its_last(
    settings: Settings, zone: str, day: str, start: str, following: str
) -> None:
    settings(TIME_ZONE=zone)
    typed = times.read_typed(day)

    assert times.start(typed).isoformat() == f"{start}:00+00:00"
    assert times.next_start(typed).isoformat() == f"{following}:00+00:00"
    assert times.end(typed) == times.next_start(typed) - MICROSECOND
    if start != following:
        assert f"{times.end(typed).astimezone(ZoneInfo(zone)).date()}" == day


UPDATE = """mutation($id: ID!, $input: UpdateBetaKeyInput!) {
  updateBetaKey(id: $id, input: $input) {
    ... on BetaKey { expiresAt } ... on InvalidInput { fields { code } } } }"""


async def test_a_key_that_expires_on_a_day_is_valid_until_that_day_ends(
    api_with_plans: Api, database: asyncpg.Connection, operator: str, tmp_path: Path
) -> None:
    """Whether the day comes as a variable, in the document, at a terminal or in a file."""
    api = api_with_plans
    issued = await issue_one(api, operator, expiresAt="2099-11-30")
    literal = """mutation { issueBetaKeys(input: {expiresAt: "2099-11-30"}) {
        ... on IssuedBetaKeys { keys { expiresAt } } } }"""
    answers = [await api.data(literal, operator) for _ in range(3)]
    ends = [issued["expiresAt"], *(answer["issueBetaKeys"]["keys"][0]["expiresAt"] for answer in answers)]
    changes: dict[str, Any] = {"id": issued["id"], "input": {"expiresAt": "2098-11-30"}}
    await api.data(UPDATE, operator, **changes)
    changes["input"]["expiresAt"] = "2099-11-30"
    ends.append((await api.data(UPDATE, operator, **changes))["updateBetaKey"]["expiresAt"])
    for zone in ("Asia/Tokyo", "UTC"):
        # That of the terminal does not matter.
        done = type_in("keys", "issue", "--expires", "2099-11-30", TZ=zone)
        assert "2099-1" in done.stdout
    file = tmp_path / "keys.csv"
    file.write_text("key,expiresAt\nOLD-1,2099-11-30\nOLD-2,2099-11-30T23:59:59.999999-05:00\n")
    printed("keys", "import", str(file))

    ends += [key["expiresAt"] for key in json_of("keys", "list")]

    assert len(ends) == 5 + 8
    assert set(ends) == {END_IN_BOGOTA}


async def test_the_last_second_of_the_day_is_part_of_it(
    api: Api, database: asyncpg.Connection, operator: str, settings: Settings
) -> None:
    """In a zone where the day ends soon."""
    now = datetime.now(UTC)
    # The zone where it is 22 something; the names have the sign reversed.
    zone = f"Etc/GMT{now.hour - 22:+d}" if now.hour >= 8 else f"Etc/GMT{now.hour + 2:+d}"
    settings(TIME_ZONE=zone)
    today = now.astimezone(ZoneInfo(zone)).date()

    key = await issue_one(api, operator, expiresAt=f"{today}")

    end = datetime.fromisoformat(key["expiresAt"])
    assert timedelta(hours=1) < end - now < timedelta(hours=2)
    assert (end.astimezone(ZoneInfo(zone)).date(), (end + MICROSECOND).minute) == (today, 0)
    assert (await api.validate(key["key"]))["valid"]
    yesterday = today - timedelta(days=1)
    refused = await api.data(UPDATE, operator, id=key["id"], input={"expiresAt": f"{yesterday}"})
    assert refused["updateBetaKey"] == {"fields": [{"code": "IN_THE_PAST"}]}


async def test_files_name_the_day_and_are_read_as_they_are_written(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    issued, exported = tmp_path / "issued.csv", tmp_path / "exported.csv"
    printed("keys", "issue", "--expires", "2099-11-30", "--csv", str(issued))
    printed("keys", "export", "--output", str(exported))
    rows = [next(csv.DictReader(file.read_text().splitlines())) for file in (issued, exported)]

    assert [row["expiresAt"] for row in rows] == [
        "2099-11-30T23:59:59.999999-05:00",
        "2099-11-30 23:59:59.999999-05",
    ]
    for row in rows:
        await database.execute("DELETE FROM beta_keys")
        issued.write_text(f"key,expiresAt\n{row['key']},{row['expiresAt']}\n")
        printed("keys", "import", str(issued))
        stored = await database.fetchval('SELECT "expiresAt" FROM beta_keys')
        assert stored == datetime.fromisoformat(END_IN_BOGOTA)


AUDIT = "query($filter: AuditEventFilter) { auditEvents(filter: $filter) { edges { node { action } } } }"


async def test_events_of_a_day_are_those_of_all_of_it(
    api: Api, database: asyncpg.Connection, operator: str, settings: Settings
) -> None:
    edges = [
        "2026-01-31T04:59:59.999999Z",
        "2026-01-31T05:00Z",
        "2026-02-01T04:59:59.999999Z",
        "2026-02-01T05:00Z",
    ]
    for number, at in enumerate(edges):
        await database.execute(
            "INSERT INTO audit_events (action, at) VALUES ($1, $2)", str(number), datetime.fromisoformat(at)
        )

    async def listed(**span: str) -> str:
        data = await api.data(AUDIT, operator, filter=span)
        by_client = [edge["node"]["action"] for edge in data["auditEvents"]["edges"]][::-1]
        words = [word for name, day in span.items() for word in (f"--{name}", day)]
        by_operator = [line.split("\t")[1] for line in printed("audit", *words).splitlines()[1:]]
        assert by_client == by_operator
        return "".join(by_client)

    assert await listed(since="2026-01-31", until="2026-01-31") == "12"
    assert await listed(until="2026-01-31") == "012"
    assert await listed(since="2026-02-01", until="2026-03-01") == "3"
    assert await listed(since="2026-01-31T05:00:00Z", until="2026-02-01T05:00:00z") == "12"
    assert await listed(since="2026-02-01", until="2026-01-31") == ""


def test_what_is_no_time_is_refused_with_an_example() -> None:
    for words in (("keys", "issue", "--expires", "2026-W49-1"), ("audit", "--until", "30/11/2099")):
        assert "2027-01-31" in wrong_usage(*words)


@pytest.mark.parametrize(
    "time", ["2099-W49-1T12:00:00Z", "2099-11-30T10:00", "2099-11-30T10:00:00", "9999-12-31"]
)
@pytest.mark.parametrize("document", ["$v", '"{time}"'])
async def test_a_client_reads_how_a_time_is_written(
    api: Api, operator: str, time: str, document: str
) -> None:
    variables = {"v": time} if document == "$v" else {}
    declared = "($v: DateTime)" if variables else ""
    place = document.format(time=time)

    answer = await api.post(
        f"query{declared} {{ auditEvents(filter: {{since: {place}}}) {{ edges {{ cursor }} }} }}",
        operator,
        **variables,
    )

    (error,) = answer["errors"]
    assert error["message"].endswith(
        "Write a time with seconds and offset, such as 2027-01-31T12:00:00Z, or a day, such as 2027-01-31."
    )
