"""The result as bench/README.md has it: two tables in Markdown, and what they are made of."""

from collections.abc import Callable, Iterable

from harness.outcome import most
from harness.sums import PERCENTS
from harness.table import bold, markdown

from .row import Row
from .servers import LASTCALL, OWN, THEIRS, Server
from .verdict import compared, ratios

Cell = Callable[[list[Row]], str]  # of a case, by its rows
SHOWN = ("p99", "max")  # of the latencies


def compact(groups: list[list[Row]]) -> str:
    parts = []
    for servers in (OWN, THEIRS):
        rows = [row for group in groups for row in group if row.case.server in servers]
        asked = [row for row in rows if row.counted is None]
        counted = [row for row in rows if row.counted is not None]
        if asked:
            parts.append(table("what happens: lost, of all requests", servers, asked, losses))
        if counted:
            parts.append(table("counted, of the 200s", servers, counted, counts))
    return "\n\n".join([*parts, sample(groups)])


def table(head: str, servers: Iterable[Server], rows: list[Row], cell: Cell) -> str:
    """A line an experiment, or way to it; another one where a server has a second case there."""
    lines = [[head, *(server.title for server in servers)]]
    for where in dict.fromkeys((row.experiment, row.way) for row in rows):
        cases = by_case([row for row in rows if (row.experiment, row.way) == where])
        first = {name: mine[0] for name, mine in cases.items()}
        others = [each for mine in cases.values() for each in mine[1:]]
        lines.append(line(label(next(iter(first.values()))), servers, first, cell))
        for each in others:
            server = each[0].case.server.name
            lines.append(line(f"the same, {each[0].case.note}", servers, {server: each}, cell))
    return markdown(lines)


def by_case(rows: list[Row]) -> dict[str, list[list[Row]]]:
    """By server: its cases, each with a row an attack."""
    found: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        found.setdefault(row.case.server.name, {}).setdefault(row.case.note, []).append(row)
    return {name: list(cases.values()) for name, cases in found.items()}


def label(rows: list[Row]) -> str:
    way, note = rows[0].way, rows[0].case.note
    through = f" ({way})" if way else ""
    return f"`{rows[0].experiment}`{through}" + (f", {note}" if note else "")


def line(
    name: str, servers: Iterable[Server], cases: dict[str, list[Row]], cell: Cell
) -> list[str]:
    cells = [name]
    for server in servers:
        rows = cases.get(server.name)
        is_promise = bool(rows) and rows[0].case.must_lose is False
        cells.append(bold(cell(rows), is_promise) if rows else "")
    return cells


def losses(rows: list[Row]) -> str:
    """`0 · 2 · 77 of 180,000`: an attack a number, of what all of them sent."""
    lost = " · ".join(f"{row.lost:,}" for row in rows)
    return f"{lost} of {sum(row.requests for row in rows):,}"


def counts(rows: list[Row]) -> str:
    """`728 of 1,125, 397 named`."""
    (row,) = rows
    named = f", {row.named:,} named" if row.named else ""
    return f"{row.counted:,} of {row.answered:,}{named}"


def sample(groups: list[list[Row]]) -> str:
    rows = [row for group in groups for row in group]
    promised = [row for row in rows if row.case.must_lose is False]
    runs = max((len(row.runs) for row in promised), default=1)
    told = [f"{runs} run{'s' if runs > 1 else ''} of each of lastcall's cases, one of the others."]
    if promised and not any(row.lost_by_server for row in promised):
        told.append(none_lost(promised))
    if strays := sum(row.strays for row in promised):
        told.append(f"kube-proxy led {strays} connections to no pod: they are excused.")
    for mine, theirs in compared(groups):
        found = ratios(mine, theirs)
        shown = ", ".join(f"{key} {found[key]:.2f}" for key in PERCENTS if key in SHOWN)
        told.append(f"{LASTCALL.title}'s latency / Go's, {mine.attack.title}: {shown}.")
    return " ".join(told)


def none_lost(promised: list[Row]) -> str:
    count = sum(row.requests for row in promised)
    told = f"None of lastcall's {count:,} requests lost where none may be."
    honest = sum(row.requests for row in promised if not row.can_hide)
    return f"{told} Of the {honest:,} that no client may have sent again: {most(honest)}."
