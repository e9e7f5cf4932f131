"""Times as people and clients give them: an instant, or a whole day in the zone of `TIME_ZONE`.

A day begins and ends where the clocks of the zone say so, also on days on which they change.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from api import typed_text
from api.domain.errors import Problem
from api.settings import get_settings

_DAY = r"(?P<day>\d{4}-\d\d-\d\d)"
_SECOND = r":(?P<second>\d\d)(?:\.(?P<fraction>\d+))?"

_RFC_3339 = re.compile(
    rf"{_DAY}(?:[T ](?P<time>\d\d:\d\d){_SECOND}(?:Z|(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>\d\d)))?",
    re.ASCII | re.IGNORECASE,
)
# The offset also as PostgreSQL writes it (-05) and as the tables of the commands do (UTC-5).
_TYPED = re.compile(
    rf"{_DAY}(?:[T ](?P<time>\d\d?:\d\d)(?:{_SECOND})?"
    r"\s?(?P<zone>Z|(?:UTC)?(?P<sign>[+-])(?P<hours>\d\d?)(?::?(?P<minutes>\d\d))?|UTC)?)?",
    re.ASCII | re.IGNORECASE,
)

_MICROSECOND = timedelta(microseconds=1)


def read_rfc_3339(text: str) -> date:
    """A time of RFC 3339, as a `datetime` in UTC, or its `full-date`, as a `date`. Raises `ValueError`.

    `T` and `Z` may be in lower case, and a space may stand for the `T`.
    """
    return _read(_RFC_3339.fullmatch(text), UTC)


def read_typed(text: str) -> date:
    """A time that a person typed, as a `datetime` in UTC, or a day, as a `date`. Raises `Problem`.

    The time may lack seconds and offset; without an offset it is in the zone of `TIME_ZONE`.
    """
    match = _TYPED.fullmatch(typed_text.fold(text))
    try:
        return _read(match, UTC if match and match["zone"] else get_settings().zone)
    except ValueError:
        raise Problem("INVALID_TIME") from None


def _read(match: re.Match[str] | None, zone: tzinfo) -> date:
    """The time of a match. Raises `ValueError`, also if it is out of the range of `datetime`."""
    if match is None:
        raise ValueError
    day = date.fromisoformat(match["day"])
    try:
        if match["time"] is None:
            # Either is taken later, where a failure would no longer be the client's.
            start(day)
            next_start(day)
            return day
        if match["sign"] is not None:
            zone = _offset(match["sign"], int(match["hours"]), int(match["minutes"] or 0))
        hour, minute = map(int, match["time"].split(":"))
        time = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)
        second = int(match["second"] or 0)
        # A leap second ends the last minute of a day in UTC. PostgreSQL counts it as the next second, too.
        if second > (60 if (time.hour, time.minute) == (23, 59) else 59):
            raise ValueError
        microseconds = int((match["fraction"] or "")[:6].ljust(6, "0"))
        return time + timedelta(seconds=second, microseconds=microseconds)
    except OverflowError:
        raise ValueError from None


def _offset(sign: str, hours: int, minutes: int) -> timezone:
    if hours > 23 or minutes > 59:
        raise ValueError
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if sign == "-" else offset)


def start(time: date) -> datetime:
    """The first instant of a day; an instant as it is."""
    if isinstance(time, datetime):
        return time
    # Where the clocks skip midnight, this is the instant at which they do.
    return datetime(time.year, time.month, time.day, tzinfo=get_settings().zone).astimezone(UTC)


def next_start(time: date) -> datetime:
    """The first instant after a day; an instant as it is."""
    return time if isinstance(time, datetime) else start(time + timedelta(days=1))


def end(time: date) -> datetime:
    """The last microsecond of a day; an instant as it is.

    PostgreSQL stores microseconds, so nothing of the day is lost; and every program shows 23:59 of that day.
    """
    return time if isinstance(time, datetime) else next_start(time) - _MICROSECOND
