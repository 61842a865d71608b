"""What an experiment is, and a row of its result."""

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.sums import Sums
from harness.vegeta import Attack

from .case import Server, Shape
from .trial import Cluster, Run


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
class Row(Sums):
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
    def action_seconds(self) -> float:
        return max((run.action_seconds for run in self.runs), default=0.0)

    def problems(self) -> list[str]:
        """What this row shows that it must not show, or why it shows nothing."""
        found = [f"invalid: {reason}" for run in self.runs for reason in run.invalid]
        found += [problem for run in self.runs for problem in run.broken]
        # Go's client sends a GET again whose kept connection died: such a row may hide all.
        can_hide = self.attack.method == "GET" and self.attack.keep_alive and not self.exact
        if self.variant.must_lose is True and self.lost_by_server == 0 and not can_hide:
            found.append("the control lost nothing, so this harness proves nothing")
        if self.variant.must_lose is False and self.lost_by_server:
            found.append(f"{self.lost_by_server:,} of {self.requests:,} requests lost, not 0")
        return found


@dataclass(frozen=True)
class Experiment:
    name: str
    title: str
    quick: bool  # part of --quick
    run: Callable[[Cluster, Plan, Callable[[Row], None]], None]  # hands over each row when done
    needs_nodes: bool = False  # cannot be had in a cluster of somebody else
