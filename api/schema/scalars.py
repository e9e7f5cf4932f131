"""Scalars of the contract."""

from datetime import UTC, datetime

import strawberry


def _write(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="An instant, RFC 3339, UTC.",
    serialize=_write,
    parse_value=datetime.fromisoformat,
)
