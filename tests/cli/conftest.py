"""The owner of a tenant on which the commands act, and a terminal."""

import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from tests.domain.tenants.documents import register_business
from tests.support import Api, Person

LONG = "Panadería y Cafetería Doña Peña del Barrio La Candelaria 東京 " * 2

TIME = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
async def owner(api: Api, database: asyncpg.Connection) -> Person:
    return await register_business(api, database, businessName="El Ahorro", nit="900.123.456-8")


class TerminalOutput(io.StringIO):
    def isatty(self) -> bool:
        return True


Terminal = Callable[..., list[str]]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Calls a function, and returns the lines that it prints to a terminal of 80 columns."""

    def call(function: Callable[..., None], *arguments: Any) -> list[str]:
        output = TerminalOutput()
        monkeypatch.setenv("COLUMNS", "80")
        with redirect_stdout(output):
            function(*arguments)
        return [re.sub(r"\x1b\[\d*m", "", line) for line in output.getvalue().splitlines()]

    return call


def key_row(**changes: Any) -> dict[str, Any]:
    return {
        "key": "BETA-AAAAA-AAAAA", "status": "AVAILABLE", "batch": LONG, "recipientEmail": f"{'a' * 60}@b.co",
        "expiresAt": TIME, "notes": LONG, "usedAt": TIME, "usedBy": {"businessName": LONG}, **changes,
    }  # fmt: skip
