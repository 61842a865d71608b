"""One run of a case: what was done to its pods, and what each attack met of it."""

from dataclasses import dataclass, field, replace

from harness import outcome

from . import strays
from .load import Running
from .pods import Life


@dataclass
class Event:
    """What was done to the pods while they were asked, and how they took it."""

    at: float  # Unix time
    seconds: float = 0.0  # what it took
    lives: list[Life] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)  # why it proves nothing: the machine failed
    notes: list[str] = field(default_factory=list)  # what there is to tell
    broken: list[str] = field(default_factory=list)  # promises, beyond lost requests
    over_at: float = 0.0  # when the last client had its last answer
    counted: int | None = None  # of the answers, where they are a promise to count
    named: int = 0  # of these promises, what the pods said that they could not keep


@dataclass
class Run:
    """What one attack met of an event."""

    tally: outcome.Tally
    event: Event
    strays: int = 0  # of the lost ones: what no rule led to any pod
    invalid: list[str] = field(default_factory=list)


def since(lives: list[Life], moment: float) -> list[Life]:
    """What lived at `moment` or after it, by clocks that know whole seconds."""
    found = []
    for life in lives:
        containers = [each for each in life.containers if (each.ended_at or moment) >= moment - 1]
        gone = life.deleted_at is not None and not containers
        if not gone:
            found.append(replace(life, containers=containers))
    return found


def share_out(count: int, runs: list[Run], event: Event, behind_proxy: bool = False) -> None:
    """Strays among the runs that met a refusal: whose they were nobody knows. A proxy tells of a
    refusal by a status."""
    if not count:
        return
    if not strays.plausible(count, sum(run.tally.requests for run in runs)):
        event.notes.append(f"{count} connections were led to no pod: too many to excuse one")
        return
    event.notes.append(f"{count} connections were led to no pod by rules that just changed")
    told_as = outcome.STATUS_5XX if behind_proxy else outcome.REFUSED
    for run in runs:
        run.strays = min(count, run.tally.lost_by[told_as])
        count -= run.strays


def invalidity(run: Run, load: Running) -> list[str]:
    reasons = []
    if shortfall := load.shortfall(run.tally):
        reasons.append(shortfall)
    if exhausted := run.tally.lost_by[outcome.HARNESS]:
        reasons.append(f"out of ports or files {exhausted} times")
    return reasons
