"""What clients saw each pod answer, beside what the pod says itself: two books that must agree.

Each answer names its pod. A pod's own word is its audit, or its metrics while it lives; the probes
that it answered are not among what clients saw.
"""

from collections import Counter
from dataclasses import dataclass

from harness.outcome import HARNESS, REFUSED, Tally

from .load import NO_ROUTE

NEVER_ARRIVED = (HARNESS, REFUSED, NO_ROUTE)  # losses that no pod can have answered


@dataclass
class Told:
    """By one pod, the runs of its container added up."""

    answered: int = 0
    undelivered: int = 0  # of these the kernel could not say whether they arrived
    complete: bool = True  # no run of its container is unknown
    asked_in_vain: bool = False  # it is there, and did not say

    def add(self, counts: dict, suffix: str = "") -> None:
        """After the load what is still in flight is a probe: the one that asked, for instance."""

        def count(name: str) -> int:
            return int(counts.get(f"{name}{suffix}", 0))

        probes_answered = count("probes_received") - int(counts.get("requests_in_flight", 0))
        # The audit has subtracted what clients never read; /metrics counts it apart.
        unread = count("answers_unread")
        self.answered += count("requests_answered") - unread - probes_answered
        self.undelivered += count("requests_undelivered")


class Accounts:
    """From the first request of a case on."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.lost = 0  # of those some pod may think that it has answered them

    def add(self, tally: Tally) -> None:
        self.lost += tally.lost - sum(tally.lost_by[name] for name in NEVER_ARRIVED)
        for server, bins in tally.served.items():
            self.seen[server] += sum(bins)

    def sum(self, told: dict[str, Told]) -> str:
        known = {name: each for name, each in told.items() if each.complete}
        mine = sum(each.answered for each in known.values())
        theirs = sum(self.seen[name] for name in known)
        return f"{len(known)} pods say that they answered {mine:,}, their clients {theirs:,}"

    def disagreements(self, told: dict[str, Told]) -> list[str]:
        known = {name: each for name, each in told.items() if each.complete}
        surplus = {name: each.answered - self.seen[name] for name, each in known.items()}
        too_many = sum(max(count, 0) for count in surplus.values()) > self.lost
        found = [
            f"{name} says that it answered {each.answered:,}, its clients {self.seen[name]:,}"
            for name, each in known.items()
            if -surplus[name] > each.undelivered or (too_many and surplus[name] > 0)
        ]
        unknown = self.seen.keys() - told.keys()
        found += [f"{name} answered, and no pod has that name" for name in sorted(unknown)]
        silent = [name for name in self.seen if name in told and told[name].asked_in_vain]
        return found + [f"{name} did not say what it has answered" for name in silent]
