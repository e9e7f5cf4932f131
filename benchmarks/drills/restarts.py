"""Two instances behind a proxy are restarted in turn, while clients register and look keys up."""

import asyncio
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.drills.clients import Clients, clients, lost_and_half_done
from benchmarks.drills.instances import Instance, running
from benchmarks.drills.proxies import haproxy, nginx
from benchmarks.servers import Database, postgres

ROUNDS = 5

UNTIL_NOTICED = 3.0
"""Seconds in which a proxy notices that an instance is back."""

Proxy = Callable[[Path, Sequence[int]], AbstractContextManager[int]]


def restarts_behind_haproxy(rounds: int = ROUNDS) -> bool:
    return _drill("HAProxy", haproxy, rounds)


def restarts_behind_nginx(rounds: int = ROUNDS) -> bool:
    return _drill("nginx", nginx, rounds)


def _drill(name: str, proxy: Proxy, rounds: int) -> bool:
    with postgres() as server, tempfile.TemporaryDirectory(prefix="gatehouse-drill-") as home:
        database = Database(server, "drill").migrate()
        settings = {"TRUSTED_PROXIES": "127.0.0.1", "DRAIN_SECONDS": "5"}
        instances = [Instance(database, Path(home), **settings) for _ in range(2)]
        with running(*instances), proxy(Path(home), [one.port for one in instances]) as port:
            load = clients(database, f"http://127.0.0.1:{port}")
            asyncio.run(_restart(load, instances, rounds))
        lost, half_done = asyncio.run(lost_and_half_done(database.dsn, load.registered))
    failed = load.failures.total()
    sys.stdout.write(
        f"{2 * rounds} restarts behind {name}: {failed} of {load.answers:,} requests failed, at most 0;"
        f" {len(load.registered):,} registrations, {lost} lost, {half_done} half done\n"
    )
    for failure, count in load.failures.most_common(5):
        sys.stdout.write(f"  {count} times {failure}\n")
    return failed == lost == half_done == 0 and len(load.registered) > 0


async def _restart(load: Clients, instances: list[Instance], rounds: int) -> None:
    async with load.working(registering=4, looking_up=12):
        await asyncio.sleep(UNTIL_NOTICED)
        for _ in range(rounds):
            for instance in instances:
                await asyncio.to_thread(instance.terminate)
                await asyncio.to_thread(instance.start)
                await asyncio.sleep(UNTIL_NOTICED)
