"""The custom scalars: DateTime and JSON."""

from datetime import UTC, date, datetime
from typing import NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from api.domain import times


def _serialize(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse(value: object) -> date:
    """Raises `GraphQLError`, also for a time without an offset, because its time zone is unknown."""
    try:
        if isinstance(value, str):
            return times.read_rfc_3339(value)
    except ValueError:
        pass
    # The client is shown the message of this class only: that of another exception may be Python's own.
    raise GraphQLError(
        "Write a time with seconds and offset, such as 2027-01-31T12:00:00Z, or a day, such as 2027-01-31."
    )


TimeOrDay = NewType("TimeOrDay", date)
"""The scalar DateTime as an input: a `datetime` or a `date`."""


DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="An instant, RFC 3339, UTC. Output ends in `Z` and has up to six decimals of a second; "
    "input may have any offset, but must have one. Input may also be a day, such as `2027-01-31`: all of it, "
    "in the time zone of the server.",
    specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
    serialize=_serialize,
    parse_value=_parse,
)

Json = NewType("Json", object)

JSON = strawberry.scalar(
    name="JSON",
    description="Any JSON value.",
    specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
    serialize=lambda value: value,
)

SCALARS: dict[object, ScalarDefinition] = {datetime: DATE_TIME, TimeOrDay: DATE_TIME, Json: JSON}
"""The scalar of each annotation, for Strawberry's configuration."""
