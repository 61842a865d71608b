"""What is told of the rows: while they come, as a table, as objects for JSON, as pictures."""

import argparse
import json
import re
import time

from harness import outcome
from harness.outcome import BIN_SECONDS
from harness.sums import PERCENTS
from harness.table import align, finite

from . import picture
from .experiment import Experiment
from .load import LOSSES
from .pods import Life
from .row import INVALID, Row, common_problems

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
        "variant": row.case.server.name,
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
        "drain_window_seconds": row.case.shape.window,
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


def tell(rows: list[Row], say) -> None:
    for row in rows:
        say(f"  {row.label}: {row.lost:,} of {row.requests:,} lost")
        lost_by = ", ".join(f"{name} {count:,}" for name, count in row.lost_by.items())
        for line in (lost_by, *row.problems()):
            if line:
                say(f"    {line}")
    for event in rows[0].events:
        for life in event.lives:
            if life.exit_codes:
                say(f"    {life.describe()}")
        for note in event.notes:
            say(f"    {note}")
    for problem in common_problems(rows):
        say(f"    {problem}")


def draw(experiment: Experiment, groups: list[list[Row]], chosen, say) -> None:
    """A picture for each way that the experiment has."""
    ways = list(dict.fromkeys(rows[0].way for rows in groups))
    for way in ways:
        name = f"{experiment.name} {way}" if len(ways) > 1 else experiment.name
        file = chosen.svg / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.svg"
        file.write_text(drawn(experiment, way, groups), encoding="utf-8")
        say(f"a picture is in {file}")


def drawn(experiment: Experiment, way: str, groups: list[list[Row]]) -> str:
    mine = [rows for rows in groups if rows[0].way == way]
    rates = ", ".join(map(str, sorted({per_second(row) for rows in mine for row in rows})))
    subtitle = f"each attack about {rates} requests a second · {time.strftime('%Y-%m-%d')}"
    title = f"{experiment.title}: {way}" if way else experiment.title
    return picture.picture(title, subtitle, mine)


def per_second(row: Row) -> int:
    tally = row.worst.tally
    return round(tally.requests / max(len(tally.bins) * BIN_SECONDS, BIN_SECONDS))


def write(groups: list[list[Row]], failures: list[str], chosen: argparse.Namespace) -> None:
    if chosen.json:
        objects = [each for rows in groups for each in as_objects(rows)]
        objects += [
            {"experiment": re.split("[:, ]", failure, 1)[0], "problems": [failure]}
            for failure in failures
        ]
        chosen.json.write_text(json.dumps(objects, indent=2) + "\n")
