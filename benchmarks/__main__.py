"""`make bench`: compares Gatehouse with baselines that are measured in the same run.

The ratios matter; the rates depend on the machine. Gatehouse and a baseline run in alternating rounds, and a
ratio is the median of the ratios of the rounds, so other load in one round changes little. Linux only.
"""

import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from api.database.embedded import EmbeddedServer
from benchmarks.document_costs import measure_document_costs
from benchmarks.execution import measure_documents, measure_execution
from benchmarks.hashes import measure_hashes
from benchmarks.keys import measure_key_files, measure_key_listing
from benchmarks.load import Clients, Load, LoadFailed
from benchmarks.report import print_heading, print_row
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
from benchmarks.servers import Cpu, Database, Server, baseline, cpu_time, gatehouse, postgres

ROUNDS = 3
FEW, MANY = 10_000, 1_000_000
TENANTS, MANY_STAFF = 1_000, 100_000


def main() -> None:
    started = time.monotonic()
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
        bare = stack.enter_context(baseline("bare", few))
        stock = stack.enter_context(baseline("stock", few))
        print(f"ready after {time.monotonic() - started:.0f} s", flush=True)

        measure_key_look_ups(clients, ours, ours_of_many, interpreted, bare, stock, keys)
        measure_viewers(clients, server)
        measure_documents(clients, server, keys[:FEW])
        measure_execution()
        measure_rate_limits(clients, stack, few, validations(keys[:FEW]))
        measure_observability(clients, few, validations(keys[:FEW]))
        register = Registrations(ours, few)
        measure_registrations(clients, register)
        measure_latency(clients, register, validations(keys[:FEW]))
        measure_key_listing(server)
        measure_key_files(server)
        measure_document_costs(server)
    print(f"\ndone after {time.monotonic() - started:.0f} s")


def measure_key_look_ups(
    clients: Clients,
    ours: Server,
    ours_of_many: Server,
    interpreted: Server,
    bare: Server,
    stock: Server,
    keys: Sequence[str],
) -> None:
    few = validations(keys[:FEW])
    # As many requests as for the small table, so that the client does the same work, but for rows from all
    # over the large one.
    many = validations(random.Random(2).sample(keys, FEW))

    def rate(server: Server, requests: Sequence[bytes]) -> float:
        return clients.run(Load(port=server.port, requests=requests, expected=IS_VALID)).rate

    # The servers alternate within a round, so that other load affects all of them alike.
    rates = [
        (
            rate(bare, few),
            rate(ours, few),
            rate(interpreted, few),
            rate(ours_of_many, many),
            rate(stock, few),
        )
        for _ in range(ROUNDS)
    ]
    bare_few, ours_few, interpreted_few, ours_many, stock_few = zip(*rates, strict=True)
    print_heading("validateBetaKey, answers/s at 32 connections", "Gatehouse", "baseline")
    print_row("bare ASGI function, same look-up", ours_few, bare_few, at_least=0.6)
    print_row("graphql-core's interpreter", ours_few, interpreted_few)
    print_row("stock Strawberry, Piccolo's select", ours_few, stock_few, at_least=12)
    print_row(f"{MANY:,} keys, against {FEW:,}", ours_many, ours_few, at_least=0.8)


def measure_viewers(clients: Clients, server: EmbeddedServer) -> None:
    """In two databases: tenants of a usual size, and one tenant with very many staff."""
    usual, large = (Database(server, name).migrate("all") for name in ("usual", "large"))
    tokens = make_tokens(TENANTS)
    usual.add_tenants(tokens, staff=4)
    deep = large.add_tenants(tokens[:1], staff=MANY_STAFF)
    with (
        gatehouse(usual) as ours,
        gatehouse(usual, EXECUTION_PLANS="off") as interpreted,
        baseline("bare_viewer", usual) as bare,
        gatehouse(large) as ours_of_large,
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
                *(rate(ours_of_large, [page], IS_FULL_PAGE) for page in pages),
            )
            for _ in range(ROUNDS)
        ]
    bare_rates, our_rates, interpreted_rates, deep_rates, first_rates = zip(*rates, strict=True)
    print_heading("viewer and seats, answers/s at 32 connections", "Gatehouse", "baseline")
    print_row("bare ASGI function, the same two statements", our_rates, bare_rates, at_least=0.4)
    print_row("graphql-core's interpreter", our_rates, interpreted_rates)
    print_heading("20 of the staff, answers/s at 32 connections", "deep", "first page")
    print_row(f"the last pages of {MANY_STAFF:,} people", deep_rates, first_rates, at_least=0.9)


