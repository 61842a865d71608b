"""A row of the result: a program, bare or behind lastcall, under one of its attacks."""

from dataclasses import dataclass

from rollout.row import Row

from .run import WrapRun


@dataclass
class WrapRow(Row):
    runs: list[WrapRun]

    @property
    def counted(self) -> int | None:
        """Of the answers; None where an answer promises nothing."""
        counts = [run.counted for run in self.runs if run.counted is not None]
        return sum(counts) if counts else None

    def broken_promises(self) -> list[str]:
        """Whether a bare program lost anything is asked of all of its attacks: `idle_control`."""
        promises = [] if self.server.must_lose else super().broken_promises()
        for run in self.runs:
            if run.counted is None:
                continue
            if self.server.must_lose is False and run.counted != run.tally.answered:
                promises.append(f"{run.tally.answered:,} answered, {run.counted:,} counted")
            if self.server.must_lose and run.counted >= run.tally.answered:
                promises.append("every answer was counted, so this harness proves nothing")
        return promises


def idle_control(rows: list[WrapRow]) -> list[str]:
    """`rows`: of the same rollouts. Some attack has lost something to a bare program."""
    server = rows[0].server
    if not server.must_lose or any(row.lost_by_server for row in rows):
        return []
    return [f"{server.title}: it lost nothing, so this harness proves nothing"]
