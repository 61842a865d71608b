"""Latencies at a steady rate, from the instant that each request is due; the servers take turns."""

import statistics
from dataclasses import dataclass, replace

from .loads import UPLOADS, SteadyLoad
from .rounds import Say, interleaved
from .servers import Server
from .steady import Latency, Steady
from .wrk import Wrk

LONGER = 3  # than another turn: a thousandth of few requests is none
HEAD_START_SECONDS = 1  # of the uploads


@dataclass(frozen=True)
class Latencies:
    """One steady load: the turns of each server, a round each."""

    load: SteadyLoad
    turns: dict[str, list[Latency]]

    def median(self, server: str, of: str) -> float:
        """Of all rounds; `of`: a field of Latency."""
        return statistics.median(getattr(turn, of) for turn in self.turns[server])

    def ratio(self, server: str, to: str, of: str) -> float:
        """The median of those within each round."""
        pairs = zip(self.turns[server], self.turns[to], strict=True)
        return statistics.median(getattr(mine, of) / getattr(other, of) for mine, other in pairs)

    def cpu_us(self, server: str) -> float:
        """A request, over all rounds: the ticks of one are too coarse."""
        turns = self.turns[server]
        return sum(turn.cpu_seconds for turn in turns) / sum(t.requests for t in turns) * 1e6

    def as_object(self) -> dict:
        return {
            "load": self.load.name,
            "turns": {name: [vars(turn) for turn in turns] for name, turns in self.turns.items()},
        }


def measure(
    steady: Steady,
    wrk: Wrk,
    servers: list[Server],
    load: SteadyLoad,
    rounds: int,
    seconds: int,
    say: Say,
) -> Latencies:
    def take(server: Server) -> Latency:
        if not load.uploads:
            return steady.run(server, load, seconds)
        uploading_seconds = seconds + HEAD_START_SECONDS
        uploading = wrk.start(server, UPLOADS, uploading_seconds)
        found = steady.run(server, load, seconds)
        return replace(found, uploads_per_second=uploading.answered() / uploading_seconds)

    def tell(number: int, turns: dict[str, list[Latency]]) -> None:
        tails = (f"{name} {of_server[-1].p99:.0f}" for name, of_server in turns.items())
        say(f"{load.title}, round {number + 1}/{rounds}: p99 us: {', '.join(tails)}")

    return Latencies(load, interleaved(servers, rounds, take, tell, say))
