"""Round trips of a request, counted between a server process and PostgreSQL."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from statistics import median
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.support import Api, GatehouseProcess, Person, hire, issue_key, registration

pytestmark = pytest.mark.anyio

SEATS = "{ viewer { email tenant { businessName seats { role used max } } } }"


class Relay:
    """Relays the messages of a server process and PostgreSQL, and counts round trips."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self.url = ""
        self.round_trips = 0
        self._passing: set[asyncio.Task[None]] = set()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        postgres_reader, postgres_writer = await asyncio.open_unix_connection(self._socket)
        waiting = False

        async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, *, asks: bool) -> None:
            nonlocal waiting
            with suppress(ConnectionError):
                while data := await source.read(65536):
                    # Messages that follow one another before a reply are one round trip.
                    self.round_trips += asks and not waiting
                    waiting = asks
                    target.write(data)
            target.close()

        for task in (
            asyncio.create_task(pass_on(reader, postgres_writer, asks=True)),
            asyncio.create_task(pass_on(postgres_reader, writer, asks=False)),
        ):
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)


@pytest.fixture(scope="module")
async def relay(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Relay]:
    """A relay between PostgreSQL and a server process."""
    address = urlsplit(server.dsn())
    relay = Relay(f"{parse_qs(address.query)['host'][0]}/.s.PGSQL.5432")
    # The path of a socket has a maximum length.
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:
        listener = await asyncio.start_unix_server(relay.meet, f"{folder}/.s.PGSQL.5432")
        where = f"host={quote(folder, safe='')}&port=5432"
        dsn = address._replace(query=where).geturl()
        gatehouse = GatehouseProcess(tmp_path_factory.mktemp("relay") / "gatehouse.log", DATABASE_URL=dsn)
        # Started in a thread, because the event loop relays its messages meanwhile.
        await asyncio.to_thread(gatehouse.start)
        relay.url = gatehouse.url
        yield relay
        await asyncio.to_thread(gatehouse.stop)
        listener.close()


@pytest.fixture
async def owner(api_with_plans: Api, database: asyncpg.Connection) -> Person:
    answer = await api_with_plans.register(registration(await issue_key(database)))
    return Person(answer["tenant"]["id"], answer["user"]["email"], answer["accessToken"])


async def round_trips(relay: Relay, query: str, token: str, times: int = 10) -> float:
    """Round trips of one request, after every connection of the pool has prepared the statements."""
    async with httpx.AsyncClient(base_url=relay.url) as http:
        api = Api(http)
        for _ in range(30):
            await api.data(query, token)
        counts = []
        for _ in range(times):
            before = relay.round_trips
            await api.data(query, token)
            counts.append(relay.round_trips - before)
    # Not the mean: the process also registers itself every 15 s.
    return median(counts)


async def test_seats_cost_two_round_trips_in_a_tenant_of_any_size(
    relay: Relay, database: asyncpg.Connection, owner: Person
) -> None:
    few = await round_trips(relay, SEATS, owner.token)
    await database.execute(
        """INSERT INTO users (email, password, "firstName", "lastName", "tenantId")
        SELECT 'x' || n || '@example.com', '', 'x', 'x', $1 FROM generate_series(1, 2000) n""",
        owner.id,
    )
    many = await round_trips(relay, SEATS, owner.token)

    assert (few, many) == (2, 2)


async def test_updating_last_seen_costs_one_more(
    relay: Relay, database: asyncpg.Connection, owner: Person
) -> None:
    await round_trips(relay, SEATS, owner.token)
    await database.execute("""UPDATE sessions SET "lastSeenAt" = now() - interval '1 hour'""")
    before = relay.round_trips

    async with httpx.AsyncClient(base_url=relay.url) as http:
        await Api(http).data(SEATS, owner.token)

    assert relay.round_trips - before == 3
    assert await database.fetchval("""SELECT "lastSeenAt" > now() - interval '1 minute' FROM sessions""")


@pytest.mark.parametrize(
    "act",
    [
        'requestPasswordReset(email: "{}")',
        'login(input: {{email: "{}", password: "wrong"}})',
        'resetPassword(input: {{email: "{}", code: "000000", newPassword: "N3w!secret"}})',
    ],
    ids=["ask for a code", "sign in", "try a code"],
)
async def test_an_unknown_address_costs_as_many_as_a_known_one(relay: Relay, owner: Person, act: str) -> None:
    """The response time must not reveal whether an account exists."""
    asked = [
        await round_trips(relay, f"mutation {{ {act.format(email)} {{ __typename }} }}", owner.token)
        for email in (owner.email, "nobody@example.com")
    ]

    assert asked[0] == asked[1]


async def test_a_page_of_staff_takes_one_query_for_all(
    relay: Relay, database: asyncpg.Connection, owner: Person
) -> None:
    """The viewer, the page, and the tenant of all nodes: owner, seats and a nested page."""
    for _ in range(30):
        await hire(database, owner.id, "CASHIER")
    person = (
        "id tenant { businessName owner { email tenant { id } } seats { used } staff { edges { cursor } } }"
    )
    query = f"{{ viewer {{ tenant {{ staff(first: 25) {{ edges {{ node {{ {person} }} }} }} }} }} }}"

    assert await round_trips(relay, query, owner.token) == 5


async def test_staff_are_counted_only_on_request(
    relay: Relay, database: asyncpg.Connection, owner: Person
) -> None:
    page = "{ viewer { tenant { staff { edges { cursor } %s } } } }"

    without = await round_trips(relay, page % "", owner.token)
    counted = await round_trips(relay, page % "totalCount", owner.token)

    assert (without, counted) == (2, 3)


async def test_a_page_of_tenants_takes_one_query_for_owners_and_one_for_seats(
    relay: Relay, database: asyncpg.Connection
) -> None:
    """The viewer, the page, owners and seats."""
    await database.execute(
        """WITH made AS (
            INSERT INTO tenants ("businessName", nit, "businessType", address)
            SELECT n, n, 'TIENDA', 'x' FROM generate_series(1, 60) n RETURNING id, nit)
        INSERT INTO users (email, password, "firstName", "lastName", role, "isOwner", "tenantId")
        SELECT 'x' || nit || '@example.com', '', 'x', 'x', 'ADMIN', true, id FROM made"""
    )
    operator = await hire(database, None, "SUPER_ADMIN")
    node = "businessName owner { email } seats { role used max }"
    query = f"{{ tenants(first: 50) {{ edges {{ node {{ {node} }} }} }} }}"

    assert await round_trips(relay, query, operator.token) == 4


async def test_registration_costs_five(relay: Relay, database: asyncpg.Connection) -> None:
    """The key; the tax id; BEGIN; the rows; COMMIT."""
    async with httpx.AsyncClient(base_url=relay.url) as http:
        api = Api(http)
        for _ in range(30):
            await api.register(registration(await issue_key(database)))
        counts = []
        for _ in range(10):
            key, before = await issue_key(database), relay.round_trips
            await api.register(registration(key))
            counts.append(relay.round_trips - before)

    assert median(counts) == 5
