"""What a request may cost: the processor time of the event loop for thousands of hostile requests.

The time is that of the server's first thread, as Linux counts it, so that other load on the machine matters
little.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random

from api.database.embedded import EmbeddedServer
from benchmarks.hostile_requests import HostileRequest, hostile_requests
from benchmarks.requests import make_keys, make_tokens
from benchmarks.servers import Database, Server, gatehouse, postgres

REQUESTS = 10_000
BOUND = 25.0
"""Milliseconds of the event loop that a request may take."""

COSTLIEST = 15
REPETITIONS = 7

TENANTS, STAFF, KEYS, EVENTS = 110, 101, 2_000, 300


@dataclass(frozen=True)
class Cost:
    milliseconds: float
    request: HostileRequest
    actor: str
    status: int
    answer_bytes: int

    def __str__(self) -> str:
        text = f"{self.request.method} {self.request.path[:40]} {self.request.body.decode(errors='replace')}"
        return (
            f"  {self.milliseconds:7.1f} ms  {self.status}  {self.answer_bytes:>9,} B  "
            f"{self.request.family:24}{self.actor:11} {' '.join(text.split())[:150]}"
        )


def measure_document_costs(server: EmbeddedServer, count: int = REQUESTS, seed: int = 1) -> list[Cost]:
    """Sends `count` hostile requests, each twice, and prints the costliest ones and those of each family."""
    database = Database(server, "costs").migrate("all")
    tokens = _fill(database)
    with gatehouse(database, LOG_FORMAT="json") as ours:
        meter = Meter(ours, tokens)
        random = Random(seed)
        costs = [
            meter.cost(request, random.choice([*tokens]) if request.may_sign_in else "signed out")
            for request in hostile_requests(count, seed)
        ]
        costs.sort(key=lambda cost: cost.milliseconds, reverse=True)
        costliest = sorted(
            (meter.repeat(cost) for cost in costs[: 3 * COSTLIEST]), key=lambda cost: -cost.milliseconds
        )
    _print(costs, costliest[:COSTLIEST])
    return costliest


def _fill(database: Database) -> dict[str, str | None]:
    """Pages of every listing that are as large as they can be. Returns the token of each actor."""
    operator, owner = "o" * 43, make_tokens(1)[0]
    database.add_keys(make_keys(KEYS, seed=1))
    database.add_tenants(make_tokens(TENANTS), staff=STAFF)
    database.add_operator(operator)
    database.execute(
        """SET gatehouse.scope = 'platform';
           UPDATE beta_keys SET notes = repeat('n', 300), batch = 'spring', "recipientEmail" = key ||
           '@example.com',
                  "isUsed" = true, "usedAt" = now(), "usedByTenantId" = (SELECT id FROM tenants WHERE
                  beta_keys.id IS NOT NULL ORDER BY random() LIMIT 1)""",
        f"""SET gatehouse.scope = 'platform';
           INSERT INTO audit_events (action, "actorEmail", detail)
           SELECT 'tenant.updated', 'operator@example.com', jsonb_build_object('changes', repeat('x', 500))
             FROM generate_series(1, {EVENTS})""",
        """SET gatehouse.scope = 'platform';
           INSERT INTO sessions ("userId", "tokenDigest", "expiresAt")
           SELECT id, sha256(n::text::bytea), now() + interval '1 day'
             FROM users, generate_series(1, 120) n WHERE email = 'operator@example.com'""",
    )
    return {"signed out": None, "operator": operator, "owner": owner}


class Meter:
    def __init__(self, server: Server, tokens: dict[str, str | None]) -> None:
        self._server = server
        self._tokens = tokens
        self._clock = Path(f"/proc/{server.pid}/schedstat")
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=60)

    def _read_clock(self) -> float:
        return int(self._clock.read_text().split()[0]) / 1e6

    def cost(self, request: HostileRequest, actor: str) -> Cost:
        """The more expensive one of two requests: the second one makes the plan of a document."""
        return max((self._send(request, actor) for _ in range(2)), key=lambda cost: cost.milliseconds)

    def repeat(self, cost: Cost) -> Cost:
        """The least cost of several repetitions. What remains is not the noise of the machine."""
        return min(
            (self.cost(cost.request.varied(number + 1), cost.actor) for number in range(REPETITIONS)),
            key=lambda repeated: repeated.milliseconds,
        )

    def _send(self, request: HostileRequest, actor: str) -> Cost:
        headers = {"content-type": "application/json", "accept": "application/json", **request.headers}
        token = self._tokens[actor]
        if token is not None and "authorization" not in headers:
            headers["authorization"] = f"Bearer {token}"
        before = self._read_clock()
        try:
            self._connection.request(request.method, request.path, request.body, headers)
            response = self._connection.getresponse()
            status, answer = response.status, response.read()
        except (HTTPException, OSError):
            # The server refuses such a request without an answer.
            status, answer = 0, b""
            self._connection.close()
        return Cost(self._read_clock() - before, request, actor, status, len(answer))


def _print(costs: Iterable[Cost], costliest: Iterable[Cost]) -> None:
    families: dict[str, list[Cost]] = defaultdict(list)
    for cost in costs:
        families[cost.request.family].append(cost)
    print("\nhostile requests by family, ms of the event loop      median    largest   largest answer")
    for name, members in families.items():
        middle = sorted(cost.milliseconds for cost in members)[len(members) // 2]
        largest = max(members, key=lambda cost: cost.milliseconds)
        answer = max(cost.answer_bytes for cost in members)
        print(f"  {name:48}{middle:>9.1f}{largest.milliseconds:>11.1f}{answer:>15,} B")
    print(f"\nthe costliest, the least of {REPETITIONS} repetitions; expected ≤ {BOUND:g} ms")
    for cost in costliest:
        print(f"{cost} {'above' if cost.milliseconds > BOUND else ''}", flush=True)


if __name__ == "__main__":
    with postgres() as embedded:
        measure_document_costs(embedded, *map(int, sys.argv[1:]))
