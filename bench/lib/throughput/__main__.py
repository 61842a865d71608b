"""The command bench/throughput: measures user time without a kernel, then every row."""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

from harness import program
from harness.blocks import Block
from harness.build import check_writable, compile_targets
from harness.network import many_ephemeral_ports
from harness.processes import Children, HarnessError
from harness.program import Program

from . import cpus, markdown, peers
from .course import Course
from .fleet import Fleet
from .loads import KEEP_ALIVE
from .options import parse
from .table import RATIO_MAX, Result, as_object, judged_ratios, report

PROGRAM = Program("throughput")
TARGETS = ("lastcall", "bench_service", "floor", "steady", "request_cost")
COST_ROUNDS, QUICK_COST_ROUNDS = 15, 3
COST_SECONDS_MAX = 120
FILES_MAX = 16_384  # one for each connection, in wrk and in the server


def main() -> int:
    chosen = parse()
    block = Block("bench/throughput") if chosen.write else None
    result = measure_all(chosen)
    report(result)
    PROGRAM.write_json(chosen.json, as_object(result))
    exit_code = verdict(result, chosen.quick)
    if block:
        block.publish(exit_code, markdown.block(result), say)
    return exit_code


def say(text: str) -> None:
    PROGRAM.say(text)


def measure_all(chosen: argparse.Namespace) -> Result:
    build_dir = chosen.build_dir
    pair = cpus.pair()
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as folder_name,
        Children(Path(folder_name)) as children,
        many_ephemeral_ports(say),
    ):
        compile_targets(children, build_dir, TARGETS)
        found = build_peers(children, build_dir / "peers")
        program.raise_file_limit(FILES_MAX)
        costs = request_costs(children, build_dir, chosen.quick)
        say(f"{pair.describe()}; peers: {', '.join(found.commands) or 'none'}")
        course = Course(chosen, Fleet(build_dir, pair, chosen.io, found), say)
        result = Result(pair, course.run(), costs, found.absent, False)
        failed = [] if chosen.quick else too_much(result)
        if failed:
            say(f"{', '.join(failed)}: once more, twice the rounds")
            again = course.beside_floors(KEEP_ALIVE, 2 * chosen.rounds)
            floors = [again if row is result.judged else row for row in result.rows.floors]
            result = replace(result, rows=replace(result.rows, floors=floors), retried=True)
        return result


def build_peers(children: Children, folder: Path) -> peers.Peers:
    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    say("building the peers: a minute, the first time")
    found = peers.build(children, folder)
    for name, why in found.absent.items():
        say(f"{name} is left out: {why}")
    return found


def request_costs(children: Children, build_dir: Path, quick: bool) -> list[dict]:
    say("user time per request, without a kernel")
    argv = [str(build_dir / "request_cost"), str(QUICK_COST_ROUNDS if quick else COST_ROUNDS)]
    child = children.start("request_cost", argv, stdout=PIPE, encoding="utf-8")
    if child.wait(COST_SECONDS_MAX) != 0:  # its output, a few lines, fits the pipe
        raise HarnessError(f"request_cost failed, {child.how_it_ended()}")
    return [json.loads(line) for line in child.stdout]


def verdict(result: Result, quick: bool) -> int:
    failures = [] if quick else too_much(result)
    failures += [
        f"{cost['load']}: {cost['allocations']:,} heap allocations, not 0"
        for cost in result.costs
        if cost["allocations"] and not cost["may_allocate"]
    ]
    judged = [] if quick else judged_ratios(result).items()
    told = "; ".join(
        f"{name} {ratio:.3f} of its floor, at most {RATIO_MAX}" for name, ratio in judged
    )
    return program.verdict(failures, f"no heap allocation; {told or 'nothing judged'}")


def too_much(result: Result) -> list[str]:
    return [
        f"{result.judged.load.title}: {name} takes {ratio:.3f} of its floor, over {RATIO_MAX}"
        for name, ratio in judged_ratios(result).items()
        if ratio > RATIO_MAX
    ]


if __name__ == "__main__":
    sys.exit(PROGRAM.run(main))