def measure_rate_limits(
    clients: Clients, stack: ExitStack, database: Database, requests: Sequence[bytes]
) -> None:
    # Limits that no request exceeds cost the same as others.
    high = "100000000/minute"
    on = {"RATE_LIMITS": "on", "RATE_LIMIT_VALIDATE": high, "RATE_LIMIT_WRONG_KEYS": high}
    counting = stack.enter_context(gatehouse(database, **on))
    free = stack.enter_context(gatehouse(database))

    def rate(server: Server) -> float:
        return clients.run(Load(port=server.port, requests=requests, expected=IS_VALID)).rate

    # More rounds than elsewhere, because the difference is smaller than the noise of the machine.
    rates = [(rate(counting), rate(free)) for _ in range(3 * ROUNDS)]
    with_limits, without = zip(*rates, strict=True)
    print_heading("validateBetaKey, answers/s at 32 connections", "limits on", "limits off")
    print_row("limits counted in memory", with_limits, without, at_least=0.95)


def measure_observability(clients: Clients, database: Database, requests: Sequence[bytes]) -> None:
    """The baseline is Gatehouse without metrics and traces."""
    with ExitStack() as stack:
        collector = stack.enter_context(baseline("collector", database))
        traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}"}
        few_traces = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01", **traces}
        plain = stack.enter_context(gatehouse(database))
        counted = stack.enter_context(gatehouse(database, METRICS_TOKEN="t0ken-of-the-benchmark"))
        sampled = stack.enter_context(gatehouse(database, **few_traces))
        traced = stack.enter_context(gatehouse(database, **traces))

        def rate(server: Server) -> float:
            return clients.run(Load(port=server.port, requests=requests, expected=IS_VALID)).rate

        # More rounds than elsewhere, as for the limits.
        rates = [(rate(counted), rate(plain), rate(sampled), rate(traced)) for _ in range(3 * ROUNDS)]
    counted_rates, plain_rates, sampled_rates, traced_rates = zip(*rates, strict=True)
    print_heading("validateBetaKey, answers/s at 32 connections", "observed", "not")
    print_row("metrics", counted_rates, plain_rates, at_least=0.95)
    print_row("traces of one request in a hundred", sampled_rates, plain_rates)
    print_row("traces of all requests", traced_rates, plain_rates)


class Registrations:
    """Makes loads of registrations, each with a business and a key of its own."""

    def __init__(self, server: Server, database: Database) -> None:
        self.server = server
        self.database = database
        self.made = 0
        self.rate = 100.0
        """Registrations a second that a load has enough requests for."""

    def load(self, seconds: float) -> Load:
        warm_up = 1.0
        # Half as many again, in case the server is faster than expected.
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

    def cpu_time(self) -> Cpu:
        return cpu_time(self.server, self.database)


def measure_registrations(clients: Clients, registrations: Registrations) -> None:
    hashes: list[float] = []
    rates: list[float] = []
    costs: list[tuple[float, ...]] = []
    for _ in range(ROUNDS):
        baseline = measure_hashes(seconds=5)
        registrations.rate = max(registrations.rate, baseline.rate)
        load = registrations.load(seconds=6)
        before = registrations.cpu_time()
        outcome = clients.run(load)
        spent = registrations.cpu_time() - before
        hashes.append(baseline.rate)
        rates.append(outcome.rate)
        costs.append(
            (
                baseline.cpu,
                spent.threads / outcome.answers,
                spent.loop / outcome.answers,
                spent.postgres / outcome.answers,
                outcome.cpu / outcome.answers,
            )
        )
    print_heading("register, answers/s at 32 connections", "Gatehouse", "baseline")
    print_row("password hashes alone, on all cores", rates, hashes, at_least=0.9)
    alone, threads, loop, postgres, client = (1000 * median(cost) for cost in zip(*costs, strict=True))
    together = threads + loop + postgres + client
    print(
        f"  CPU of one registration, ms: {together:.1f} = hash {threads:.1f} + event loop {loop:.2f} "
        f"+ PostgreSQL {postgres:.2f} + this client {client:.2f};\n"
        f"  a hash alone takes {alone:.1f}, which is {alone / together:.2f} of it"
    )


def measure_latency(clients: Clients, registrations: Registrations, requests: Sequence[bytes]) -> None:
    # A light load, the same with and without registrations: 4 connections, 200 requests a second in total.
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
    under_load: list[float] = []
    for _ in range(ROUNDS):
        load = registrations.load(seconds=7)
        alone.append(1000 * clients.run(probe).p99)
        loaded = clients.start(load)
        probed = clients.run(probe)
        busy = loaded.result()
        if probed.started < busy.started or probed.ended > busy.ended:
            raise LoadFailed("the probe did not run within the load")
        under_load.append(1000 * probed.p99)
    print_heading("validateBetaKey, p99 in ms at 200 requests/s", "busy", "idle")
    print_row("during a full load of registrations", under_load, alone, at_most=5)


if __name__ == "__main__":
    main()
