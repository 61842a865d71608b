#!/usr/bin/env python3
"""What a request costs: CPU time of lastcall against the floor, which is what the kernel costs.

    bench/throughput            all loads: about three minutes
    bench/throughput --quick    one short round of each: within a minute, and nothing is judged

The floor (floor.cc) answers every request with the same bytes and understands none of them. The
server has one CPU and wrk another; the servers take turns, and the median of the ratios within
each round counts. After that, user time per request without a kernel (request_cost.cc). The
tables go to stdout, progress to stderr.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

from costs import cpus, rounds, servers
from costs.servers import LASTCALL
from costs.wrk import LOADS, Wrk
from harness import program, values
from harness.build import compile_targets
from harness.processes import Children, HarnessError
from harness.program import Program
from harness.table import align

PROGRAM = Program("throughput")
TARGETS = ("lastcall", "floor", "request_cost")
RATIO_MAX = 1.15
JUDGED = LOADS[0].name
ROUNDS, SECONDS = 7, 2
QUICK_ROUNDS, QUICK_SECONDS = 1, 1
COST_ROUNDS, QUICK_COST_ROUNDS = 15, 3
COST_SECONDS_MAX = 120
FILES_MAX = 16_384  # one for each connection, in wrk and in the server


@dataclass(frozen=True)
class Result:
    pair: cpus.Pair
    rows: list[rounds.Row]
    costs: list[dict]  # as request_cost prints them
    retried: bool

    @property
    def judged(self) -> rounds.Row:
        return next(row for row in self.rows if row.load.name == JUDGED)


def main() -> int:
    chosen = parse()
    result = measure_all(chosen)
    report(result)
    PROGRAM.write_json(chosen.json, as_object(result))
    return verdict(result, chosen.quick)


def say(text: str) -> None:
    PROGRAM.say(text)


def parse() -> argparse.Namespace:
    parser = values.Parser("throughput", __doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="one short round of each load; judges nothing")
    add("--rounds", type=values.whole(1, 1000), metavar="N", help=f"of each load ({ROUNDS})")
    add("--seconds", type=values.whole(1, 3600), metavar="N", help=f"of a turn ({SECONDS})")
    parser.add_json()
    parser.add_build_dir(", which should be a release build")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (QUICK_ROUNDS if chosen.quick else ROUNDS)
    chosen.seconds = chosen.seconds or (QUICK_SECONDS if chosen.quick else SECONDS)
    return chosen


# ---- the run


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
        started = servers.start_all(children, folder, build_dir, pair.server)
        say(f"{pair.describe()}; {', '.join(server.name for server in started)}")
        if servers.find_nginx() is None:
            say("nginx is not installed: no row for it")

        def measure(load, count: int) -> rounds.Row:
            return rounds.measure(wrk, started, load, count, chosen.seconds, say)

        rows = [measure(load, chosen.rounds) for load in LOADS]
        retried = not chosen.quick and rows[0].ratio(LASTCALL) > RATIO_MAX
        if retried:
            say(f"{LOADS[0].title}: {rows[0].ratio(LASTCALL):.3f}: once more, twice the rounds")
            rows[0] = measure(LOADS[0], 2 * chosen.rounds)
        return Result(pair, rows, costs, retried)


def request_costs(children: Children, build_dir: Path, quick: bool) -> list[dict]:
    say("user time per request, without a kernel")
    argv = [str(build_dir / "request_cost"), str(QUICK_COST_ROUNDS if quick else COST_ROUNDS)]
    child = children.start("request_cost", argv, stdout=PIPE, encoding="utf-8")
    if child.wait(COST_SECONDS_MAX) != 0:  # its output, a few lines, fits the pipe
        raise HarnessError(f"request_cost failed, {child.how_it_ended()}")
    return [json.loads(line) for line in child.stdout]


# ---- what came of it


def report(result: Result) -> None:
    print(align([HEAD, *(cells(row, name) for row in result.rows for name in row.turns)]))
    row = result.judged
    print(f"Request: GET / with a Host field, {row.request_bytes} bytes; {result.pair.describe()}.")
    spread = row.ratios(LASTCALL)
    print(
        f"{row.load.title}: lastcall takes {row.ratio(LASTCALL):.3f} of the floor's CPU time"
        f" (median of {len(spread)} rounds, {min(spread):.3f} to {max(spread):.3f})."
    )
    print("\nUser time of a request over an Io in memory, 64 clients:\n")
    print(align([COST_HEAD, *map(cost_cells, result.costs)]))


HEAD = ["load", "server", "CPU us/request", "of the floor", "user %", "requests/s"]
COST_HEAD = ["request", "", "ns/request", "lowest", "highest", "heap allocations"]


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


def as_object(result: Result) -> dict:
    return {
        "cpus": vars(result.pair),
        "retried": result.retried,
        "ratio": result.judged.ratio(LASTCALL),
        "ratio_max": RATIO_MAX,
        "rows": [
            {
                "load": row.load.name,
                "title": row.load.title,
                "request_bytes": row.request_bytes,
                "connections": row.load.connections,
                "pipelined": row.load.pipelined,
                "server": name,
                "cpu_us_per_request": row.cpu_us(name),
                "ratio_to_floor": row.ratio(name),
                "ratios": row.ratios(name),
                "user_share": row.user_share(name),
                "requests_per_second": row.per_second(name),
                "turns": [vars(turn) for turn in turns],
            }
            for row in result.rows
            for name, turns in row.turns.items()
        ],
        "request_cost": result.costs,
    }


def verdict(result: Result, quick: bool) -> int:
    failures = []
    ratio = result.judged.ratio(LASTCALL)
    if not quick and ratio > RATIO_MAX:
        failures.append(f"{result.judged.load.title}: {ratio:.3f} of the floor, over {RATIO_MAX}")
    failures += [
        f"{cost['load']}: {cost['allocations']:,} heap allocations, not 0"
        for cost in result.costs
        if cost["allocations"]
    ]
    judged = "nothing judged" if quick else f"{ratio:.3f} of the floor, at most {RATIO_MAX}"
    return program.verdict(failures, f"no heap allocation; {judged}")


if __name__ == "__main__":
    sys.exit(PROGRAM.run(main))
