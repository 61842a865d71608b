"""Rows as a benchmark would have made them, for tests of what is done with rows."""

from array import array
from collections import Counter

from harness.outcome import Tally
from harness.replica import Departure, Event
from harness.vegeta import ATTACKS
from rollout.row import Row
from rollout.run import Run
from rollout.servers import SERVERS

EVENTS = [
    Event(1002.0, "start", "new-1"),
    Event(1002.5, "SIGTERM", "old-1"),
    Event(1004.0, "exit", "old-1"),
]


def run(answered: int, lost_by: dict[str, int], exit_code: int = 0, invalid=()) -> Run:
    lost = sum(lost_by.values())
    tally = Tally(
        latencies=array("d", [0.002] * answered),
        lost_by=Counter(lost_by),
        bins=[[answered, 0], [0, lost]],
        began_at=1000.0,
    )
    departures = [Departure("old-1", exit_code, '{"exit": 0, "finished": 7}')]
    return Run(
        tally=tally,
        events=EVENTS,
        departures=departures,
        proxy_losses=Counter(),
        rollout_seconds=2.0,
        invalid=list(invalid),
    )


def row(server: str, attack: str, *runs: Run) -> Row:
    return Row(SERVERS[server], ATTACKS[attack], list(runs))
