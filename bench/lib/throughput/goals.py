"""What is aimed at, beside what was measured. Told, not judged: what is judged is in table.py."""

from collections.abc import Callable
from dataclasses import dataclass

from .course import Rows
from .latencies import Latencies
from .peers import NGINX, UWEBSOCKETS
from .rounds import Row
from .servers import FLOOR, LASTCALL, PARSING_FLOOR


@dataclass(frozen=True)
class Goal:
    """lastcall's cost by io_uring, or its p99, is at most so much of another's."""

    load: str
    rows: Callable[[Rows], list[Row] | list[Latencies]]
    other: str
    most: float
    of: str = ""  # a field of Latency

    def measured(self, rows: Rows) -> float | None:
        """None where one of the two was not."""
        for row in self.rows(rows):
            if row.load.name == self.load and {LASTCALL, self.other} <= set(row.turns):
                more = [self.of] if self.of else []
                return row.ratio(LASTCALL, self.other, *more)
        return None

    def title(self, rows: Rows) -> str:
        """Of what was measured."""
        title = next(row.load.title for row in self.rows(rows) if row.load.name == self.load)
        what = "p99" if self.of else "CPU"
        return f"{title}: {what}, of {self.other}"


def _floors(rows: Rows) -> list[Row]:
    return rows.floors


def _peers(rows: Rows) -> list[Row]:
    return rows.peers


GOALS = (
    Goal("keep-alive", _floors, FLOOR, 1.05),
    Goal("many", _floors, FLOOR, 1.05),
    Goal("pipelined", _floors, PARSING_FLOOR, 1.15),
    Goal("browsers", _floors, PARSING_FLOOR, 1.15),
    Goal("post-64k", _peers, UWEBSOCKETS, 1.0),
    Goal("post-1m", _peers, UWEBSOCKETS, 1.0),
    Goal("get-1m", _peers, NGINX, 1.0),
    Goal("one", _peers, NGINX, 1.0),
    Goal("fixed-rate", lambda rows: rows.steady_floors, FLOOR, 1.3, of="p99"),
)


def lines(rows: Rows) -> list[list[str]]:
    """A line for each goal that can be told of, under a head."""
    told = [["goal", "at most", "measured", "met"]]
    for goal in GOALS:
        measured = goal.measured(rows)
        if measured is not None:
            met = "yes" if measured <= goal.most else "no"
            told.append([goal.title(rows), f"{goal.most:.2f}", f"{measured:.2f}", met])
    return told


def as_objects(rows: Rows) -> list[dict]:
    return [
        {"load": goal.load, "of": goal.other, "at_most": goal.most, "measured": goal.measured(rows)}
        for goal in GOALS
    ]
