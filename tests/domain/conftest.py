"""A registered user."""

from typing import Any

import asyncpg
import pytest

from tests.support import Api, issue_key, registration


@pytest.fixture
async def ana(api: Api, database: asyncpg.Connection) -> dict[str, Any]:
    """A registered user with one session."""
    form = registration(await issue_key(database), email="ana@example.com")
    return {**form, "token": (await api.register(form))["accessToken"]}
