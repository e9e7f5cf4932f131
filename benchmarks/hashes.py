"""The baseline of registration: password hashes and nothing else."""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass

from api.domain.accounts.passwords import _HASHES


@dataclass(frozen=True)
class Hashes:
    rate: float
    """Hashes a second."""
    cpu: float
    """Seconds of CPU for each hash."""


def measure_hashes(seconds: float) -> Hashes:
    """The rate of Gatehouse's password hash on all cores, in a process that does nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_hash_on_all_cores, seconds).result()


def _hash_on_all_cores(seconds: float) -> Hashes:
    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as threads:
        cpu_before, started = time.process_time(), time.perf_counter()
        count = sum(threads.map(_hash_until, [started + seconds] * cores))
        return Hashes(
            rate=count / (time.perf_counter() - started), cpu=(time.process_time() - cpu_before) / count
        )


def _hash_until(end: float) -> int:
    count = 0
    while time.perf_counter() < end:
        _HASHES.hash("Correct-horse-1")
        count += 1
    return count
