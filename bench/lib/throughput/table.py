"""The result as tables for people, as Markdown, and as an object for JSON."""

from dataclasses import dataclass

from harness.table import align, bold, markdown

from . import cpus, rounds
from .servers import EPOLL, EPOLL_FLOOR, FLOOR, LASTCALL, PARSING_FLOOR
from .wrk import LOADS

RATIO_MAX = 1.15  # of its floor
JUDGED = LOADS[0].name
HEAD = ["load", "server", "CPU us/request", "of its floor", "user %", "requests/s"]
COST_HEAD = ["request", "", "ns/request", "lowest", "highest", "heap allocations"]


@dataclass(frozen=True)
class Result:
    pair: cpus.Pair
    rows: list[rounds.Row]
    costs: list[dict]  # as request_cost prints them
    retried: bool

    @property
    def judged(self) -> rounds.Row | None:
        """None where it was not asked for."""
        return next((row for row in self.rows if row.load.name == JUDGED), None)


def judged_of(row: rounds.Row) -> list[str]:
    """Whose cost is judged: lastcall's, by whatever engines are measured."""
    return [name for name in (LASTCALL, EPOLL) if name in row.turns]


def judged_ratios(result: Result) -> dict[str, float]:
    row = result.judged
    return {name: row.ratio(name) for name in judged_of(row)} if row else {}


def report(result: Result) -> None:
    print(align([HEAD, *(cells(row, name) for row in result.rows for name in row.turns)]))
    sizes = ", ".join(f"{row.request_bytes} ({row.load.title})" for row in result.rows)
    print(f"Request: GET /, bytes: {sizes}; {result.pair.describe()}.")
    for row in result.rows:
        for name in judged_of(row):
            spread = row.ratios(name)
            print(
                f"{row.load.title}: {name} takes {row.ratio(name):.3f} of its floor's CPU time"
                f" (median of {len(spread)} rounds, {min(spread):.3f} to {max(spread):.3f})."
            )
    print("\nUser time of a request over an Io in memory, 64 clients:\n")
    print(align([COST_HEAD, *map(cost_cells, result.costs)]))


def cells(row: rounds.Row, server: str) -> list[str]:
    return [
        row.load.title,
        server,
        f"{row.cpu_us(server):.3f}",
        f"{row.ratio(server):.3f}",
        f"{100 * row.user_share(server):.0f}",
        f"{row.per_second(server):,.0f}",
    ]


def cost_cells(cost: dict) -> list[str]:
    numbers = [f"{cost[key]:.0f}" for key in ("ns_per_request", "ns_min", "ns_max")]
    allocations = f"{cost['allocations']:,} in {cost['requests']:,}"
    return [cost["load"], "", *numbers, allocations]


def compact(result: Result) -> str:
    """Markdown: CPU time beside the floor's, then user time beside the first request's."""
    servers = [name for name in result.judged.turns if name not in (FLOOR, EPOLL_FLOOR)]
    beside = {
        "lastcall, of floor + llhttp": (LASTCALL, PARSING_FLOOR),
        "by epoll, of by io_uring": (EPOLL, LASTCALL),
    }
    lines = [["CPU per request, of its floor's", *servers, *beside]]
    for row in result.rows:
        cells = [spread(row, name) for name in servers]
        lines.append([row.load.title, *cells, *(spread(row, *pair) for pair in beside.values())])
    first = result.costs[0]["ns_per_request"]
    costs = [["user time per request", "of the first", "heap allocations"]]
    for cost in result.costs:
        ratio = cost["ns_per_request"] / first
        costs.append([cost["load"], f"{ratio:.2f}", f"{cost['allocations']:,}"])
    return f"{markdown(lines)}\n\n{markdown(costs)}"


def spread(row: rounds.Row, server: str, to: str = "") -> str:
    """The median of the rounds, and the least and the most."""
    ratios = row.ratios(server, to)
    is_judged = row.load.name == JUDGED and server in judged_of(row) and not to
    median = bold(f"{row.ratio(server, to):.2f}", is_judged)
    return f"{median} ({min(ratios):.2f} – {max(ratios):.2f})"


def sample(result: Result) -> str:
    turns = next(iter(result.rows[0].turns.values()))
    sizes = sorted({row.request_bytes for row in result.rows})
    return (
        f"Medians of {len(turns)} rounds of {turns[0].seconds} s, in brackets the least and the"
        f" most; `GET /`, {' or '.join(map(str, sizes))} bytes; {result.pair.describe()}."
    )


def as_object(result: Result) -> dict:
    return {
        "cpus": vars(result.pair),
        "retried": result.retried,
        "judged": judged_ratios(result),
        "ratio_max": RATIO_MAX,
        "rows": [
            {
                **row.as_object(name),
                "title": row.load.title,
                "request_bytes": row.request_bytes,
                "connections": row.load.connections,
                "pipelined": row.load.pipelined,
                "ratio_to_floor": row.ratio(name),
                "ratios": row.ratios(name),
            }
            for row in result.rows
            for name in row.turns
        ],
        "request_cost": result.costs,
    }
