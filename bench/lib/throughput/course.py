"""All rows, one after the other, each with servers of its own."""

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.processes import HarnessError

from . import answers, fairness, latencies, rounds
from .fairness import Fairness
from .fleet import Fleet, Stage
from .latencies import LONGER, Latencies
from .loads import COROUTINES, GREEDY, LOADS, OTHERS, STEADY_LOADS, UPLOADS, Load, SteadyLoad
from .rounds import Row, Say
from .servers import PARSING_FLOOR, Server

PEERS_SHARE = 4  # of the rounds: peers have one in so many


@dataclass(frozen=True)
class Rows:
    """What was measured of the rows that were chosen, in the order of loads.py."""

    floors: list[Row]  # lastcall beside the floors
    peers: list[Row]  # lastcall beside others
    coroutines: list[Row]  # one at most, as is fairness
    steady_floors: list[Latencies]
    steady_peers: list[Latencies]
    fairness: list[Fairness]


@dataclass(frozen=True)
class Course:
    chosen: argparse.Namespace
    fleet: Fleet
    say: Say

    def run(self) -> Rows:
        loads = [load for load in LOADS if self._is_chosen(load)]
        steady = [load for load in STEADY_LOADS if self._is_chosen(load)]
        return Rows(
            [self.beside_floors(load, self.chosen.rounds) for load in loads if load.floors],
            [self._closed(load, self._peers(load), self._peer_rounds) for load in loads],
            [self._coroutines()] if self._is_chosen(COROUTINES) else [],
            [self._steady_beside_floors(load) for load in steady if load.floors],
            [self._steady(load, self._peers(load), self._peer_rounds) for load in steady],
            [self._fairness()] if self._is_chosen(GREEDY) else [],
        )

    def beside_floors(self, load: Load, count: int) -> Row:
        return self._closed(load, self.fleet.beside_floors(), count)

    def _is_chosen(self, load: Load | SteadyLoad) -> bool:
        return not self.chosen.row or load.name in self.chosen.row

    @property
    def _peer_rounds(self) -> int:
        return max(1, self.chosen.rounds // PEERS_SHARE)

    def _peers(self, load: Load | SteadyLoad) -> list[str]:
        return self.fleet.beside_peers(load.needs)

    def _coroutines(self) -> Row:
        return self._closed(COROUTINES, self.fleet.coroutines(), self._peer_rounds)

    def _closed(self, load: Load, names: list[str], count: int) -> Row:
        with self._stage(names, load.of_sample, load) as stage:
            wrk, servers = stage.wrk, stage.servers
            if load.idle or not self.chosen.quick:
                servers = rounds.warm_up(wrk, servers, load, self.say)
            held = servers if load.idle else []
            idle_bytes = {each.name: bytes_of_each(stage, each, load.idle) for each in held}
            row = rounds.measure(wrk, servers, load, count, self.chosen.seconds, self.say)
            row.idle_bytes.update(idle_bytes)
            return row

    def _steady_beside_floors(self, load: SteadyLoad) -> Latencies:
        names = [name for name in self.fleet.beside_floors() if name != PARSING_FLOOR]
        return self._steady(load, names, self.chosen.rounds)

    def _steady(self, load: SteadyLoad, names: list[str], count: int) -> Latencies:
        asked = UPLOADS if load.uploads else OTHERS
        seconds = self.chosen.seconds * (1 if self.chosen.quick else LONGER)
        with self._stage(names, load.of_sample, asked) as stage:
            return latencies.measure(
                stage.steady, stage.wrk, stage.servers, load, count, seconds, self.say
            )

    def _fairness(self) -> Fairness:
        names = self.fleet.beside_peers(GREEDY.needs)
        with self._stage(names, GREEDY.of_sample, GREEDY) as stage:
            seconds = self.chosen.seconds
            return fairness.measure(
                stage.wrk, stage.servers, self._peer_rounds, seconds, self.say
            )

    @contextlib.contextmanager
    def _stage(self, names: list[str], of_sample: bool, asked: Load) -> Iterator[Stage]:
        """Without the peers whose answer to what is asked is not what it must be."""
        with self.fleet.started(names, of_sample) as stage:
            left = [each for each in stage.servers if self._does(each, asked)]
            yield replace(stage, servers=left)

    def _does(self, server: Server, asked: Load) -> bool:
        wrong = answers.wrong(server, asked)
        if wrong and not server.is_peer:
            raise HarnessError(f"{asked.title}: {server.name}: {wrong}")
        if wrong:
            self.say(f"{asked.title}: without {server.name}: {wrong}")
        return not wrong


def bytes_of_each(stage: Stage, server: Server, connections: int) -> float:
    """Holds so many idle connections from here on: the memory that one takes of the server's."""
    before = server.resident_bytes()
    stage.steady.hold(server, connections)
    return (server.resident_bytes() - before) / connections
