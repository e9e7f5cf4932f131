"""Whom passkeys sign for: the host of `PUBLIC_URL`, on its pages and those of front ends there."""

import ipaddress
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from api.domain.errors import PasskeysUnavailable
from api.observability.logs import get_logger
from api.settings import get_settings

logger = get_logger()

NAME = "Gatehouse"
"""What a browser shows beside the host."""

_DEFAULT_PORTS = {"https": 443, "http": 80}


class RelyingParty(NamedTuple):
    """The relying party of WebAuthn: its id is a host name, in ASCII; on pages of its origins it is used."""

    id: str
    origins: list[str]


def relying_party() -> RelyingParty:
    """The relying party of this deployment. Raises `PasskeysUnavailable`, and logs the setting to change."""
    found = find_relying_party()
    if found is None:
        _log_setting()
        raise PasskeysUnavailable
    return found


@cache
def _log_setting() -> None:
    """Once in a process, since clients could fill the log."""
    logger.info(
        "passkeys are not available; set PUBLIC_URL to an address with https and a host name",
        see="docs/operating.md",
    )


def find_relying_party() -> RelyingParty | None:
    """None without `PUBLIC_URL`, and for an address for which browsers make no passkeys."""
    url = urlsplit(get_settings().public_url or "")
    try:
        host = (url.hostname or "").encode("idna").decode()
    except UnicodeError:
        return None
    # A browser regards localhost as secure, also without TLS.
    if not host or _is_ip_address(host) or (url.scheme != "https" and host != "localhost"):
        return None
    port = "" if url.port in (None, _DEFAULT_PORTS[url.scheme]) else f":{url.port}"
    front_ends = filter(lambda origin: _may_use(origin, host), get_settings().cors_origins)
    return RelyingParty(host, [f"{url.scheme}://{host}{port}", *front_ends])


def _may_use(origin: str, relying_party_id: str) -> bool:
    """Whether browsers use passkeys of a host on pages of the origin: only at the host and below it."""
    url = urlsplit(origin)
    host = url.hostname or ""
    is_secure = url.scheme == "https" or (url.scheme == "http" and host == "localhost")
    return is_secure and (host == relying_party_id or host.endswith(f".{relying_party_id}"))


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
