"""The result in columns for a terminal, as an object for JSON, and what is judged of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.table import align

from . import cpus, goals, rounds
from .course import Rows
from .fairness import Fairness
from .latencies import Latencies
from .loads import GREEDY, KEEP_ALIVE
from .servers import EPOLL, FLOOR, FLOORS, LASTCALL

RATIO_MAX = 1.15  # of its floor
JUDGED = KEEP_ALIVE.name
HEAD = ["load", "server", "CPU us/request", "of its floor", "ours of it", "user %", "requests/s"]
COST_HEAD = ["request", "", "ns/request", "lowest", "highest", "heap allocations"]
LATENCY_HEAD = ["load", "server", "p50 us", "p99 us", "p99.9 us", "longest", "CPU us/request",
                "uploads/s"]
FAIRNESS_HEAD = ["load", "server", "each of 64/s, without him", "with him", "he/s"]


@dataclass(frozen=True)
class Result:
    pair: cpus.Pair
    rows: Rows
    costs: list[dict]  # as request_cost prints them
    absent: dict[str, str]  # peers, and why
    retried: bool

    @property
    def judged(self) -> rounds.Row | None:
        """None where it was not asked for."""
        return next((row for row in self.rows.floors if row.load.name == JUDGED), None)


def ours_of(row: rounds.Row | Latencies | Fairness) -> list[str]:
    """lastcall, by whatever engines are measured."""
    return [name for name in (LASTCALL, EPOLL) if name in row.turns]


def judged_ratios(result: Result) -> dict[str, float]:
    row = result.judged
    return {name: row.ratio(name) for name in ours_of(row)} if row else {}


def report(result: Result) -> None:
    print("\n\n".join(sections(result)))


def sections(result: Result) -> Iterator[str]:
    rows = result.rows
    closed = [*rows.floors, *rows.peers, *rows.coroutines]
    if closed:
        yield align([HEAD, *(cells(row, name) for row in closed for name in row.turns)])
        yield "\n".join(spreads(rows.floors))
    steady = [*rows.steady_floors, *rows.steady_peers]
    if steady:
        lines = (latency_cells(row, name) for row in steady for name in row.turns)
        yield align([LATENCY_HEAD, *lines])
    for row in rows.fairness:
        yield align([FAIRNESS_HEAD, *(fairness_cells(row, name) for name in row.turns)])
    if held := [row for row in closed if row.idle_bytes]:
        told = {name: each for row in held for name, each in row.idle_bytes.items()}
        bytes_of = (f"{name} {each:,.0f}" for name, each in told.items())
        yield f"Memory of an idle connection, bytes: {', '.join(bytes_of)}."
    if len(aims := goals.lines(rows)) > 1:
        yield align(aims)
    yield "User time of a request over an Io in memory, 64 clients:"
    yield align([COST_HEAD, *map(cost_cells, result.costs)])
    without = (f"{name}: left out: {why}." for name, why in result.absent.items())
    yield "\n".join([*without, f"{result.pair.describe()}."])


def spreads(rows: list[rounds.Row]) -> Iterator[str]:
    for row in rows:
        for name in ours_of(row):
            spread = row.ratios(name)
            yield (
                f"{row.load.title}, {row.request_bytes} bytes: {name} takes {row.ratio(name):.3f}"
                f" of its floor's CPU time (median of {len(spread)} rounds, {min(spread):.3f} to"
                f" {max(spread):.3f})."
            )


def cells(row: rounds.Row, server: str) -> list[str]:
    base = FLOORS.get(server, FLOOR)
    ours = ours_of(row)[0]
    return [
        row.load.title,
        server,
        f"{row.cpu_us(server):.3f}",
        f"{row.ratio(server):.3f}" if base in row.turns else "",
        f"{row.ratio(ours, server):.3f}",
        f"{100 * row.user_share(server):.0f}",
        f"{row.per_second(server):,.0f}",
    ]


def latency_cells(row: Latencies, server: str) -> list[str]:
    times = (row.median(server, of) for of in ("p50", "p99", "p999", "longest"))
    uploads = row.median(server, "uploads_per_second")
    return [
        row.load.title,
        server,
        *(f"{each:,.0f}" for each in times),
        *([f"{row.cpu_us(server):.1f}", ""] if not uploads else ["", f"{uploads:,.0f}"]),
    ]


def fairness_cells(row: Fairness, server: str) -> list[str]:
    rates = (row.median(server, of) for of in ("alone", "beside", "greedy"))
    return [f"beside {GREEDY.title}", server, *(f"{each:,.0f}" for each in rates)]


def cost_cells(cost: dict) -> list[str]:
    numbers = [f"{cost[key]:.0f}" for key in ("ns_per_request", "ns_min", "ns_max")]
    allocations = f"{cost['allocations']:,} in {cost['requests']:,}"
    return [cost["load"], "", *numbers, allocations]


def as_object(result: Result) -> dict:
    rows = result.rows
    return {
        "cpus": vars(result.pair),
        "retried": result.retried,
        "judged": judged_ratios(result),
        "ratio_max": RATIO_MAX,
        "rows": [row_object(row) for row in (*rows.floors, *rows.peers, *rows.coroutines)],
        "latencies": [row.as_object() for row in (*rows.steady_floors, *rows.steady_peers)],
        "fairness": [row.as_object() for row in rows.fairness],
        "goals": goals.as_objects(rows),
        "absent": result.absent,
        "request_cost": result.costs,
    }


def row_object(row: rounds.Row) -> dict:
    return {
        "title": row.load.title,
        "request_bytes": row.request_bytes,
        "connections": row.load.connections,
        "pipelined": row.load.pipelined,
        "idle_bytes": row.idle_bytes,
        "servers": [row.as_object(name) for name in row.turns],
    }
