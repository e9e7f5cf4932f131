"""The addresses of HOST and METRICS_HOST where a server listens."""

import socket

import pytest

from api.command_error import CommandError
from api.server.listeners import open_listeners
from api.settings import SettingsError, get_settings
from tests.support import free_port

REACHED = {
    "127.0.0.1": {"127.0.0.1"},
    "0.0.0.0": {"127.0.0.1"},
    "::": {"127.0.0.1", "::1"},
    "[::]": {"127.0.0.1", "::1"},
    "::1": {"::1"},
    "127.0.0.1, ::1": {"127.0.0.1", "::1"},
    "0.0.0.0,::": {"127.0.0.1", "::1"},
    "::,127.0.0.1": {"127.0.0.1", "::1"},
    "127.0.0.1,localhost,127.0.0.1": {"127.0.0.1"},
}


@pytest.mark.parametrize("hosts", REACHED)
def test_a_server_listens_on_each_address(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_HOST", hosts)
    get_settings.cache_clear()
    port = free_port()

    listeners = open_listeners(get_settings().metrics_host, port, "METRICS_HOST", "METRICS_PORT")
    reached = {host for host in ("127.0.0.1", "::1") if _answers(host, port)}
    for listener in listeners:
        listener.close()

    assert reached >= REACHED[hosts]
    assert "localhost" in hosts or reached == REACHED[hosts]


def _answers(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as client:
        return client.connect_ex((host, port)) == 0


def test_localhost_is_each_of_its_addresses_that_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may have no IPv6, and resolve localhost to both."""
    found = [(family, 1, 6, "", (host, 0)) for family, host in ((2, "192.0.2.1"), (2, "127.0.0.1"))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    (listener,) = open_listeners("localhost", free_port(), "HOST", "PORT")

    assert listener.getsockname()[0] == "127.0.0.1"
    listener.close()


def test_what_cannot_be_used_is_one_line_that_names_the_settings() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=r"cannot listen on 127\.0\.0\.1:.*set PORT, or stop"):
            open_listeners("127.0.0.1", port, "HOST", "PORT")
    with pytest.raises(CommandError, match=r"cannot listen on 192\.0\.2\.1:.*set HOST and PORT"):
        open_listeners("127.0.0.1,192.0.2.1", free_port(), "HOST", "PORT")
    with pytest.raises(CommandError, match=r"cannot find an address of no\.invalid; set HOST"):
        open_listeners("no.invalid", free_port(), "HOST", "PORT")


@pytest.mark.parametrize("hosts", ["http://localhost", ",", "a b"])
def test_what_is_no_address_is_refused(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", hosts)
    get_settings.cache_clear()

    with pytest.raises(SettingsError, match=r"^HOST: must be addresses or names"):
        get_settings()
