"""The sockets of a server: it listens on each address of HOST or METRICS_HOST."""

import errno
import socket

from api.command_error import CommandError

_MISSING = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""The machine has no such address, as a container without IPv6 has none for the second one of localhost."""


def open_listeners(hosts: str, port: int, host_setting: str, port_setting: str) -> list[socket.socket]:
    """Listen on `hosts`, separated by commas; `::` includes IPv4 unless an IPv4 address is listed too.

    Raises `CommandError`, which names the settings, if one of them cannot be used.
    """
    found = {host: _resolve(host, port, host_setting) for host in hosts.split(",")}
    has_ipv4 = any(family == socket.AF_INET for addresses in found.values() for family, _ in addresses)
    listeners: dict[str, socket.socket] = {}
    for host, addresses in found.items():
        failure: OSError | None = None
        for family, address in addresses:
            if address in listeners:
                continue
            try:
                listeners[address] = _listen(family, address, port, dual=address == "::" and not has_ipv4)
            except OSError as error:
                failure = error
                if error.errno not in _MISSING:
                    break
        is_open = any(address in listeners for _, address in addresses)
        if failure is not None and not (is_open and failure.errno in _MISSING):
            for listener in listeners.values():
                listener.close()
            raise CommandError(_explain(failure, host, port, host_setting, port_setting)) from None
    return list(listeners.values())


def _resolve(host: str, port: int, setting: str) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise CommandError(f"cannot find an address of {host}; set {setting}") from None
    return [(family, str(address[0])) for family, _, _, _, address in found]


def _listen(family: socket.AddressFamily, address: str, port: int, *, dual: bool) -> socket.socket:
    is_dual = dual and socket.has_dualstack_ipv6()
    listener = socket.create_server((address, port), family=family, backlog=2048, dualstack_ipv6=is_dual)
    listener.set_inheritable(True)
    return listener


def _explain(error: OSError, host: str, port: int, host_setting: str, port_setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        advice = f"set {port_setting}, or stop the program that listens there"
    else:
        advice = f"set {host_setting} and {port_setting}"
    return f"cannot listen on {host}:{port} ({error.strerror}); {advice}"
