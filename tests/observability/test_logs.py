"""The log: structured, one line an event, with secrets masked."""

import json
import logging
import os
import pty
import re
import subprocess
import sys
from typing import Any

import asyncpg
import httpx
import pytest

from api.observability.logs import formatter, get_logger, request_id
from tests.support import ROOT, Api, GatehouseProcess

pytestmark = pytest.mark.anyio


def record(event: str, **values: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "gatehouse", "levelname": "INFO", "msg": event, **values})


def as_json(event: str, **values: Any) -> Any:
    line = formatter(as_text=False).format(record(event, **values))
    assert len(line.splitlines()) == 1
    return json.loads(line)


def as_text(event: str, **values: Any) -> str:
    line = formatter(as_text=True).format(record(event, **values))
    assert len(line.splitlines()) == 1
    return line


def test_a_json_line_has_event_level_logger_time_request_and_values() -> None:
    token = request_id.set("night-7")
    try:
        record = as_json("refused", status=400, code="BAD_REQUEST")
    finally:
        request_id.reset(token)

    moment = record.pop("timestamp")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", moment)
    assert record == {
        "event": "refused",
        "level": "info",
        "logger": "gatehouse",
        "request_id": "night-7",
        "status": 400,
        "code": "BAD_REQUEST",
    }


def test_a_readable_line_has_the_same() -> None:
    line = as_text("refused", status=400, errors=["NO SEAT", "x"])

    assert re.fullmatch(r"\S+Z INFO gatehouse \[-\] refused status=400 errors=\"NO SEAT, x\"", line)


@pytest.mark.parametrize("forged", ["a\nforged line", "a\r\n\u2028b", "\x1b[2Jcleared", "a\x85b\x0bc"])
def test_logged_values_cannot_forge_lines_or_move_the_cursor(forged: str) -> None:
    assert as_json(forged, value=forged)["event"] == forged
    assert as_text(forged, value=forged).isprintable()


def test_records_of_other_libraries_have_the_same_format() -> None:
    """With the exception and its traceback, but without the rows that PostgreSQL repeats."""

    class Failure(asyncpg.CheckViolationError):
        detail = "Failing row contains (482913)."

    try:
        try:
            raise Failure("violates a check")
        except Failure as cause:
            raise RuntimeError("outer") from cause
    except RuntimeError:
        record = as_json("Exception in ASGI application", name="uvicorn.error", exc_info=sys.exc_info())

    assert record["logger"] == "uvicorn.error"
    assert "RuntimeError: outer" in record["exception"]
    assert "violates a check" in record["exception"]
    assert "test_logs.py" in record["exception"]
    assert "482913" not in str(record)


@pytest.mark.parametrize(
    ("secret", "kept"),
    [
        ("BETA-7KM2P-QX9RT", "BETA-***"),
        ("beta-7km2p-qx9rt", "beta-***"),
        ("Zm9v_" * 8 + "abc", "***"),
        ("postgresql://ana:s3cr+et@db/x", "postgresql://ana:***@db/x"),
    ],
)
def test_secrets_are_masked(secret: str, kept: str) -> None:
    """A second safeguard, in case code logs a secret."""
    assert as_json(f"got {secret}.", value=secret)["event"] == f"got {kept}."
    assert secret not in str(as_json("x", values={"deep": [secret]}, text=f"a {secret} b"))
    assert secret not in as_text(f"got {secret}", value=secret)


@pytest.mark.parametrize("harmless", ["9b2f6f0c-8f43-4d63-9f0e-6b7f7d2c9a11", "a" * 64, "x.py:43", "482913"])
def test_other_values_are_not_masked(harmless: str) -> None:
    assert as_json(harmless)["event"] == harmless


def test_gatehouses_own_events_are_records_of_the_standard_library(
    caplog: pytest.LogCaptureFixture,
) -> None:
    get_logger().warning("refused", status=400)

    (logged,) = caplog.records
    assert (logged.name, logged.getMessage(), vars(logged)["status"]) == ("gatehouse", "refused", 400)


def test_a_command_logs_to_standard_error() -> None:
    """A command does not configure the log, and its standard output may be JSON for a program."""
    command = "from api.observability.logs import get_logger; get_logger().warning('odd', status=1)"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert (done.stdout, done.stderr) == ("", "odd\n")


@pytest.mark.parametrize(("chosen", "is_json"), [("json", True), ("auto", True), ("text", False)])
async def test_a_server_logs_in_the_format_of_the_setting(
    gatehouse: GatehouseProcess, chosen: str, is_json: bool
) -> None:
    """If standard error is not a terminal, as in production, `auto` is JSON."""
    gatehouse.environment["LOG_FORMAT"] = chosen
    gatehouse.start()
    async with httpx.AsyncClient(base_url=gatehouse.url) as http:
        await http.post("/api/auth/login", json={"email": 1}, headers={"x-request-id": "night-7"})

    lines = [line for line in gatehouse.log.read_text().splitlines() if "night-7" in line]
    (line,) = lines
    if is_json:
        record = json.loads(line)
        assert (record["event"], record["request_id"], record["status"]) == ("refused", "night-7", 400)
        assert all(json.loads(each)["level"] for each in gatehouse.log.read_text().splitlines())
    else:
        assert "[night-7] refused status=400 code=INVALID_INPUT" in line


def test_the_log_in_a_terminal_is_text() -> None:
    parent, child = pty.openpty()
    command = "from api.observability import logs; logs.configure_logging(); logs.get_logger().info('x')"
    environment = {**os.environ, "LOG_FORMAT": "auto"}
    subprocess.run([sys.executable, "-c", command], cwd=ROOT, env=environment, stderr=child, check=True)
    os.close(child)

    assert " INFO gatehouse [-] x" in os.read(parent, 1000).decode()
    os.close(parent)


async def test_a_request_is_one_line_at_most(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Successful requests are not logged: a line would cost more than the response to a short request."""
    caplog.set_level(logging.INFO)
    await api.validate("BETA-TEST-12345")
    await api.http.get("/api/beta-keys/validate/BETA-TEST-12345")

    assert [each for each in caplog.records if each.name == "gatehouse"] == []
