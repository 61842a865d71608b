"""What the runs of one row add up to."""

from collections import Counter
from functools import cached_property

from .outcome import HARNESS, most, percentile

PERCENTS = {"p50": 50, "p99": 99, "p99.9": 99.9, "max": 100}


class Sums:
    """For a row whose `runs` have a `tally` each."""

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
    def lost_by_server(self) -> int:
        """Without what the harness itself lost for want of ports or files."""
        return self.lost - self.lost_by[HARNESS]

    @cached_property
    def latencies(self) -> dict[str, float]:
        """Seconds, over the answered requests: how fast a request is lost says nothing."""
        ordered = sorted(value for run in self.runs for value in run.tally.latencies)
        return {name: percentile(ordered, percent) for name, percent in PERCENTS.items()}

    @property
    def worst(self):
        """The run that lost most."""
        return max(self.runs, key=lambda run: run.tally.lost)

    def bound(self) -> str | None:
        """None lost is not never: what the sample allows to say."""
        if self.lost > 0 or self.requests == 0:
            return None
        return f"0 of {self.requests:,}: {most(self.requests)}"
