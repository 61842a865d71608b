#!/usr/bin/env python3
"""Closes a listener again and again under load, and counts the clients that had connected and
were reset.

    bench/listener-close                  1,000 closes of each kind: about three minutes
    bench/listener-close --closes 100     less proof, in half a minute

Each client connects, sends one request, reads the answer to its end and begins again. A client
that is refused has sent nothing and can safely go elsewhere: it is counted apart. One that had
connected and got no complete answer is lost. The table goes to stdout, progress to stderr.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

from harness import program, values
from harness.build import compile_targets
from harness.network import free_ports
from harness.outcome import bound_of_none
from harness.processes import Children, HarnessError
from harness.program import Program
from harness.table import align

PROGRAM = Program("listener-close")
CLOSER = "listener_close"
WAYS = {
    "close": "plain close of an accept loop",
    "fallback": "lastcall without un-listen",
    "unlisten": "lastcall",
}
LISTENERS = 2  # side by side: while one settles the other keeps the machine busy
CLIENTS = 32  # of each listener
SECONDS_MAX = 60  # for a way ...
SECONDS_MAX_PER_CLOSE = 0.8  # ... and for each of its closes; what it takes is about a tenth
STALLED_SECONDS = 20  # without a close: it hangs
TELL_SECONDS = 5


@dataclass(frozen=True)
class Result:
    """One way to close, as the clients saw it (listener_close.cc) and the server counted it."""

    way: str
    closes: int
    clients: int
    listeners: int
    answered: int
    refused: int
    reset: int
    cut: int
    timed_out: int
    harness: int
    answered_by_server: int
    accepted_after_unlisten: int
    accepted_in_sweep: int
    seconds: float
    own_network: bool

    @property
    def lost(self) -> int:
        return self.reset + self.cut

    @property
    def connected(self) -> int:
        return self.answered + self.lost

    def broken_promises(self) -> list[str]:
        """What this row shows that it must not show."""
        found = []
        if self.harness:
            found.append(f"out of ports or files {self.harness} times: no result")
        if self.timed_out:
            found.append(f"{self.timed_out} clients were neither refused nor answered")
        if self.way == "close" and self.lost == 0:
            found.append("no client was reset, so this harness proves nothing")
        if self.way == "unlisten" and self.lost > 0:
            found.append(f"{self.lost:,} clients that had connected were lost, not 0")
        if self.answered != self.answered_by_server:
            found.append(
                f"the clients count {self.answered:,} answers,"
                f" the server {self.answered_by_server:,}"
            )
        return found


def main() -> int:
    chosen = parse()
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as folder,
        Children(Path(folder)) as children,
    ):
        compile_targets(children, chosen.build_dir, [CLOSER])
        closer = chosen.build_dir / CLOSER
        results = [run(children, closer, way, chosen.closes) for way in WAYS]
    return report(results, chosen.json)


def say(text: str) -> None:
    PROGRAM.say(text)


def parse() -> argparse.Namespace:
    parser = values.Parser("listener-close", __doc__)
    closes = values.whole(1, 1_000_000)
    parser.add_argument("--closes", type=closes, default=1000, help="of each kind (1000)")
    parser.add_json()
    parser.add_build_dir()
    return parser.parse_args()


def run(children: Children, closer: Path, way: str, closes: int) -> Result:
    ports = [str(port) for port in free_ports(LISTENERS)]
    child = children.start(
        f"{CLOSER} {way}",
        [str(closer), way, str(closes), str(CLIENTS), *ports],
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
    first = results[0]
    print(
        f"{first.listeners} listeners at a time, each under {first.clients} clients that never"
        " pause; loopback" + (" in a network namespace of its own." if first.own_network else ".")
    )
    print("Refused clients had sent nothing. Lost ones had connected: reset, or EOF instead of")
    print("an answer. Late ones were in the accept queue or half-way to it at un-listen: served.")
    for result in results:
        if result.lost + result.timed_out == 0 and result.connected:
            print(f"{WAYS[result.way]}: {bound(result)}.")
    PROGRAM.write_json(json_file, [as_object(each) for each in results])
    return verdict(results)


def bound(result: Result) -> str:
    """None lost is not never: what the sample allows to say."""
    clients = 100 * bound_of_none(result.connected)
    closes = 100 * bound_of_none(result.closes)
    return (
        f"0 of {result.connected:,} connected clients in {result.closes:,} closes: at 95 %"
        f" at most {clients:.2g} % of clients, {closes:.2g} % of closes"
    )


def table(results: list[Result]) -> str:
    head = ["listener closed by", "sample", "connected", "lost", "reset", "EOF", "per close"]
    head += ["refused", "hung", "late", "seconds"]
    return align([head, *map(cells, results)])


def cells(result: Result) -> list[str]:
    counts = (result.connected, result.lost, result.reset, result.cut)
    late = result.accepted_after_unlisten + result.accepted_in_sweep
    return [
        WAYS[result.way],
        f"{result.closes:,} closes",
        *(f"{count:,}" for count in counts),
        f"{result.lost / result.closes:.2f}",
        f"{result.refused:,}",
        f"{result.timed_out:,}",
        f"{late:,}" if result.way == "unlisten" else ".",
        f"{result.seconds:.0f}",
    ]


def as_object(result: Result) -> dict:
    derived = {"title": WAYS[result.way], "connected": result.connected, "lost": result.lost}
    return derived | vars(result) | {"broken_promises": result.broken_promises()}


def verdict(results: list[Result]) -> int:
    failures = [
        f"{WAYS[result.way]}: {problem}"
        for result in results
        for problem in result.broken_promises()
    ]
    ok = "lastcall lost no client that had connected; a plain close did, as it must"
    return program.verdict(failures, ok)


if __name__ == "__main__":
    sys.exit(PROGRAM.run(main))
