"""What asks and answers in these commands has three names. START HERE.

- An *experiment* is a question: one event, the load upon it, and what is judged.
- A *case* is one server in one shape under an experiment. A row of the result tells of it.
- A *run* is one execution of a case. --repeat adds runs up in a row.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import haproxy, outcome
from .replica import Departure, Event
from .vegeta import Vegeta


@dataclass(kw_only=True)
class Run:
    """What every run gives in which replicas behind HAProxy are restarted."""

    tally: outcome.Tally
    events: list[Event]
    departures: list[Departure]
    proxy_losses: Counter
    invalid: list[str] = field(default_factory=list)  # why it proves nothing, if so

    def remarks(self) -> Iterator[str]:
        """What is worth a line each while the next run is about to begin."""
        if self.proxy_losses:
            yield haproxy.describe(self.proxy_losses)
        for departure in self.departures:
            yield departure.describe()
        for reason in self.invalid:
            yield f"invalid: {reason}"


def machine_failures(tally: outcome.Tally, proxy_losses: Counter, load: Vegeta) -> list[str]:
    reasons = []
    if missing := load.missing(tally.requests):
        reasons.append(missing)
    if exhausted := tally.lost_by[outcome.HARNESS] + haproxy.ran_out(proxy_losses):
        reasons.append(f"out of ports or files {exhausted} times")
    return reasons
