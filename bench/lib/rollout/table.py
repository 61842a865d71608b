"""The result as a table for people, as Markdown, and as objects for JSON."""

import math

from harness.outcome import HARNESS, HEADINGS, LOSSES, OTHER, WRONG, most
from harness.sums import PERCENTS
from harness.table import align, by_server, finite

from .row import Row

SELDOM = (WRONG, OTHER, HARNESS)  # columns that are there only when they have something to say


def table(rows: list[Row]) -> str:
    classes = [name for name in LOSSES if name not in SELDOM or any(r.lost_by[name] for r in rows)]
    head = ["server", "attack", "requests", "answered", "lost"]
    head += [HEADINGS.get(name, name) for name in classes]
    head += ["success %", *(f"{name} ms" for name in PERCENTS), "rollout s"]
    return align([head, *(_cells(row, classes) for row in rows)])


def _cells(row: Row, classes: list[str]) -> list[str]:
    cells = [row.server.title, row.attack.name]
    cells += [f"{count:,}" for count in (row.requests, row.answered, row.lost)]
    cells += [f"{row.lost_by[name]:,}" if row.lost_by[name] else "." for name in classes]
    cells += [success(row)]
    cells += [f"{seconds * 1000:.1f}" for seconds in row.latencies.values()]
    return [*cells, f"{row.rollout_seconds:.1f}"]


def success(row: Row) -> str:
    """Rounded down: 100 only when nothing is lost."""
    return "100" if row.lost == 0 else f"{math.floor(row.success_percent * 1000) / 1000:.3f}"


def compact(rows: list[Row]) -> str:
    """Markdown: what each server lost, an attack a column."""
    columns = {row.attack.name: row.attack.title for row in rows}
    return by_server(
        "lost of those sent",
        columns,
        rows,
        lambda row: row.attack.name,
        lambda row: f"{row.lost:,} of {row.requests:,}",
    )


def sample(rows: list[Row]) -> str:
    """What `compact` is made of, and what it allows to say."""
    runs = max(len(row.runs) for row in rows)
    told = f"{runs} run{'s' if runs > 1 else ''} of each case."
    promised = [row for row in rows if row.server.must_lose is False]
    if promised and not any(row.lost for row in promised):
        count = sum(row.requests for row in promised)
        told += f" None of lastcall's {count:,} requests lost: {most(count)}."
    return told


def objects(rows: list[Row], rate: int, seconds: float, drain_window: float) -> list[dict]:
    setting = {"rate": rate, "duration_seconds": seconds, "drain_window_seconds": drain_window}
    return [_object(row) | setting for row in rows]


def _object(row: Row) -> dict:
    return {
        "server": row.server.title,
        "variant": row.server.name,
        "attack": row.attack.name,
        "requests": row.requests,
        "answered": row.answered,
        "lost": row.lost,
        "lost_by": {name: row.lost_by[name] for name in LOSSES},
        "success_percent": row.success_percent,
        "latency_ms": {name: finite(value * 1000) for name, value in row.latencies.items()},
        "rollout_seconds": round(row.rollout_seconds, 3),
        "runs": len(row.runs),
        "lost_as_the_proxy_saw_it": dict(row.proxy_losses),
        "departures": [
            {"replica": each.name, "exit_code": each.exit_code, "audit": each.audit()}
            for run in row.runs
            for each in run.departures
        ],
        "invalid": row.invalidity(),
    }
