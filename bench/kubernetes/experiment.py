"""What an experiment is, and a row of its result."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from harness import outcome
from harness.vegeta import Attack

from .case import Server, Shape
from .trial import Cluster, Run

PERCENTS = {"p50": 50, "p99": 99, "p99.9": 99.9, "max": 100}


@dataclass(frozen=True)
class Plan:
    """How much of an experiment is wanted."""

    quick: bool = False
    full: bool = False
    repeat: int = 1
    rate: int = 1000
    attacks: tuple[str, ...] = ()  # only these, where an experiment has several


@dataclass(frozen=True)
class Variant:
    """A server in an experiment, shaped for it. `must_lose` is what this row is judged by."""

    server: Server
    shape: Shape
    note: str = ""  # what is different from the rows beside it
    must_lose: bool | None = None

    @property
    def title(self) -> str:
        return f"{self.server.title}, {self.note}" if self.note else self.server.title


@dataclass
class Row:
    experiment: str
    variant: Variant
    attack: Attack
    exact: bool = False  # by clients that send nothing twice
    way: str = ""  # through what, where an experiment has several
    runs: list[Run] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.variant.title

    @property
    def requests(self) -> int:
        return sum(run.tally.requests for run in self.runs)

    @property
    def answered(self) -> int:
        return sum(run.tally.answered for run in self.runs)

    @property
    def lost(self) -> int:
        return self.requests - self.answered

    @property
    def lost_by(self) -> Counter:
        return sum((run.tally.lost_by for run in self.runs), Counter())

    @cached_property
    def latencies(self) -> dict[str, float]:
        """Seconds, over the answered requests: how fast a request is lost says nothing."""
        ordered = sorted(value for run in self.runs for value in run.tally.latencies)
        return {name: outcome.percentile(ordered, percent) for name, percent in PERCENTS.items()}

    @property
    def action_seconds(self) -> float:
        return max((run.action_seconds for run in self.runs), default=0.0)

    @property
    def worst(self) -> Run:
        return max(self.runs, key=lambda run: run.tally.lost)

    def problems(self) -> list[str]:
        """What this row shows that it must not show, or why it shows nothing."""
        found = [f"invalid: {reason}" for run in self.runs for reason in run.invalid]
        found += [problem for run in self.runs for problem in run.broken]
        lost_by_server = self.lost - self.lost_by[outcome.HARNESS]
        # Go's client sends a GET again whose kept connection died: such a row may hide all.
        can_hide = self.attack.method == "GET" and self.attack.keep_alive and not self.exact
        if self.variant.must_lose is True and lost_by_server == 0 and not can_hide:
            found.append("the control lost nothing, so this harness proves nothing")
        if self.variant.must_lose is False and lost_by_server:
            found.append(f"{lost_by_server:,} of {self.requests:,} requests lost, not 0")
        return found

    def bound(self) -> str | None:
        """None lost is not never: what the sample allows to say."""
        if self.lost or not self.requests:
            return None
        percent = 100 * outcome.bound_of_none(self.requests)
        return f"0 of {self.requests:,}: at most {percent:.2g} % at 95 %"


@dataclass(frozen=True)
class Experiment:
    name: str
    title: str
    quick: bool  # part of --quick
    run: Callable[[Cluster, Plan, Callable[[Row], None]], None]  # hands over each row when done
    needs_nodes: bool = False  # cannot be had in a cluster of somebody else
