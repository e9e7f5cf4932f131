"""Times as people read them, in the zone of `TIME_ZONE`: in tables, files and sentences."""

from datetime import datetime, timedelta

from api.settings import get_settings


def short(time: datetime, seconds: bool = False) -> str:
    """Such as `2026-11-30 23:59 UTC-5`."""
    local = _local(time)
    clock = local.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
    return f"{clock} {_offset(local)}"


def iso(time: datetime) -> str:
    """Such as `2026-11-30T23:59:59.999999-05:00`, for files that people and programs read."""
    return _local(time).isoformat()


def in_words(time: datetime, language: str) -> str:
    """Such as `30 de noviembre de 2026, 23:59 (hora de Colombia)`, in one of `api.messages.LANGUAGES`."""
    # Imported here, because most commands and processes write no time in words.
    from babel.dates import format_date

    local = _local(time)
    return f"{format_date(local, 'long', language)}, {local:%H:%M} ({_zone_name(local, language)})"


def _local(time: datetime) -> datetime:
    try:
        return time.astimezone(get_settings().zone)
    except OverflowError:
        # The ends of Python's range stand for all times beyond them: see api.database.timestamps.
        return time


def _offset(time: datetime) -> str:
    offset = time.utcoffset() or timedelta()
    if not offset:
        return "UTC"
    minutes = abs(offset) // timedelta(minutes=1)
    hours, minutes = divmod(minutes, 60)
    return f"UTC{'+' if offset > timedelta() else '-'}{hours}{f':{minutes:02}' if minutes else ''}"


def _zone_name(time: datetime, language: str) -> str:
    """The zone by its country, or by its city in a country with several zones.

    Names such as "Central Time" belong to several countries, whose clocks change on other days.
    """
    from babel import Locale
    from babel.core import get_global
    from babel.dates import get_timezone_location, get_timezone_name

    locale, name = Locale.parse(language), get_settings().time_zone
    territory = get_global("zone_territories").get(get_global("zone_aliases").get(name, name))
    if territory in (None, "001", "ZZ"):
        # A zone of no country, such as UTC.
        return get_timezone_name(time, locale=locale)
    is_only = len(get_global("territory_zones")[territory]) == 1
    place = (
        locale.territories[territory] if is_only else get_timezone_location(time, locale, return_city=True)
    )
    return locale.zone_formats["region"] % place
