"""What GraphQL and REST both read off a request."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

from api.domain.actors import Client
from api.messages import preferred_language
from api.settings import get_settings

MAX_BODY = 64 * 1024
"""Bytes that a request may carry."""

MAX_SECONDS = 30
"""Seconds that a request may take."""

MAX_USER_AGENT = 300
"""Characters kept of what a client calls itself."""


def bearer_token(scope: Scope) -> str | None:
    """The token of `Authorization: Bearer …` (RFC 6750), or None."""
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def client_of(scope: Scope) -> Client:
    user_agent = accept_language = None
    # By hand, because Starlette's mapping takes four times as long, and nearly every request comes here.
    for name, value in scope["headers"]:
        if name == b"user-agent" and user_agent is None:
            # PostgreSQL takes no NUL; a header read as Latin-1 may hold anything else.
            user_agent = value.decode("latin-1").replace("\x00", "")[:MAX_USER_AGENT]
        elif name == b"accept-language":
            # Several of them are one list, as RFC 9110 has it.
            languages = value.decode("latin-1")
            accept_language = languages if accept_language is None else f"{accept_language},{languages}"
    return Client(_address_of(scope), user_agent or None, preferred_language(accept_language))


def _address_of(scope: Scope) -> str | None:
    """The client's address: the peer's, unless the peer is a proxy of ours that names another one.

    Each proxy adds the address of its own peer at the end of X-Forwarded-For, and whatever comes before
    may have been made up. So the list is read from its end, for as long as proxies of ours are speaking.
    """
    peer = scope.get("client")
    address = peer[0] if peer else None
    if not get_settings().trusted_proxies or not _is_trusted(address):
        return address
    hops = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    while hops and _is_trusted(address):
        hop = _read_hop(hops.pop())
        if hop is None:
            break
        address = hop
    return address


def _read_hop(text: str) -> str | None:
    """The address of one entry, of which some proxies make `192.0.2.1:4711` or `[2001:db8::1]:4711`."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    parsed = _parse(text)
    return None if parsed is None else str(parsed)


@lru_cache(maxsize=1000)
def _is_trusted(address: str | None) -> bool:
    parsed = _parse(address or "")
    return parsed is not None and any(parsed in network for network in get_settings().trusted_proxies)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    # What a socket for both protocols says of an IPv4 peer, and what PostgreSQL would not take: a zone.
    if isinstance(parsed, IPv6Address):
        return parsed.ipv4_mapped or IPv6Address(int(parsed))
    return parsed
