"""The engine of this process, pointed at the database of one test."""

from collections.abc import Callable

import pytest

from api.database.engine import get_engine


@pytest.fixture
def use_database(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`use_database(dsn)` makes `get_engine()` connect there until the test ends, without a pool."""

    def use(dsn: str) -> None:
        monkeypatch.setitem(get_engine().config, "dsn", dsn)
        monkeypatch.setattr(get_engine(), "pool", None)

    return use
