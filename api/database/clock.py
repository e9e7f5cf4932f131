"""PostgreSQL's clock, the only one: that of this machine may be wrong, and others have other ones.

The clock of Python is neither stored nor compared with a column.
"""

import time
from datetime import UTC, datetime, timedelta

from piccolo.querystring import QueryString

NOW = QueryString("now()")
"""When the open transaction began."""


def in_future(delay: timedelta) -> QueryString:
    """The time `delay` after `NOW`."""
    return QueryString("now() + {}::interval", delay)


_measured: tuple[datetime, float] | None = None


def set_clock(now: datetime) -> None:
    """Remember what PostgreSQL's clock says. Each new connection of the pool does it."""
    global _measured
    _measured = now, time.monotonic()


def database_time() -> datetime:
    """The time of PostgreSQL's clock, without asking it: exact to some milliseconds.

    Before the first connection of this process it is the time of this machine.
    """
    if _measured is None:
        return datetime.now(UTC)
    now, since = _measured
    return now + timedelta(seconds=time.monotonic() - since)
