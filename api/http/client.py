"""Reads the client of a request from its ASGI scope: address, user agent, language and token."""

import hmac
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

from api import typed_text
from api.domain.actors import Client
from api.http.language import preferred_language
from api.settings import get_settings

MAX_USER_AGENT = 300
"""Characters of the User-Agent header; the rest is cut off."""


MAX_PASTED = 1000
"""Characters of the longest header that is searched for pasted characters: NFKC takes quadratic time."""

_QUOTES = " \t\"'<>,;\u2018\u2019\u201c\u201d\u00ab\u00bb"

_BEARER = re.compile(r"(?:bearer\b[\s:]*)+(.*)", re.IGNORECASE)


def bearer_token(scope: Scope) -> str | None:
    """The token of an `Authorization: Bearer …` header (RFC 6750), or None.

    People paste it with its scheme, quotes or invisible characters, which no token contains.
    """
    header = Headers(scope=scope).get("authorization", "")
    if not header.isascii() and len(header) <= MAX_PASTED:
        header = typed_text.fold(_as_utf8(header))
    bearer = _BEARER.fullmatch(header)
    return bearer[1].strip(_QUOTES) if bearer else None


def _as_utf8(header: str) -> str:
    """The text of a header that Starlette has decoded as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeDecodeError:
        return header


def has_metrics_token(scope: Scope) -> bool:
    """Whether the request sends METRICS_TOKEN; False if that is unset."""
    token = get_settings().metrics_token
    return token is not None and hmac.compare_digest(
        (bearer_token(scope) or "").encode(), token.get_secret_value().encode()
    )


def client_of(scope: Scope) -> Client:
    user_agent = accept_language = None
    # Not Starlette's `Headers`, which takes four times as long: nearly every request runs this.
    for name, value in scope["headers"]:
        if name == b"user-agent" and user_agent is None:
            # PostgreSQL's text has no NUL. All other characters of Latin-1 are valid there.
            user_agent = value.decode("latin-1").replace("\x00", "")[:MAX_USER_AGENT]
        elif name == b"accept-language":
            # RFC 9110: several headers of this name are one list.
            languages = value.decode("latin-1")
            accept_language = languages if accept_language is None else f"{accept_language},{languages}"
    return Client(_address_of(scope), user_agent or None, preferred_language(accept_language))


def _address_of(scope: Scope) -> str | None:
    """The address of the peer or, if the peer is a trusted proxy, the one that X-Forwarded-For names.

    Each proxy appends the address of its peer to X-Forwarded-For. The entries before those of trusted proxies
    may be forged by the client, so the list is read from its end, until an address is not a trusted proxy.
    """
    peer = scope.get("client")
    address = peer[0] if peer else None
    if not get_settings().trusted_proxies or not is_trusted(address):
        return address
    hops = forwarded_for(scope)
    while hops and is_trusted(address):
        hop = parse_hop(hops.pop())
        if hop is None:
            break
        address = hop
    return address


def forwarded_for(scope: Scope) -> list[str]:
    """The entries of X-Forwarded-For. Several headers of this name are one list."""
    return ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")


def parse_hop(text: str) -> str | None:
    """The address of one entry of X-Forwarded-For; None if it has none.

    Some proxies add a port: `192.0.2.1:4711` or `[2001:db8::1]:4711`.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    parsed = parse_address(text)
    return None if parsed is None else str(parsed)


@lru_cache(maxsize=1000)
def is_trusted(address: str | None) -> bool:
    """Whether the address is in TRUSTED_PROXIES."""
    parsed = parse_address(address or "")
    return parsed is not None and any(parsed in network for network in get_settings().trusted_proxies or ())


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address in the form in which addresses are compared; None if it is not one."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    # A dual-stack socket reports an IPv4 peer as an IPv4-mapped address. PostgreSQL's inet has no zone, which
    # the round trip through an integer removes.
    if isinstance(parsed, IPv6Address):
        return parsed.ipv4_mapped or IPv6Address(int(parsed))
    return parsed
