"""A registered user, and a clock for limits."""

from typing import Any

import asyncpg
import pytest

from api import rate_limit_store
from tests.support import Api, issue_key, registration


@pytest.fixture
async def ana(api: Api, database: asyncpg.Connection) -> dict[str, Any]:
    """A registered user with one session."""
    form = registration(await issue_key(database), email="ana@example.com")
    return {**form, "token": (await api.register(form))["accessToken"]}


class Clock:
    """The clock of the counters; it stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limit_store, "time", clock)
    return clock
