"""A row of the result: a case, the runs of --repeat added up, and what they must show."""

from collections import Counter
from dataclasses import dataclass

from harness.servers import Server

from .run import Run
from .schedule import Schedule


@dataclass
class Row:
    server: Server
    schedule: Schedule
    runs: list[Run]

    @property
    def experiment(self) -> str:
        return "rollout+chaos" if self.schedule.chaos else "rollout"

    @property
    def sent(self) -> int:
        return sum(run.sent for run in self.runs)

    @property
    def answered(self) -> int:
        return sum(run.answered for run in self.runs)

    @property
    def counted(self) -> int:
        return sum(run.counted for run in self.runs)

    @property
    def exact(self) -> int:
        """How many of the runs: a loss here and a double there do not make two of them."""
        return sum(run.is_exact for run in self.runs)

    @property
    def proxy_losses(self) -> Counter:
        return sum((run.proxy_losses for run in self.runs), Counter())

    @property
    def worst(self) -> Run:
        return max(self.runs, key=lambda run: (abs(run.difference), run.sent - run.answered))

    def failures(self) -> list[str]:
        """What this row shows that it must not show; empty when all is as expected."""
        found = []
        for number, run in enumerate(self.runs, start=1):
            where = f"run {number}: " if len(self.runs) > 1 else ""
            found += [f"{where}invalid: {reason}" for reason in run.invalid]
            found += [f"{where}{promise}" for promise in self._broken_promises(run)]
        return found

    def _broken_promises(self, run: Run) -> list[str]:
        if self.server.must_lose and run.counted >= run.answered:
            return ["every answer was counted, so this harness proves nothing"]
        if self.server.must_lose is not False:
            return []
        promises = []
        if run.answered != run.sent:
            lost = ", ".join(f"{name} {count}" for name, count in run.tally.lost_by.items())
            promises.append(f"{run.answered:,} of {run.sent:,} requests answered: {lost}")
        if run.counted != run.answered:
            promises.append(f"{run.answered:,} answered, {run.counted:,} counted")
        promises += [
            f"{departure.name} ended with exit code {departure.exit_code}, not 0"
            for departure in run.departures
            if departure.exit_code != 0
        ]
        return promises
