"""A run of experiments: which, in what order, and what is said, drawn and written of them."""

import argparse
import json
import re
import shutil
import time
import traceback
from collections import Counter

from harness import program
from harness.outcome import BIN_SECONDS
from harness.processes import HarnessError
from harness.sums import PERCENTS

from . import manifests, picture, places, report
from .case import GO, HARD
from .experiment import INVALID, Experiment, Plan, Row, Variant, common_problems
from .experiments import ALL
from .trial import Cluster

NAMES = tuple(ALL)
RATIO_MAX = {"p99": 1.5, "max": 3.0}  # of Go's latency in the same run; two equal rows differ so
PUBLISHED_MS = {"p99": 26.2, "max": 178}  # with a delay of 5 s; a maximum is one request of 60,000


def run(cluster: Cluster, chosen: argparse.Namespace, say) -> int:
    plan = Plan(
        chosen.quick,
        chosen.full,
        chosen.repeat,
        chosen.rate,
        tuple(chosen.attack),
        tuple(chosen.variant),
    )
    groups: list[list[Row]] = []
    failures: list[str] = []
    chosen.svg.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(places.POD_LOGS, ignore_errors=True)
    manifests.check(cluster, say)
    for experiment in select(cluster, chosen, say):
        began, mine = time.monotonic(), len(groups)
        say(f"{experiment.name}: {experiment.title}")

        def done(rows: list[Row]) -> None:
            groups.append(rows)
            tell(rows, say)

        try:
            experiment.run(cluster, plan, done)
        except Exception as error:  # the next one may well be possible
            if not isinstance(error, HarnessError):
                traceback.print_exc()
            failures.append(f"{experiment.name}: {error}")
            say(f"  {error}")
        say(f"{experiment.name} took {time.monotonic() - began:.0f} s")
        write(groups, failures, chosen)  # what is done so far: a later one may be interrupted
        draw(experiment, groups[mine:], chosen, say)
    print(report.table([row for rows in groups for row in rows]), flush=True)
    print("Latencies are those of the answered requests, a lost one has none.")
    failures += compare(groups) + idle_controls([row for rows in groups for row in rows])
    write(groups, failures, chosen)
    return verdict(groups, failures)


def select(cluster: Cluster, chosen: argparse.Namespace, say) -> list[Experiment]:
    names = chosen.experiments or [
        each.name for each in ALL.values() if each.quick or not chosen.quick
    ]
    wanted = [ALL[name] for name in dict.fromkeys(names)]
    if cluster.is_ours:
        return wanted
    if left_out := ", ".join(each.name for each in wanted if each.needs_nodes):
        say(f"bench/cluster's own nodes are needed by {left_out}: left out")
    return [each for each in wanted if not each.needs_nodes]


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
        mine = [rows for rows in groups if rows[0].way == way]
        name = f"{experiment.name} {way}" if len(ways) > 1 else experiment.name
        file = chosen.svg / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.svg"
        rates = ", ".join(map(str, sorted({per_second(row) for rows in mine for row in rows})))
        subtitle = f"each attack about {rates} requests a second · {time.strftime('%Y-%m-%d')}"
        title = f"{experiment.title}: {way}" if way else experiment.title
        file.write_text(picture.picture(title, subtitle, mine), encoding="utf-8")
        say(f"a picture is in {file}")


def per_second(row: Row) -> int:
    tally = row.worst.tally
    return round(tally.requests / max(len(tally.bins) * BIN_SECONDS, BIN_SECONDS))


def write(groups: list[list[Row]], failures: list[str], chosen: argparse.Namespace) -> None:
    if chosen.json:
        objects = [each for rows in groups for each in report.as_objects(rows)]
        objects += [
            {"experiment": re.split("[:, ]", failure, 1)[0], "problems": [failure]}
            for failure in failures
        ]
        chosen.json.write_text(json.dumps(objects, indent=2) + "\n")


def judged(variant: Variant, problems: list[str]) -> list[str]:
    """A row that is only shown may be one for which the machine was too slow: it says so itself."""
    if variant.must_lose is not None or variant.server is HARD:
        return problems
    return [each for each in problems if not each.startswith(INVALID)]


def compare(groups: list[list[Row]]) -> list[str]:
    """Latencies beside Go's in the same run, where the experiment is about them: the worse."""
    worse = []
    alone = {(r.experiment, r.way, r.attack.name, r.title): r for (r, *more) in groups if not more}
    for (name, *where, _), mine in alone.items():
        theirs = alone.get((name, *where, GO.title))
        if mine.way != ALL[name].compared or mine.variant.must_lose is not False or theirs is None:
            continue
        ratios = {key: mine.typical[key] / theirs.typical[key] for key in PERCENTS}
        told = ", ".join(f"{key} {ratio:.2f}" for key, ratio in ratios.items())
        print(f"{name}, {mine.label}: latency / Go's: {told}.")
        found = [f"Go's row beside it is {each}" for each in theirs.problems()]
        for key, most in RATIO_MAX.items():
            if ratios[key] > most and mine.typical[key] * 1000 > PUBLISHED_MS[key]:
                found.append(f"{key} is {ratios[key]:.2f} of Go's: over {most:g} is no noise")
        worse += [f"{name}, {mine.label}: {each}" for each in found]
    return worse


def verdict(groups: list[list[Row]], failures: list[str]) -> int:
    """`failures`: experiments that could not be done."""
    for rows in groups:
        for row in rows:
            if bound := row.bound():
                print(f"{row.experiment}, {row.label}: {bound}.")
            if row.strays:
                print(f"{row.experiment}, {row.label}: {row.strays} of them were led to no pod.")
            found = judged(row.variant, row.problems())
            failures += [f"{row.experiment}, {row.label}: {each}" for each in found]
        found = judged(rows[0].variant, common_problems(rows))
        failures += [f"{rows[0].experiment}, {rows[0].title}: {each}" for each in found]
    if not groups and not failures:
        failures.append("nothing was measured: no experiment here has such a server")
    return program.verdict(failures, judgement([row for rows in groups for row in rows]))


def idle_controls(rows: list[Row]) -> list[str]:
    """A control must lose, by one attack at least: whatever saw it lose nothing proves nothing."""
    lost: Counter[str] = Counter()
    for row in rows:
        if row.is_judge:
            lost[f"{row.experiment} {row.way}".strip() + f", {row.title}"] += row.lost_by_server
    return [f"{name}: lost nothing, which proves nothing" for name in lost if not lost[name]]


def judgement(rows: list[Row]) -> str:
    """What is well if nothing failed."""
    judges = [row for row in rows if row.is_judge]
    for row in judges:
        if not row.lost_by_server:  # by other attacks it did
            print(f"{row.experiment}, {row.label}: lost nothing, which proves nothing.")
    if all(row.variant.must_lose is not False or row.can_hide for row in rows):
        return "nothing was judged"
    beside = "each control lost something" if judges else "without a control"
    excused = sum(row.strays for row in rows if row.variant.must_lose is False)
    but = f", but for {excused} that no rule of the nodes led to a pod" if excused else ""
    return f"what must lose nothing lost nothing{but}; {beside}"
