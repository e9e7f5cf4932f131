"""PostgreSQL's clock in Piccolo's queries. Python's clock is neither stored nor compared with a column."""

from datetime import timedelta

from piccolo.querystring import QueryString

NOW = QueryString("now()")
"""When the open transaction began."""


def in_future(delay: timedelta) -> QueryString:
    """The time `delay` after `NOW`."""
    return QueryString("now() + {}::interval", delay)
