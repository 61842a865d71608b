"""Rounds: each server under the same load for a second or so, one after the other, and again.

Whatever else the machine does changes from minute to minute, not from one server's turn to the
next. So costs are compared within a round, and of all rounds' ratios the median counts.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from harness.processes import HarnessError

from .cpus import used_by
from .loads import Load
from .servers import FLOOR, FLOORS, Server
from .wrk import Wrk

WARM_UP_SECONDS = 1  # of each server under each load, not measured
T = TypeVar("T")
Say = Callable[[str], None]


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
    idle_bytes: dict[str, float] = field(default_factory=dict)  # of memory, a connection

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


def interleaved(
    servers: list[Server],
    rounds: int,
    take: Callable[[Server], T],
    tell: Callable[[int, dict[str, list[T]]], None],
    say: Say,
) -> dict[str, list[T]]:
    """What each server's turns gave, a round each. `tell` is called behind each round.

    A peer that fails has no turns in the end; a server of ours must not.
    """
    turns: dict[str, list[T]] = {server.name: [] for server in servers}
    for number in range(rounds):
        # Every other round the other way round: nobody always comes after the same one.
        for server in servers if number % 2 == 0 else reversed(servers):
            if server.name not in turns:
                continue
            try:
                turns[server.name].append(take(server))
                server.child.check_running()
            except HarnessError as error:
                if not server.is_peer:
                    raise
                del turns[server.name]
                say(f"without {server.name}: {error}")
        tell(number, turns)
    return turns


def measure(
    wrk: Wrk,
    servers: list[Server],
    load: Load,
    rounds: int,
    seconds: int,
    say: Say,
) -> Row:
    def tell(number: int, turns: dict[str, list[Turn]]) -> None:
        costs = (f"{name} {of_server[-1].cpu_us:.3f}" for name, of_server in turns.items())
        say(f"{load.title}, round {number + 1}/{rounds}: us per request: {', '.join(costs)}")

    def take(server: Server) -> Turn:
        return _turn(wrk, server, load, seconds)

    turns = interleaved(servers, rounds, take, tell, say)
    return Row(load, load.request_bytes(servers[0].port), turns)


def warm_up(wrk: Wrk, servers: list[Server], load: Load, say: Say) -> list[Server]:
    """Those that are left: a peer may fail."""
    left = interleaved(
        servers, 1, lambda server: wrk.run(server, load, WARM_UP_SECONDS), lambda *_: None, say
    )
    return [server for server in servers if server.name in left]


def _turn(wrk: Wrk, server: Server, load: Load, seconds: int) -> Turn:
    before = used_by(server.pid)
    answered = wrk.run(server, load, seconds)
    used = used_by(server.pid) - before
    return Turn(answered, used.user, used.system, seconds)
