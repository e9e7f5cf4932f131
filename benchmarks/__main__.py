"""`make bench`: how fast Gatehouse is, each time against a floor that is measured in the same run.

Read the ratios; the rates are this machine's. What is compared takes turns, and a ratio is the median of
the ratios of the turns, so that whatever else the machine does in one of them changes little. Linux only.
"""

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from api.database.embedded import EmbeddedServer
from benchmarks.execution import measure_documents, measure_execution
from benchmarks.hashes import measure_hashes
from benchmarks.keys import measure_key_files, measure_key_listing
from benchmarks.load import Clients, Load, LoadFailed
from benchmarks.report import show, title
from benchmarks.requests import (
    IS_FULL_PAGE,
    IS_REGISTRATION,
    IS_SIGNED_IN,
    IS_VALID,
    make_keys,
    make_tokens,
    registrations,
    staff_page,
    validations,
    viewers,
)
from benchmarks.servers import Cpu, Database, Server, cpu_so_far, floor, gatehouse, postgres

TURNS = 3
FEW, MANY = 10_000, 1_000_000
TENANTS, CROWD = 1_000, 100_000


def main() -> None:
    begun = time.monotonic()
    with ExitStack() as stack:
        server = stack.enter_context(postgres())
        few, many = Database(server, "few").migrate("all"), Database(server, "many").migrate("all")
        keys = make_keys(MANY, seed=1)
        few.add_keys(keys[:FEW])
        many.add_keys(keys)
        clients = stack.enter_context(Clients())
        ours = stack.enter_context(gatehouse(few))
        ours_of_many = stack.enter_context(gatehouse(many))
        interpreted = stack.enter_context(gatehouse(few, EXECUTION_PLANS="off"))
        bare = stack.enter_context(floor("bare", few))
        stock = stack.enter_context(floor("stock", few))
        print(f"ready after {time.monotonic() - begun:.0f} s", flush=True)

        measure_look_ups(clients, ours, ours_of_many, interpreted, bare, stock, keys)
        measure_viewers(clients, server)
        measure_documents(clients, server, keys[:FEW])
        measure_execution()
        measure_limits(clients, stack, few, validations(keys[:FEW]))
        measure_watching(clients, few, validations(keys[:FEW]))
        register = Registrations(ours, few)
        measure_registrations(clients, register)
        measure_latency(clients, register, validations(keys[:FEW]))
        measure_key_listing(server)
        measure_key_files(server)
    print(f"\ndone after {time.monotonic() - begun:.0f} s")


def measure_look_ups(
    clients: Clients,
    ours: Server,
    ours_of_many: Server,
    interpreted: Server,
    bare: Server,
    stock: Server,
    keys: Sequence[str],
) -> None:
    few = validations(keys[:FEW])
    # No more requests, so that the client does the same, but from all over the large table.
    many = validations(random.Random(2).sample(keys, FEW))

    def rate(server: Server, requests: Sequence[bytes]) -> float:
        return clients.run(Load(port=server.port, requests=requests, expected=IS_VALID)).rate

    # What is compared stands side by side, as near in time as can be.
    rates = [
        (
            rate(bare, few),
            rate(ours, few),
            rate(interpreted, few),
            rate(ours_of_many, many),
            rate(stock, few),
        )
        for _ in range(TURNS)
    ]
    bare_few, ours_few, interpreted_few, ours_many, stock_few = zip(*rates, strict=True)
    title("validateBetaKey, answers/s at 32 connections", "Gatehouse", "floor")
    show("bare ASGI function, the same look-up", ours_few, bare_few, at_least=0.6)
    show("graphql-core's interpreter", ours_few, interpreted_few)
    show("stock Strawberry, Piccolo's select", ours_few, stock_few, at_least=12)
    show(f"{MANY:,} keys, against {FEW:,}", ours_many, ours_few, at_least=0.8)


def measure_viewers(clients: Clients, server: EmbeddedServer) -> None:
    """In databases of their own: tenants as they are, and one with a crowd."""
    usual, crowded = (Database(server, name).migrate("all") for name in ("usual", "crowded"))
    tokens = make_tokens(TENANTS)
    usual.add_tenants(tokens, people=4)
    deep = crowded.add_tenants(tokens[:1], people=CROWD)
    with (
        gatehouse(usual) as ours,
        gatehouse(usual, EXECUTION_PLANS="off") as interpreted,
        floor("bare_viewer", usual) as bare,
        gatehouse(crowded) as ours_crowded,
    ):
        load = viewers(tokens)
        pages = [staff_page(tokens[0], after) for after in (deep, None)]

        def rate(server: Server, requests: Sequence[bytes], expected: bytes) -> float:
            return clients.run(Load(port=server.port, requests=requests, expected=expected)).rate

        rates = [
            (
                rate(bare, load, IS_SIGNED_IN),
                rate(ours, load, IS_SIGNED_IN),
                rate(interpreted, load, IS_SIGNED_IN),
                *(rate(ours_crowded, [page], IS_FULL_PAGE) for page in pages),
            )
            for _ in range(TURNS)
        ]
    bare_rates, our_rates, interpreted_rates, deep_rates, first_rates = zip(*rates, strict=True)
    title("viewer and seats, answers/s at 32 connections", "Gatehouse", "floor")
    show("bare ASGI function, the same two statements", our_rates, bare_rates, at_least=0.4)
    show("graphql-core's interpreter", our_rates, interpreted_rates)
    title("20 of the staff, answers/s at 32 connections", "deep", "first page")
    show(f"the last pages of {CROWD:,} people", deep_rates, first_rates, at_least=0.9)


