"""What one client that pipelines far too much leaves to those that do not."""

import statistics
from dataclasses import dataclass

from .loads import GREEDY, OTHERS
from .rounds import Say, interleaved
from .servers import Server
from .wrk import Wrk


@dataclass(frozen=True)
class Shares:
    """One server in one round: requests per second."""

    alone: float  # of each of the others, without him
    beside: float  # the same, with him
    greedy: float  # of his


@dataclass(frozen=True)
class Fairness:
    turns: dict[str, list[Shares]]

    def median(self, server: str, of: str) -> float:
        return statistics.median(getattr(turn, of) for turn in self.turns[server])

    def as_object(self) -> dict:
        return {name: [vars(turn) for turn in turns] for name, turns in self.turns.items()}


def measure(wrk: Wrk, servers: list[Server], rounds: int, seconds: int, say: Say) -> Fairness:
    def take(server: Server) -> Shares:
        alone = wrk.run(server, OTHERS, seconds)
        greedy = wrk.start(server, GREEDY, seconds)
        beside = wrk.run(server, OTHERS, seconds)
        each = OTHERS.connections * seconds
        return Shares(alone / each, beside / each, greedy.answered() / seconds)

    def tell(number: int, turns: dict[str, list[Shares]]) -> None:
        left = (f"{name} {each[-1].beside:.0f}/s" for name, each in turns.items())
        say(f"beside {GREEDY.title}, round {number + 1}/{rounds}: {', '.join(left)}")

    return Fairness(interleaved(servers, rounds, take, tell, say))
