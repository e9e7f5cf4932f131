"""The networks and devices from which a user has signed in.

Clients carry no cookie, so a device is recognised by what its requests show: its network, and the kind of its
program. A client can forge the second and not the first.
"""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple
from uuid import UUID

from api.domain.actors import Client
from tables import KnownDevice

UNKNOWN_NETWORK = "unknown"


def network_of(client: Client) -> str:
    """The /24 of a client's IPv4 address, or the /48 of its IPv6 address: about a household or an office."""
    return _network(client.ip_address)


@lru_cache(maxsize=10_000)
def _network(address: str | None) -> str:
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return UNKNOWN_NETWORK
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    bits = 48 if isinstance(parsed, IPv6Address) else 24
    return str(ip_network((parsed, bits), strict=False))


# The first that occurs in a User-Agent header decides: most browsers also name those after them.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)


def agent_of(client: Client) -> str:
    """The kind of a client's program, without versions: `Firefox on Windows`, `okhttp`, or an empty text."""
    header = client.user_agent or ""
    browser = _first_of(_BROWSERS, header)
    if browser is None:
        return header.partition("/")[0].strip()[:60]
    system = _first_of(_SYSTEMS, header)
    return f"{browser} on {system}" if system else browser


class Device(NamedTuple):
    """What a mail says of a client; None for what is unknown. Nothing of it is free text of the client."""

    program: str | None
    system: str | None
    address: str | None


def device_of(client: Client) -> Device:
    """The device of a client, for the mail to its user."""
    header = client.user_agent or ""
    browser = _first_of(_BROWSERS, header)
    token = _TOKEN.match(header)
    return Device(
        program=browser or (token[0] if token else None),
        system=_first_of(_SYSTEMS, header),
        address=client.ip_address if network_of(client) != UNKNOWN_NETWORK else None,
    )


# The client writes the header. One word without a dot is neither a web address nor a sentence.
_TOKEN = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,29}(?=/|\Z)", re.ASCII)


def _first_of(names: tuple[tuple[str, str], ...], header: str) -> str | None:
    return next((name for sign, name in names if sign in header), None)


async def forget_devices(user_id: UUID, *, except_of: Client | None) -> None:
    """Forget the devices of a user, but for one, in the open transaction.

    The rows stay, because an account without any gets no mail of a new device.
    """
    network, agent = (network_of(except_of), agent_of(except_of)) if except_of else ("", "")
    await KnownDevice.raw(_FORGET_DEVICES, user_id, network, agent)


_FORGET_DEVICES = """
UPDATE known_devices SET "forgottenAt" = now()
 WHERE "userId" = {} AND "forgottenAt" IS NULL AND (network, agent) <> ({}, {})
"""
