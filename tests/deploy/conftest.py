"""The engine of this process, pointed at the database of one test."""

from collections.abc import Callable

import pytest

from api.database.engine import get_engine
from api.database.roles import Role
from api.database_address import read_database_address


@pytest.fixture
def use_database(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`use_database(dsn)` makes `get_engine()` connect there until the test ends, without a pool."""

    def use(dsn: str) -> None:
        role = Role("DATABASE_URL", read_database_address(dsn).arguments)
        monkeypatch.setattr(get_engine(), "role", role)
        monkeypatch.setattr(get_engine(), "pool", None)

    return use
