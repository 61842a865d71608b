"""What a proxy adds to the latency of a modest load: vegeta at a fixed rate, with and without it.

Latencies are measured from the moment a request was due. Turns alternate, and of the differences
within a round the median counts. The scheduler places the load where it likes.
"""

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness import outcome
from harness.processes import Children, HarnessError
from harness.vegeta import ATTACKS, Vegeta
from throughput.servers import Server

from .proxies import UPSTREAM

PERCENTS = (50, 99)
GET = ATTACKS["get"]


@dataclass
class Latencies:
    """In ms, by percent and by server: a round each."""

    rate: int
    seconds: int
    ms: dict[int, dict[str, list[float]]] = field(default_factory=dict)

    @property
    def proxies(self) -> list[str]:
        return [name for name in self.ms[PERCENTS[0]] if name != UPSTREAM]

    def added(self, server: str, percent: int) -> float:
        mine, bare = self.ms[percent][server], self.ms[percent][UPSTREAM]
        return statistics.median(a - b for a, b in zip(mine, bare, strict=True))


def measure(
    children: Children,
    vegeta: Path,
    servers: list[Server],
    rate: int,
    rounds: int,
    seconds: int,
    say: Callable[[str], None],
) -> Latencies:
    names = [server.name for server in servers]
    found = Latencies(rate, seconds, {each: {name: [] for name in names} for each in PERCENTS})
    for number in range(rounds):
        for server in servers if number % 2 == 0 else reversed(servers):
            ordered = _turn(children, vegeta, server, rate, seconds)
            for percent, by_server in found.ms.items():
                by_server[server.name].append(outcome.percentile(ordered, percent) * 1000)
        told = (f"{name} {values[-1]:.2f}" for name, values in found.ms[PERCENTS[-1]].items())
        say(f"{rate:,}/s, round {number + 1}/{rounds}: p99 ms: {', '.join(told)}")
    return found


def _turn(
    children: Children, vegeta: Path, server: Server, rate: int, seconds: int
) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="lastcall-") as folder:
        url = f"http://127.0.0.1:{server.port}"
        load = Vegeta(vegeta, children, Path(folder), GET, url, rate, seconds)
        load.wait()
        tally = outcome.tally(load.results(), GET.expected)
    if tally.lost:
        raise HarnessError(f"{server.name} lost {tally.lost:,} of {tally.requests:,} requests")
    return sorted(tally.latencies)
