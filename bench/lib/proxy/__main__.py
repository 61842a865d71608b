"""The command bench/proxy: what a request costs that is passed on."""

import sys
import tempfile
from pathlib import Path

from harness import program
from harness.blocks import Block
from harness.build import compile_go, compile_targets
from harness.processes import Children
from harness.program import Program
from throughput import cpus, rounds
from throughput.loads import KEEP_ALIVE, MANY
from throughput.servers import find_nginx
from throughput.wrk import Wrk

from . import latencies, options, proxies, table

PROGRAM = Program("proxy")
TARGETS = ("lastcall", "floor")
FILES_MAX = 16_384  # two for each connection of a proxy
CHOSEN = (KEEP_ALIVE, MANY)  # proxies ask one thing at a time
RATE, LATENCY_SECONDS, QUICK_LATENCY_SECONDS = 1000, 5, 2


def main() -> int:
    chosen = options.parse()
    block = Block("bench/proxy") if chosen.write else None
    result = measure(chosen)
    print(table.report(result))
    print(table.sample(result))
    PROGRAM.write_json(chosen.json, table.as_object(result))
    missed = [] if chosen.quick else table.failures(result)
    told = "nothing judged" if chosen.quick else "each goal is met"
    exit_code = program.verdict(missed, told)
    if block:
        block.publish(exit_code, f"{table.compact(result)}\n\n{table.sample(result)}", say)
    return exit_code


def say(text: str) -> None:
    PROGRAM.say(text)


def measure(chosen) -> table.Result:
    pair = cpus.pair()
    programs = chosen.build_dir / "bench"
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as name,
        Children(Path(name)) as children,
    ):
        folder = Path(name)
        compile_targets(children, chosen.build_dir, TARGETS)
        compile_go(children, programs)
        program.raise_file_limit(FILES_MAX)
        wrk = Wrk(children, folder, pair.load)
        cpu = (pair.server, pair.load)
        upstream, started = proxies.start_all(children, folder, chosen.build_dir, *cpu)
        say(f"{pair.describe()}; {', '.join(server.name for server in started)}")
        if find_nginx() is None:
            say("nginx is not installed: no row for it, and one goal is not judged")
        rows = []
        for load in CHOSEN:
            rounds.warm_up(wrk, started, load, say)
            measured = rounds.measure(wrk, started, load, chosen.rounds, chosen.seconds, say)
            rows.append(measured)
        seconds = QUICK_LATENCY_SECONDS if chosen.quick else LATENCY_SECONDS
        servers = [upstream, *started]
        vegeta = programs / "vegeta"
        added = latencies.measure(children, vegeta, servers, RATE, chosen.rounds, seconds, say)
        return table.Result(pair, rows, added)


if __name__ == "__main__":
    sys.exit(PROGRAM.run(main))
