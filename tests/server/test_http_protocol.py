"""Limits of requests before the application sees them, on connections that no HTTP client would make."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import pytest
import uvicorn
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from api.server.http_protocol import HttpProtocol
from tests.support import GatehouseProcess

pytestmark = pytest.mark.anyio

HEAD_SECONDS, BODY_SECONDS, FIRST_SECONDS = 0.4, 0.6, 0.8

SLOW_SECONDS = 1.2
"""Longer than each limit, so that a response may be late for a request that was not."""


class HurriedProtocol(HttpProtocol):
    max_head_seconds = HEAD_SECONDS
    max_body_seconds = BODY_SECONDS
    max_first_request_seconds = FIRST_SECONDS


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Responds with body and names of headers; /early does not read the body, /slow takes long."""
    if scope["path"] == "/slow":
        await asyncio.sleep(SLOW_SECONDS)
    body = b"" if scope["path"] == "/early" else await Request(scope, receive).body()
    content = body + b" " + b",".join(name for name, _ in scope["headers"])
    headers = [(b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server with limits of less than a second."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                application,
                http=HurriedProtocol,
                timeout_keep_alive=1,
                log_config=None,
                lifespan="off",
                ws="none",
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def send(connection: socket.socket, pieces: Iterable[bytes], pause: float = 0) -> int:
    """How many bytes were sent until the end or until the server closed the connection."""
    sent = 0
    for piece in pieces:
        try:
            connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            break
        sent += len(piece)
        time.sleep(pause)
    return sent


def received(connection: socket.socket) -> bytes:
    """All that the server sends until it closes the connection."""
    answer = b""
    try:
        while part := connection.recv(65_536):
            answer += part
    except ConnectionResetError:
        pass
    return answer


def exchange(port: int, *pieces: bytes, pause: float = 0.01) -> bytes:
    with connected(port) as connection:
        send(connection, pieces, pause)
        return received(connection)


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


GET = b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"

LAST = b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def head_of(size: int, *, fields: int = 1) -> bytes:
    """A head of `size` bytes."""
    fixed = b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    rest = size - len(fixed) - 2 - fields * len(b"x: \r\n")
    values = [b"y" * (rest // fields)] * (fields - 1) + [b"y" * (rest - rest // fields * (fields - 1))]
    head = fixed + b"".join(b"x: %b\r\n" % value for value in values) + b"\r\n"
    assert len(head) == size
    return head


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


# Bytes of a head


@pytest.mark.parametrize("fields", [1, 300])
@pytest.mark.parametrize("piece", [1_000, 30_000, 200_000])
def test_a_head_of_64_kib_is_the_largest(port: int, piece: int, fields: int) -> None:
    assert statuses(exchange(port, *cut(head_of(65_536, fields=fields), piece), pause=0)) == [200]
    assert statuses(exchange(port, *cut(head_of(65_600, fields=fields), piece), pause=0)) == [431]


@pytest.mark.parametrize("piece", [1_000, 65_536])
def test_a_header_without_end_is_refused_before_it_has_arrived(port: int, piece: int) -> None:
    with connected(port) as connection:
        pieces = [b"GET /echo HTTP/1.1\r\nHost: a\r\nX: ", *[b"y" * piece] * (40_000_000 // piece)]
        sent = send(connection, pieces)
        answer = received(connection)

    # Sockets buffer megabytes before the sender notices.
    assert sent < 20_000_000
    assert statuses(answer) in ([431], [])


def test_an_address_and_trailers_are_limited_too(port: int) -> None:
    address = [b"GET /", *[b"y" * 1_000] * 70]
    trailers = [
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        *[b"y" * 1_000] * 70,
    ]

    assert statuses(exchange(port, *address, pause=0)) == [431]
    assert statuses(exchange(port, *trailers, pause=0)) == [431]


def test_pipelined_heads_are_counted_one_by_one(port: int) -> None:
    heads = head_of(50_000).replace(b"Connection: close", b"Connection: keep-a") * 3 + LAST

    assert statuses(exchange(port, *cut(heads, 40_000), pause=0)) == [200] * 4


def test_a_long_body_is_not_counted_as_a_head(port: int) -> None:
    """Also if it begins in the same piece, and if it has chunks."""
    body = b"z" * 300_000
    fixed = b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    whole = fixed + b"Content-Length: 300000\r\n\r\n" + body
    chunks = b"".join(b"%x;part=1\r\n%b\r\n" % (len(part), part) for part in cut(body, 70_000))
    chunked = fixed + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX: y\r\n\r\n"

    for request in (whole, chunked):
        for piece in (7_000, 90_000, 400_000):
            answer = exchange(port, *cut(request, piece), pause=0)
            assert statuses(answer) == [200]
            assert answer.count(b"z") == 300_000


def test_trailers_are_no_headers(port: int) -> None:
    """A proxy may remove a header, such as X-Forwarded-For, and pass a trailer of this name on."""
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = exchange(port, head + b"1\r\nz\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")

    assert answer.endswith(b"\r\n\r\nz host,connection,transfer-encoding")


async def test_a_flood_of_headers_does_not_delay_others(serving: GatehouseProcess) -> None:
    """Its connections are closed long before their 40 MB have arrived; `/healthz` answers all the time."""
    stop = threading.Event()
    counts: list[int] = []

    def flood() -> None:
        while not stop.is_set():
            with connected(serving.port) as connection:
                pieces = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", *[b"y" * 4_000] * 10_000]
                counts.append(send(connection, pieces))

    threads = [threading.Thread(target=flood) for _ in range(3)]
    for thread in threads:
        thread.start()
    latencies = [_time_of_healthz(serving.port) for _ in range(40)]
    stop.set()
    for thread in threads:
        thread.join()

    assert counts
    assert max(counts) < 20_000_000
    assert sorted(latencies)[20] < 0.2, latencies


def _time_of_healthz(port: int) -> float:
    started = time.monotonic()
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok"
    return time.monotonic() - started


# Time


def test_a_slow_head_times_out(port: int) -> None:
    """Each byte arrives in time; the head as a whole does not."""
    started = time.monotonic()

    answer = exchange(port, *cut(GET, 1)[:20], pause=0.05)

    assert statuses(answer) == [408]
    assert b"connection: close" in answer
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    "head",
    [
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["length", "chunks"],
)
def test_a_slow_body_times_out(port: int, head: bytes) -> None:
    pieces = cut(b"9" * 30, 1) if b"Length" in head else [b"1\r\nz\r\n"] * 30
    started = time.monotonic()

    answer = exchange(port, head, *pieces, pause=0.05)

    assert statuses(answer) == [408]
    assert time.monotonic() - started < 4


def test_a_connection_is_closed_after_an_early_response_to_a_slow_body(port: int) -> None:
    """Each byte of the body restarts uvicorn's own timer."""
    head = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"

    with connected(port) as connection:
        sent = send(connection, [head, *[b"z"] * 60], pause=0.05)
        answer = received(connection)

    assert statuses(answer) == [200]
    assert sent < len(head) + 60


def test_a_connection_is_closed_after_a_body_that_ends_after_the_response(port: int) -> None:
    """uvicorn starts its timer for idle connections at the response, and more of the body stops it."""
    head = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
    started = time.monotonic()

    assert statuses(exchange(port, head, b"z", b"z", pause=0.1)) == [200]
    assert time.monotonic() - started < 4


def test_a_connection_without_a_request_is_closed_without_a_response(port: int) -> None:
    started = time.monotonic()

    assert exchange(port) == b""
    assert FIRST_SECONDS - 0.1 < time.monotonic() - started < 4


@pytest.mark.parametrize("after", [b"", GET], ids=["at the start", "after a request"])
def test_line_breaks_do_not_hold_a_connection_open(port: int, after: bytes) -> None:
    started = time.monotonic()
    with connected(port) as connection:
        send(connection, [after, *[b"\r\n"] * 40], pause=0.2)
        answer = received(connection)

    assert statuses(answer) == ([200] if after else [])
    assert time.monotonic() - started < 11


def test_a_later_request_of_a_connection_times_out_too(port: int) -> None:
    with connected(port) as connection:
        send(connection, [GET])
        time.sleep(0.2)
        send(connection, cut(GET, 1)[:20], pause=0.05)
        assert statuses(received(connection)) == [200, 408]


def test_a_connection_may_be_used_for_longer_than_its_first_request_may_take(port: int) -> None:
    with connected(port) as connection:
        send(connection, [GET] * 12, pause=0.1)
        send(connection, [LAST])
        assert statuses(received(connection)) == [200] * 13


def test_a_request_does_not_time_out_while_it_waits_for_an_earlier_one(port: int) -> None:
    """uvicorn reads nothing meanwhile, so what has arrived of the next ones is not late."""
    slow = GET.replace(b"/echo", b"/slow")

    with connected(port) as connection:
        send(connection, [slow + GET + LAST[:20]])
        time.sleep(SLOW_SECONDS + 0.1)
        send(connection, [LAST[20:]])
        assert statuses(received(connection)) == [200, 200, 200]


@pytest.mark.slow
async def test_the_limits_of_a_real_server_are_seconds(serving: GatehouseProcess) -> None:
    """Heads have 10 s, bodies and first requests 30 s; meanwhile others are answered."""
    fields = b"Host: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
    head = b"POST /graphql HTTP/1.1\r\n" + fields + b"\r\n"
    dribbles = {
        "head": [*cut(head, 1), *[b"y"] * 60],
        "body": [head, *[b" "] * 60],
        "nothing": [b""] * 60,
    }
    ends: dict[str, tuple[float, list[int]]] = {}

    def dribble(name: str, pieces: list[bytes]) -> None:
        started = time.monotonic()
        with connected(serving.port) as connection:
            connection.settimeout(1)
            answer = b""
            for piece in pieces:
                try:
                    send(connection, [piece])
                    part = connection.recv(1_000)
                except TimeoutError:
                    continue
                answer += part
                if not part:
                    break
        ends[name] = (time.monotonic() - started, statuses(answer))

    threads = [threading.Thread(target=dribble, args=item) for item in dribbles.items()]
    for thread in threads:
        thread.start()
    assert _time_of_healthz(serving.port) < 1
    for thread in threads:
        thread.join()

    rounded = {name: (5 * round(seconds / 5), answer) for name, (seconds, answer) in ends.items()}
    assert rounded == {"head": (10, [408]), "body": (30, [408]), "nothing": (30, [])}


# Hosts, and order


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET /echo HTTP/1.1\r\nConnection: close\r\nHost: a\r\nhost: a\r\n\r\n", 400),
        (b"GET /echo HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /echo HTTP/1.1\r\nConnection: close\r\nHost: a b\r\n\r\n", 400),
        (b"GET /echo HTTP/1.1\r\nConnection: close\r\nHost: a/b\r\n\r\n", 400),
        (b"GET /echo HTTP/1.1\r\nConnection: close\r\nHost: <script>\r\n\r\n", 400),
        (b"GET /echo HTTP/1.0\r\n\r\n", 200),
        (b"GET /echo HTTP/1.1\r\nConnection: close\r\nHost:\r\n\r\n", 200),
        (b"GET /echo HTTP/1.1\r\nConnection: close\r\nHost: [::1]:8000\r\n\r\n", 200),
        (b"GET http://a-b.example/echo HTTP/1.1\r\nConnection: close\r\nHost: a_b.example\r\n\r\n", 200),
        (b"\r\n\r\nGET /echo HTTP/1.1\r\nConnection: close\r\nHost: a\r\n\r\n", 200),
        (b"GET /echo HTTP/1.1\nHost: a\n\n", 400),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_a_request_has_one_host(port: int, request_: bytes, status: int) -> None:
    assert statuses(exchange(port, request_)) == [status]


@pytest.mark.slow
def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    """Also if the last one is refused: its refusal must not be taken for the response to an earlier one."""
    slow = GET.replace(b"/echo", b"/slow")
    post = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert statuses(exchange(port, slow + GET + LAST)) == [200, 200, 200]
    assert statuses(exchange(port, slow + GET + b"GET / HTTP/1.1\r\n\r\n" + GET)) == [200, 200, 400]
    assert statuses(exchange(port, slow + post + b"nonsense\r\n")) == [200, 400]
    assert statuses(exchange(port, slow, head_of(66_000))) == [200, 431]


async def test_a_server_refuses_what_its_protocol_refuses(serving: GatehouseProcess) -> None:
    answers = [
        exchange(serving.port, b"GET /healthz HTTP/1.1\r\n\r\n"),
        exchange(serving.port, *cut(head_of(70_000), 30_000)),
        exchange(serving.port, b"GET /healthz HTTP/1.0\r\n\r\n"),
    ]

    assert [statuses(answer) for answer in answers] == [[400], [431], [200]]


JAVA = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAAB\r\n"
"""What the HttpClient of Java sends with its first request, also with POST."""


@pytest.mark.parametrize("split", [0, 40, -3])
@pytest.mark.parametrize(
    "body",
    [
        b"content-length: 5\r\n\r\nhello",
        b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
def test_a_request_for_another_protocol_keeps_its_body(port: int, body: bytes, split: int) -> None:
    """And the connection serves other requests, also one that has been sent already."""
    first = b"POST / HTTP/1.1\r\nhost: a\r\n" + JAVA + body
    second = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecond"
    with connected(port) as connection:
        at = split or len(first)
        send(connection, [first[:at], first[at:] + second], pause=0.05)
        answer = received(connection)

    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b"hello ") < answer.index(b"second ")


def test_a_body_after_a_request_for_another_protocol_has_its_time(port: int) -> None:
    with connected(port) as connection:
        send(connection, [b"POST / HTTP/1.1\r\nhost: a\r\n" + JAVA + b"content-length: 5\r\n\r\nhel"])
        answer = received(connection)

    assert answer.startswith(b"HTTP/1.1 408")
