"""Reads PostgreSQL's times that Python cannot represent: infinity, and years before 1 or after 9999.

asyncpg raises an error for them, so one such row would make every listing that contains it fail.
"""

from datetime import UTC, datetime, timedelta

import asyncpg

LATEST = datetime.max.replace(tzinfo=UTC)
EARLIEST = datetime.min.replace(tzinfo=UTC)

# PostgreSQL counts microseconds since this time.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INFINITY = 2**63 - 1


async def read_every_timestamp(connection: asyncpg.Connection) -> None:
    """Make `connection` read a time that is out of range as `LATEST` or `EARLIEST`.

    As parameters, these two mean `infinity` and `-infinity`: the next page of a listing begins after a row
    with such a time, and not at it.
    """
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_encode, decoder=_decode, format="tuple"
    )


def _decode(value: tuple[int]) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=value[0])
    except OverflowError:
        return LATEST if value[0] > 0 else EARLIEST


def _encode(time: datetime) -> tuple[int]:
    if time == LATEST:
        return (_INFINITY,)
    if time == EARLIEST:
        return (-_INFINITY - 1,)
    return ((time - _EPOCH) // _MICROSECOND,)
