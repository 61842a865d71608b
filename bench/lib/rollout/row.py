"""A row of the result: a case under its attack, the runs of --repeat added up."""

from collections import Counter
from dataclasses import dataclass

from harness.servers import Server
from harness.sums import Sums
from harness.vegeta import Attack

from .run import Run


@dataclass
class Row(Sums):
    server: Server
    attack: Attack
    runs: list[Run]

    @property
    def proxy_losses(self) -> Counter:
        return sum((run.proxy_losses for run in self.runs), Counter())

    @property
    def rollout_seconds(self) -> float:
        return max(run.rollout_seconds for run in self.runs)

    @property
    def success_percent(self) -> float:
        return 100 * self.answered / self.requests if self.requests else 0.0

    def invalidity(self) -> list[str]:
        return [reason for run in self.runs for reason in run.invalid]

    def broken_promises(self) -> list[str]:
        """What this row shows that it must not show; empty when all is as expected."""
        promises = []
        if self.server.must_lose is True and self.lost_by_server == 0:
            promises.append("the control lost nothing, so this harness proves nothing")
        if self.server.must_lose is False:
            if self.lost_by_server > 0:
                lost = f"{self.lost_by_server:,} of {self.requests:,}"
                promises.append(f"{lost} requests lost, not 0")
            for run in self.runs:
                promises += [
                    f"{departure.name} ended with exit code {departure.exit_code}, not 0"
                    for departure in run.departures
                    if departure.exit_code != 0
                ]
        return promises
