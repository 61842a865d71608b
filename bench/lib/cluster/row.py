"""A row of the result: a case under one attack, the runs of --repeat added up."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median

from harness.outcome import percentile
from harness.sums import PERCENTS, Sums
from harness.vegeta import Attack

from .case import Case
from .event import Event, Run

INVALID = "invalid: "  # a problem of the machine's, not of a server


@dataclass
class Row(Sums):
    experiment: str
    case: Case
    attack: Attack
    sends_once: bool = False  # by clients that send nothing again by themselves
    way: str = ""  # through what, where an experiment has several
    rate: int = 0  # requests a second; 0 in a closed loop
    seconds: float = 0.0
    runs: list[Run] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.case.title

    @property
    def label(self) -> str:
        through = f" ({self.way})" if self.way else ""
        return f"{self.title}{through}: {self.attack.title}"

    @property
    def events(self) -> list[Event]:
        return [run.event for run in self.runs]

    @property
    def counted(self) -> int | None:
        """Of the answers; None where an answer promises nothing."""
        counts = [event.counted for event in self.events if event.counted is not None]
        return sum(counts) if counts else None

    @property
    def named(self) -> int:
        return sum(event.named for event in self.events)

    @property
    def event_seconds(self) -> float:
        return max((event.seconds for event in self.events), default=0.0)

    @property
    def answered_by(self) -> dict[str, int]:
        """By pod."""
        found: Counter[str] = Counter()
        for run in self.runs:
            found.update({pod: sum(bins) for pod, bins in run.tally.served.items()})
        return dict(found)

    @cached_property
    def typical(self) -> dict[str, float]:
        """Of each run the latencies, of these the median: a maximum grows with the runs."""
        runs = [sorted(run.tally.latencies) for run in self.runs]
        return {
            name: median(percentile(each, percent) for each in runs)
            for name, percent in PERCENTS.items()
        }

    @property
    def strays(self) -> int:
        """Of the lost ones: what no rule of a node's led to the server."""
        return sum(run.strays for run in self.runs)

    @property
    def lost_by_server(self) -> int:
        return super().lost_by_server - self.strays

    @property
    def can_hide(self) -> bool:
        """Go's client sends a GET again whose kept connection died: such a row may hide all."""
        return self.attack.method == "GET" and self.attack.keep_alive and not self.sends_once

    @property
    def is_judge(self) -> bool:
        """A control whose loss shows that the harness sees losses."""
        return self.case.must_lose is True and not self.can_hide

    def bound(self) -> str | None:
        return None if self.can_hide else super().bound()

    def problems(self) -> list[str]:
        """What this row shows that it must not show, or why it shows nothing."""
        found = [f"{INVALID}{reason}" for run in self.runs for reason in run.invalid]
        if self.case.must_lose is False and self.lost_by_server:
            found.append(f"{self.lost_by_server:,} of {self.requests:,} requests lost, not 0")
        return found


def common_problems(rows: list[Row]) -> list[str]:
    """As Row.problems, of rows that have their events in common."""
    events = rows[0].events
    found = [f"{INVALID}{reason}" for event in events for reason in event.invalid]
    return found + [problem for event in events for problem in event.broken]
