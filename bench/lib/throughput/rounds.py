"""Rounds: each server under the same load for a few seconds, one after the other, and again.

Whatever else the machine does changes from minute to minute, not from one server's turn to the
next. So costs are compared within a round, and of all rounds' ratios the median counts.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from .cpus import used_by
from .servers import FLOOR, FLOORS, Server
from .wrk import Load, Wrk

WARM_UP_SECONDS = 1  # of each server under each load, not measured


@dataclass(frozen=True)
class Turn:
    """One server in one round."""

    requests: int
    user_seconds: float
    system_seconds: float
    seconds: int

    @property
    def cpu_us(self) -> float:
        """CPU microseconds per request."""
        return (self.user_seconds + self.system_seconds) / self.requests * 1e6


@dataclass
class Row:
    """One load: the turns of each server, a round each."""

    load: Load
    request_bytes: int
    turns: dict[str, list[Turn]] = field(default_factory=dict)

    def cpu_us(self, server: str) -> float:
        return statistics.median(turn.cpu_us for turn in self.turns[server])

    def per_second(self, server: str) -> float:
        return statistics.median(turn.requests / turn.seconds for turn in self.turns[server])

    def user_share(self, server: str) -> float:
        user = sum(turn.user_seconds for turn in self.turns[server])
        return user / (user + sum(turn.system_seconds for turn in self.turns[server]))

    def ratios(self, server: str, to: str = "") -> list[float]:
        """To its floor, or another server, in each round."""
        others = self.turns[to or FLOORS.get(server, FLOOR)]
        return [
            mine.cpu_us / other.cpu_us
            for mine, other in zip(self.turns[server], others, strict=True)
        ]

    def ratio(self, server: str, to: str = "") -> float:
        return statistics.median(self.ratios(server, to))

    def as_object(self, server: str) -> dict:
        return {
            "load": self.load.name,
            "server": server,
            "cpu_us_per_request": self.cpu_us(server),
            "user_share": self.user_share(server),
            "requests_per_second": self.per_second(server),
            "turns": [vars(turn) for turn in self.turns[server]],
        }


def measure(
    wrk: Wrk,
    servers: list[Server],
    load: Load,
    rounds: int,
    seconds: int,
    say: Callable[[str], None],
) -> Row:
    row = Row(load, load.request_bytes(servers[0].port), {server.name: [] for server in servers})
    for server in servers:
        wrk.run(server, load, WARM_UP_SECONDS)
    for number in range(rounds):
        # Every other round the other way round: nobody always comes after the same one.
        for server in servers if number % 2 == 0 else reversed(servers):
            row.turns[server.name].append(_turn(wrk, server, load, seconds))
        costs = (f"{name} {turns[-1].cpu_us:.3f}" for name, turns in row.turns.items())
        say(f"{load.title}, round {number + 1}/{rounds}: us per request: {', '.join(costs)}")
    return row


def _turn(wrk: Wrk, server: Server, load: Load, seconds: int) -> Turn:
    before = used_by(server.pid)
    answered = wrk.run(server, load, seconds)
    used = used_by(server.pid) - before
    server.child.check_running()
    return Turn(answered, used.user, used.system, seconds)
