"""The result as bench/README.md has it."""

from harness.table import bold, markdown

from . import goals
from .latencies import Latencies
from .loads import GREEDY
from .peers import NAMES as PEERS
from .rounds import Row
from .servers import EPOLL, EPOLL_WAITING, LASTCALL, PARSING_FLOOR, WAITING
from .table import JUDGED, Result, ours_of

BESIDE_FLOORS = {
    "floor + llhttp": (PARSING_FLOOR, ""),
    "lastcall": (LASTCALL, ""),
    "lastcall by epoll": (EPOLL, ""),
    "lastcall, of floor + llhttp": (LASTCALL, PARSING_FLOOR),
    "by epoll, of by io_uring": (EPOLL, LASTCALL),
}


def block(result: Result) -> str:
    """Of a full run: every row is there."""
    rows = result.rows
    tables = [
        floors_table(rows.floors),
        peers_table(rows.peers),
        latency_table([*rows.steady_floors, *rows.steady_peers]),
        others_table(result),
        goals_table(result),
        costs_table(result.costs),
    ]
    return "\n\n".join([*tables, sample(result)])


def floors_table(rows: list[Row]) -> str:
    lines = [["CPU per request, of its floor's", *BESIDE_FLOORS]]
    lines += [
        [row.load.title, *(spread(row, *pair) for pair in BESIDE_FLOORS.values())] for row in rows
    ]
    return markdown(lines)


def peers_table(rows: list[Row]) -> str:
    """Columns of those that are in some row."""
    peers = [name for name in PEERS if any(name in row.turns for row in rows)]
    lines = [["lastcall's CPU per request, of", *peers, "by epoll, of by io_uring"]]
    for row in rows:
        cells = [spread(row, LASTCALL, name) if name in row.turns else "" for name in peers]
        lines.append([row.load.title, *cells, spread(row, EPOLL, LASTCALL)])
    return markdown(lines)


def latency_table(rows: list[Latencies]) -> str:
    """A server of each load once: the floors' turns are more than those beside peers."""
    lines = [["µs from the instant due", "p50", "p99", "p99.9", "CPU per request"]]
    seen = set()
    for row in rows:
        for name in row.turns:
            if (row.load.name, name) in seen:
                continue
            seen.add((row.load.name, name))
            times = [f"{row.median(name, of):,.0f}" for of in ("p50", "p99", "p999")]
            cost = "" if row.load.uploads else f"{row.cpu_us(name):.1f}"
            lines.append([f"{row.load.title}, {name}", *times, cost])
    return markdown(lines)


def others_table(result: Result) -> str:
    """A server a line: what is no cost beside another's."""
    fair = result.rows.fairness[0]
    coroutines = result.rows.coroutines[0]
    waiting = {LASTCALL: WAITING, EPOLL: EPOLL_WAITING}
    memory = {name: each for row in result.rows.peers for name, each in row.idle_bytes.items()}
    lines = [[
        "",
        "each of 64, /s",
        f"the same beside {GREEDY.title}",
        "these, /s",
        "bytes an idle connection",
        "coroutines that wait, of plain answers, x 16",
    ]]
    for name in fair.turns:
        rates = [f"{fair.median(name, of):,.0f}" for of in ("alone", "beside", "greedy")]
        of_idle = f"{memory[name]:,.0f}" if name in memory else ""
        cost = spread(coroutines, waiting[name]) if name in waiting else ""
        lines.append([name, *rates, of_idle, cost])
    return markdown(lines)


def goals_table(result: Result) -> str:
    return markdown(goals.lines(result.rows))


def costs_table(costs: list[dict]) -> str:
    first = costs[0]["ns_per_request"]
    lines = [["user time per request", "of the first", "heap allocations"]]
    for cost in costs:
        ratio = cost["ns_per_request"] / first
        lines.append([cost["load"], f"{ratio:.2f}", f"{cost['allocations']:,}"])
    return markdown(lines)


def spread(row: Row, server: str, to: str = "") -> str:
    """The median of the rounds, and the least and the most."""
    ratios = row.ratios(server, to)
    is_judged = row.load.name == JUDGED and server in ours_of(row) and not to
    median = bold(f"{row.ratio(server, to):.2f}", is_judged)
    return f"{median} ({min(ratios):.2f} – {max(ratios):.2f})"


def sample(result: Result) -> str:
    floors, peers = result.rows.floors[0], result.rows.peers[0]
    of_floors, of_peers = (next(iter(row.turns.values())) for row in (floors, peers))
    sizes = sorted({row.request_bytes for row in result.rows.floors})
    absent = "".join(f" {name} was left out: {why}." for name, why in result.absent.items())
    return (
        f"Medians of {len(of_floors)} rounds of {of_floors[0].seconds} s beside the floors and of"
        f" {len(of_peers)} beside peers, in brackets the least and the most; `GET /`,"
        f" {' or '.join(map(str, sizes))} bytes, where nothing else is said;"
        f" {result.pair.describe()}.{absent}"
    )
