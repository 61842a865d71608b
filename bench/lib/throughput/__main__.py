"""The command bench/throughput: measures every load, then user time without a kernel."""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

from harness import program
from harness.blocks import Block
from harness.build import compile_targets
from harness.processes import Children, HarnessError
from harness.program import Program

from . import cpus, rounds, servers
from .options import parse
from .table import RATIO_MAX, Result, as_object, compact, judged_ratios, report, sample
from .wrk import LOADS, Wrk

PROGRAM = Program("throughput")
TARGETS = ("lastcall", "floor", "request_cost")
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
        block.publish(exit_code, f"{compact(result)}\n\n{sample(result)}", say)
    return exit_code


def say(text: str) -> None:
    PROGRAM.say(text)


def measure_all(chosen: argparse.Namespace) -> Result:
    build_dir = chosen.build_dir
    pair = cpus.pair()
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as folder_name,
        Children(Path(folder_name)) as children,
    ):
        folder = Path(folder_name)
        compile_targets(children, build_dir, TARGETS)
        program.raise_file_limit(FILES_MAX)
        costs = request_costs(children, build_dir, chosen.quick)
        wrk = Wrk(children, folder, pair.load)
        started = servers.start_all(children, folder, build_dir, pair.server, chosen.io)
        say(f"{pair.describe()}; {', '.join(server.name for server in started)}")
        if servers.find_nginx() is None:
            say("nginx is not installed: no row for it")

        def measure(load, count: int) -> rounds.Row:
            return rounds.measure(wrk, started, load, count, chosen.seconds, say)

        loads = [load for load in LOADS if not chosen.row or load.name in chosen.row]
        result = Result(pair, [measure(load, chosen.rounds) for load in loads], costs, False)
        failed = [] if chosen.quick else too_much(result)
        if failed:
            say(f"{', '.join(failed)}: once more, twice the rounds")
            again = measure(result.judged.load, 2 * chosen.rounds)
            rows = [again if row is result.judged else row for row in result.rows]
            result = replace(result, rows=rows, retried=True)
        return result


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
        if cost["allocations"]
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
