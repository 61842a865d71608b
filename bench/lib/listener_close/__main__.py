"""The command bench/listener-close: closes a listener in each way, and counts who was reset."""

import json
import sys
import tempfile
import time
from pathlib import Path
from subprocess import PIPE

from harness import program
from harness.blocks import Block
from harness.build import compile_targets
from harness.network import free_ports
from harness.processes import Children, HarnessError
from harness.program import Program

from .options import parse
from .result import WAYS, Result, Way, bound, lost_none, sample, setting
from .table import as_object, compact, table

PROGRAM = Program("listener-close")
CLOSER = "listener_close"
LISTENERS = 2  # side by side: while one settles the other keeps the machine busy
CLIENTS = 32  # of each listener
SECONDS_MAX = 60  # for a way ...
SECONDS_MAX_PER_CLOSE = 0.8  # ... and for each of its closes; what it takes is about a tenth
STALLED_SECONDS = 20  # without a close: it hangs
TELL_SECONDS = 5


def main() -> int:
    chosen = parse()
    block = Block("bench/listener-close") if chosen.write else None
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as folder,
        Children(Path(folder)) as children,
    ):
        compile_targets(children, chosen.build_dir, [CLOSER])
        closer = chosen.build_dir / CLOSER
        ways = [way for way in WAYS if chosen.io in (None, way.engine) or way.name == "close"]
        results = [run(children, closer, way, chosen.closes) for way in ways]
    exit_code = report(results, chosen.json)
    if block:
        block.publish(exit_code, f"{compact(results)}\n\n{sample(results)}", say)
    return exit_code


def say(text: str) -> None:
    PROGRAM.say(text)


def run(children: Children, closer: Path, way: Way, closes: int) -> Result:
    ports = [str(port) for port in free_ports(LISTENERS)]
    child = children.start(
        f"{CLOSER} {way.name} {way.engine}",
        [str(closer), way.name, way.engine, str(closes), str(CLIENTS), *ports],
        stdout=PIPE,
        encoding="utf-8",
    )
    began = told = closed_at = time.monotonic()
    closed = ""
    while child.running():
        time.sleep(0.05)
        now, line = time.monotonic(), child.last_line()
        if line.partition(" closes")[0] != closed:
            closed, closed_at = line.partition(" closes")[0], now
        late = now - began > SECONDS_MAX + closes * SECONDS_MAX_PER_CLOSE
        if late or now - closed_at > STALLED_SECONDS:
            raise HarnessError(f"{child.name} hangs after {now - began:.0f} s: {line}")
        if now - told > TELL_SECONDS:
            told = now
            say(line)
    say(child.last_line())
    if child.process.returncode != 0:
        raise HarnessError(f"{child.name} failed, {child.how_it_ended()}")
    return Result(**json.loads(child.stdout.read()))  # one short line: it fits any pipe


# ---- what came of it


def report(results: list[Result], json_file: Path | None) -> int:
    print(table(results))
    print(setting(results[0]))
    print("Refused clients had sent nothing. Lost ones had connected: reset, or EOF instead of")
    print("an answer. Late ones were in the accept queue or half-way to it at un-listen: served.")
    for result in filter(lost_none, results):
        print(f"{result.title}: {bound(result)}.")
    PROGRAM.write_json(json_file, [as_object(each) for each in results])
    return verdict(results)


def verdict(results: list[Result]) -> int:
    failures = [
        f"{result.title}: {problem}"
        for result in results
        for problem in result.broken_promises()
    ]
    ok = "lastcall lost no client that had connected; a plain close did, as it must"
    return program.verdict(failures, ok)


if __name__ == "__main__":
    sys.exit(PROGRAM.run(main))
