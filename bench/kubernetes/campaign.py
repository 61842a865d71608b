"""A run of experiments: which, in what order, and what is said, drawn and written of them."""

import argparse
import json
import time

from harness import program
from harness.outcome import BIN_SECONDS
from harness.processes import HarnessError

from . import manifests, picture, report
from .experiment import Experiment, Plan, Row
from .experiments import ALL
from .trial import Cluster

NAMES = tuple(ALL)


def run(cluster: Cluster, chosen: argparse.Namespace, say) -> int:
    plan = Plan(chosen.quick, chosen.full, chosen.repeat, chosen.rate, tuple(chosen.attack))
    rows: list[Row] = []
    manifests.check(cluster.kubectl, say)
    for experiment in select(cluster, chosen):
        began, mine = time.monotonic(), len(rows)
        say(f"{experiment.name}: {experiment.title}")

        def done(row: Row) -> None:
            rows.append(row)
            tell(row, say)

        experiment.run(cluster, plan, done)
        say(f"{experiment.name} took {time.monotonic() - began:.0f} s")
        draw(experiment, rows[mine:], chosen, say)
        write(rows, chosen)  # what is done so far: a later one may be interrupted
    print(report.table(rows), flush=True)
    print("Latencies are those of the answered requests, a lost one has none.")
    return verdict(rows)


def select(cluster: Cluster, chosen: argparse.Namespace) -> list[Experiment]:
    names = chosen.experiments or [
        each.name for each in ALL.values() if each.quick or not chosen.quick
    ]
    wanted = [ALL[name] for name in dict.fromkeys(names)]
    if not cluster.is_ours and chosen.experiments:
        for each in wanted:
            if each.needs_nodes:
                raise HarnessError(f"{each.name} needs the nodes themselves: only bench/cluster's")
    return [each for each in wanted if cluster.is_ours or not each.needs_nodes]


def tell(row: Row, say) -> None:
    through = f" ({row.way})" if row.way else ""
    say(f"  {row.title}{through}: {row.attack.title}: {row.lost:,} of {row.requests:,} lost")
    lost_by = ", ".join(f"{name} {count:,}" for name, count in row.lost_by.items())
    if lost_by:
        say(f"    {lost_by}")
    for run in row.runs:
        for life in run.lives:
            if life.exit_codes:
                say(f"    {life.describe()}")
        for note in run.notes:
            say(f"    {note}")
    for problem in row.problems():
        say(f"    {problem}")


def draw(experiment: Experiment, rows: list[Row], chosen: argparse.Namespace, say) -> None:
    chosen.svg.mkdir(parents=True, exist_ok=True)
    file = chosen.svg / f"{experiment.name}.svg"
    rates = sorted({per_second(row) for row in rows})
    subtitle = f"about {', '.join(map(str, rates))} requests a second · {time.strftime('%Y-%m-%d')}"
    file.write_text(picture.picture(experiment.title, subtitle, rows), encoding="utf-8")
    say(f"the picture is in {file}")


def per_second(row: Row) -> int:
    tally = row.worst.tally
    return round(tally.requests / max(len(tally.bins) * BIN_SECONDS, BIN_SECONDS))


def write(rows: list[Row], chosen: argparse.Namespace) -> None:
    if chosen.json:
        chosen.json.write_text(json.dumps([report.as_object(row) for row in rows], indent=2) + "\n")


def verdict(rows: list[Row]) -> int:
    for row in rows:
        if bound := row.bound():
            print(f"{row.experiment}, {row.title}, {row.attack.name}: {bound}.")
    failures = [
        f"{row.experiment}, {row.title}, {row.attack.name}: {problem}"
        for row in rows
        for problem in row.problems()
    ]
    ok = "what must lose nothing lost nothing, and each control lost something"
    return program.verdict(failures, ok)
