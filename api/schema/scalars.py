"""Scalars of the contract."""

from datetime import UTC, datetime
from typing import NewType

import strawberry


def _write(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read(written: object) -> datetime:
    """Raises `ValueError`, for a time without an offset too: it could be meant in any zone."""
    try:
        if isinstance(written, str) and (instant := datetime.fromisoformat(written)).tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("expected an instant with its offset, such as 2027-01-31T12:00:00Z")


DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="An instant, RFC 3339, UTC.",
    serialize=_write,
    parse_value=_read,
)

Json = NewType("Json", object)

JSON = strawberry.scalar(name="JSON", description="Any JSON value.", serialize=lambda value: value)
