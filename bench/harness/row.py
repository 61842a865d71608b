"""One row of the result: a server under an attack, the runs of --repeat added up."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from .outcome import HARNESS, bound_of_none, percentile
from .replica import Variant
from .rolling import Run
from .vegeta import Attack

PERCENTS = {"p50": 50, "p99": 99, "p99.9": 99.9, "max": 100}


@dataclass
class Row:
    variant: Variant
    attack: Attack
    runs: list[Run]

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

    @property
    def proxy_losses(self) -> Counter:
        return sum((run.proxy_losses for run in self.runs), Counter())

    @cached_property
    def latencies(self) -> dict[str, float]:
        """Seconds, over the answered requests: how fast a request is lost says nothing."""
        ordered = sorted(value for run in self.runs for value in run.tally.latencies)
        return {name: percentile(ordered, percent) for name, percent in PERCENTS.items()}

    @property
    def rollout_seconds(self) -> float:
        return max(run.rollout_seconds for run in self.runs)

    @property
    def worst(self) -> Run:
        return max(self.runs, key=lambda run: run.tally.lost)

    @property
    def success_percent(self) -> float:
        return 100 * self.answered / self.requests if self.requests else 0.0

    def invalidity(self) -> list[str]:
        return [reason for run in self.runs for reason in run.invalid]

    def broken_promises(self) -> list[str]:
        """What this row shows that it must not show; empty when all is as expected."""
        promises = []
        lost_by_server = self.lost - self.lost_by[HARNESS]
        if self.variant.must_lose is True and lost_by_server == 0:
            promises.append("the control lost nothing, so this harness proves nothing")
        if self.variant.must_lose is False:
            if lost_by_server > 0:
                promises.append(f"{lost_by_server:,} of {self.requests:,} requests lost, not 0")
            for run in self.runs:
                promises += [
                    f"{departure.name} ended with exit code {departure.exit_code}, not 0"
                    for departure in run.departures
                    if departure.exit_code != 0
                ]
        return promises

    def bound(self) -> str | None:
        """None lost is not never: what the sample allows to say."""
        if self.lost > 0 or self.requests == 0:
            return None
        return f"0 of {self.requests:,}: at most {100 * bound_of_none(self.requests):.2g} % at 95 %"
