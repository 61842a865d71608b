"""Rows as bench/count would have made them, for tests of what is done with rows."""

from array import array
from collections import Counter

from count.row import Row
from count.run import Run
from count.schedule import CUT_UNREAD, SIGKILL, Deed, Schedule
from count.servers import SERVERS
from harness.outcome import Tally
from harness.replica import Departure, Event

BEGAN = 1000.0
EVENTS = [
    Event(BEGAN - 1, "start", "replica-1"),
    Event(BEGAN + 8, "SIGTERM", "replica-1"),
    Event(BEGAN + 18, "exit", "replica-1"),
    Event(BEGAN + 18, "start", "replica-1"),
]
DEEDS = [
    Deed(BEGAN + 1, CUT_UNREAD),
    Deed(BEGAN + 10, SIGKILL),
    Deed(BEGAN + 11.5, "started"),
]


def schedule(chaos: bool = False) -> Schedule:
    return Schedule(1000, 25, 5.0, 5.0, chaos)


def run(sent: int, answered: int, counted: int, exit_code: int = 0, invalid=()) -> Run:
    tally = Tally(
        latencies=array("d", [0.002] * answered),
        lost_by=Counter({"5xx": sent - answered} if sent > answered else {}),
        bins=[[answered, sent - answered]] + [[0, 0]] * 399,
        began_at=BEGAN,
    )
    samples = [(BEGAN + 6, counted // 2), (BEGAN + 45, counted)]
    departures = [Departure("replica-1", exit_code, "")]
    return Run(
        tally=tally,
        counted=counted,
        samples=samples,
        events=EVENTS,
        departures=departures,
        deeds=DEEDS,
        proxy_losses=Counter(),
        invalid=list(invalid),
    )


def row(server: str, *runs: Run, chaos: bool = False) -> Row:
    return Row(SERVERS[server], schedule(chaos), list(runs))
