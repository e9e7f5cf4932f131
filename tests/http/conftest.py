"""The fixtures of the tests of HTTP."""

from collections.abc import AsyncIterator

import pytest

from tests.http.served import Served


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    view = Served()
    async with view.client:
        yield view