def measure_limits(clients: Clients, stack: ExitStack, database: Database, requests: Sequence[bytes]) -> None:
    # So high that nobody meets them; what they cost is the same.
    high = "100000000/minute"
    on = {"RATE_LIMITS": "on", "RATE_LIMIT_VALIDATE": high, "RATE_LIMIT_WRONG_KEYS": high}
    counting = stack.enter_context(gatehouse(database, **on))
    free = stack.enter_context(gatehouse(database))

    def rate(server: Server) -> float:
        return clients.run(Load(port=server.port, requests=requests, expected=IS_VALID)).rate

    # More turns than elsewhere, because the difference is smaller than what the machine does of itself.
    rates = [(rate(counting), rate(free)) for _ in range(3 * TURNS)]
    with_limits, without = zip(*rates, strict=True)
    title("validateBetaKey, answers/s at 32 connections", "limits on", "limits off")
    show("limits counted in memory", with_limits, without, at_least=0.95)


def measure_watching(clients: Clients, database: Database, requests: Sequence[bytes]) -> None:
    """Unwatched, Gatehouse runs nothing of it, so it is the floor of what watching costs."""
    with ExitStack() as stack:
        taking = stack.enter_context(floor("collector", database))
        traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{taking.port}"}
        few_traces = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01", **traces}
        plain = stack.enter_context(gatehouse(database))
        counted = stack.enter_context(gatehouse(database, METRICS_TOKEN="t0ken-of-the-benchmark"))
        sampled = stack.enter_context(gatehouse(database, **few_traces))
        traced = stack.enter_context(gatehouse(database, **traces))

        def rate(server: Server) -> float:
            return clients.run(Load(port=server.port, requests=requests, expected=IS_VALID)).rate

        # More turns than elsewhere, as for the limits.
        rates = [(rate(counted), rate(plain), rate(sampled), rate(traced)) for _ in range(3 * TURNS)]
    counted_rates, plain_rates, sampled_rates, traced_rates = zip(*rates, strict=True)
    title("validateBetaKey, answers/s at 32 connections", "watched", "not")
    show("counted for /metrics", counted_rates, plain_rates, at_least=0.95)
    show("a trace of one request in a hundred", sampled_rates, plain_rates)
    show("a trace of each request", traced_rates, plain_rates)


class Registrations:
    """Puts full loads of registrations on a server, each with a business and a key of its own."""

    def __init__(self, server: Server, database: Database) -> None:
        self.server = server
        self.database = database
        self.made = 0
        self.rate = 100.0
        """Registrations a second to be prepared for."""

    def load(self, seconds: float) -> Load:
        warm_up = 1.0
        # Half as many again, in case it goes faster than it should be able to.
        keys = make_keys(int(1.5 * self.rate * (warm_up + seconds)) + 100, seed=2 + self.made)
        self.database.add_keys(keys)
        requests = registrations(keys, first=self.made)
        self.made += len(keys)
        return Load(
            port=self.server.port,
            requests=requests,
            expected=IS_REGISTRATION,
            once=True,
            warm_up=warm_up,
            seconds=seconds,
        )

    def cpu_so_far(self) -> Cpu:
        return cpu_so_far(self.server, self.database)


def measure_registrations(clients: Clients, registrations: Registrations) -> None:
    hashes: list[float] = []
    rates: list[float] = []
    costs: list[tuple[float, ...]] = []
    for _ in range(TURNS):
        floor = measure_hashes(seconds=5)
        registrations.rate = max(registrations.rate, floor.rate)
        load = registrations.load(seconds=6)
        before = registrations.cpu_so_far()
        outcome = clients.run(load)
        spent = registrations.cpu_so_far() - before
        hashes.append(floor.rate)
        rates.append(outcome.rate)
        costs.append(
            (
                floor.cpu,
                spent.threads / outcome.answers,
                spent.loop / outcome.answers,
                spent.postgres / outcome.answers,
                outcome.cpu / outcome.answers,
            )
        )
    title("register, answers/s at 32 connections", "Gatehouse", "floor")
    show("password hashes alone, on all cores", rates, hashes, at_least=0.9)
    alone, threads, loop, postgres, client = (1000 * median(cost) for cost in zip(*costs, strict=True))
    together = threads + loop + postgres + client
    print(
        f"  CPU for each, ms: {together:.1f} = hash {threads:.1f} + event loop {loop:.2f} "
        f"+ PostgreSQL {postgres:.2f} + this client {client:.2f};\n"
        f"  a hash alone takes {alone:.1f}, which makes {alone / together:.2f} of it"
    )


def measure_latency(clients: Clients, registrations: Registrations, requests: Sequence[bytes]) -> None:
    # Light, and the same in both: 4 connections that ask 200 times a second together.
    probe = Load(
        port=registrations.server.port,
        requests=requests,
        expected=IS_VALID,
        connections=4,
        pace=200,
        warm_up=1.5,
        seconds=5,
    )
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(TURNS):
        load = registrations.load(seconds=7)
        alone.append(1000 * clients.run(probe).p99)
        loaded = clients.start(load)
        probed = clients.run(probe)
        busy = loaded.result()
        if probed.begun < busy.begun or probed.ended > busy.ended:
            raise LoadFailed("the probe did not run within the load")
        beside.append(1000 * probed.p99)
    title("validateBetaKey, p99 in ms at 200 requests/s", "busy", "idle")
    show("beside a full load of registrations", beside, alone, at_most=5)


if __name__ == "__main__":
    main()
