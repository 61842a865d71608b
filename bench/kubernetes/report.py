"""The rows as a table for people and as objects for JSON."""

from harness import outcome
from harness.sums import PERCENTS
from harness.table import align, finite

from .experiment import INVALID, Row, common_problems
from .load import LOSSES
from .pods import Life

SELDOM = (outcome.WRONG, outcome.OTHER, outcome.HARNESS)  # columns only when they say something


def table(rows: list[Row]) -> str:
    classes = [name for name in LOSSES if name not in SELDOM or any(r.lost_by[name] for r in rows)]
    head = ["experiment", "server", "attack", "requests", "answered", "lost"]
    head += [outcome.HEADINGS.get(name, name) for name in classes]
    head += [*(f"{name} ms" for name in PERCENTS), "took s"]
    return align([head, *(cells(row, classes) for row in rows)])


def cells(row: Row, classes: list[str]) -> list[str]:
    name = f"{row.experiment} ({row.way})" if row.way else row.experiment
    counts = (row.requests, row.answered, row.lost)
    return [
        name,
        row.title,
        row.attack.name,
        *(f"{count:,}" for count in counts),
        *(f"{row.lost_by[each]:,}" if row.lost_by[each] else "." for each in classes),
        *(f"{seconds * 1000:.1f}" for seconds in row.latencies.values()),
        f"{row.event_seconds:.1f}",
    ]


def as_objects(rows: list[Row]) -> list[dict]:
    """Of rows that have their events in common."""
    common = common_problems(rows)
    return [as_object(row, row.problems() + common) for row in rows]


def as_object(row: Row, problems: list[str]) -> dict:
    return {
        "experiment": row.experiment,
        "way": row.way,
        "server": row.title,
        "variant": row.variant.server.name,
        "attack": row.attack.name,
        "requests": row.requests,
        "answered": row.answered,
        "lost": row.lost,
        "lost_by": {name: row.lost_by[name] for name in LOSSES},
        "strays": row.strays,
        "success_percent": 100 * row.answered / row.requests if row.requests else 0.0,
        "latency_ms": {name: finite(value * 1000) for name, value in row.latencies.items()},
        "rollout_seconds": round(row.event_seconds, 3),
        "rate": row.rate,
        "duration_seconds": row.seconds,
        "drain_window_seconds": row.variant.shape.window,
        "runs": len(row.runs),
        "departures": [
            departure(life) for event in row.events for life in event.lives if life.exit_codes
        ],
        "notes": [note for event in row.events for note in event.notes],
        "answered_by": row.answered_by,
        "invalid": [each for each in problems if each.startswith(INVALID)],
        "problems": problems,
    }


def departure(life: Life) -> dict:
    return {
        "pod": life.name,
        "exit_codes": life.exit_codes,
        "audits": [each.audit for each in life.containers if each.audit],
    }
