"""Proves the promise: a rolling restart under load, and what each server loses in it.

    bench/rollout            all servers, all attacks: about six minutes
    bench/rollout --quick    lastcall with and without its drain: within a minute

The table goes to stdout, what is being done to stderr. Everything stays on 127.0.0.1.
"""

import sys
import time

from harness import haproxy, program
from harness.blocks import Block
from harness.build import build
from harness.network import many_ephemeral_ports
from harness.program import Program
from harness.servers import Binaries

from . import options, picture, run, table
from .replicas import Setting
from .row import Row

PROGRAM = Program("rollout")
FILES_MAX = 65_536  # two for each connection that waits in the proxy
OVERHEAD_SECONDS = 2  # around each rollout: the first health checks, reading the results


def main() -> int:
    chosen = options.parse()
    block = Block("bench/rollout") if chosen.write else None
    say("building")
    binaries = build(chosen.build_dir, chosen.setup, chosen.servers)
    program.raise_file_limit(FILES_MAX)
    with many_ephemeral_ports(say):
        rows = attack_all(chosen, binaries)
    exit_code = report(chosen, rows)
    if block:
        publish(block, exit_code, chosen, rows)
    return exit_code


def say(text: str) -> None:
    PROGRAM.say(text)


def attack_all(chosen: options.Options, binaries: Binaries) -> list[Row]:
    setting = Setting(
        binaries=binaries,
        rate=chosen.rate,
        seconds=chosen.seconds,
        replicas=chosen.replicas,
        drain_window=chosen.drain_window,
    )
    pairs = [(server, attack) for server in chosen.servers for attack in chosen.attacks]
    runs = len(pairs) * chosen.repeat
    total = runs * (chosen.seconds + OVERHEAD_SECONDS)
    say(f"rollouts to run: {runs}, about {total:.0f} s; {what(chosen)}")
    rows = []
    for server, attack in pairs:
        row = Row(server, attack, [])
        rows.append(row)
        for number in range(chosen.repeat):
            done = len(rows) * chosen.repeat - chosen.repeat + number + 1
            say(f"[{done}/{runs}] {server.title}: {attack.title}")
            row.runs.append(run.run(setting, server, attack))
            tell(row)
    return rows


def what(chosen: options.Options) -> str:
    return (
        f"{chosen.replicas} replicas behind HAProxy, {chosen.rate:,} requests a second for"
        f" {chosen.seconds:g} s, drain window {chosen.drain_window:g} s"
    )


def tell(row: Row) -> None:
    """What the last run of `row` gave, while the next is about to begin."""
    last = row.runs[-1]
    say(f"    {last.tally.lost:,} of {last.tally.requests:,} lost")
    for remark in last.remarks():
        say(f"    {remark}")


def report(chosen: options.Options, rows: list[Row]) -> int:
    print(table.table(rows), flush=True)
    print("Latencies are those of the answered requests, a lost one has none.")
    for row in rows:
        if note := row.bound() or haproxy.describe(row.proxy_losses):
            print(f"{row.server.title}, {row.attack.name}: {note}.")
    write_files(chosen, rows)
    return verdict(rows)


def publish(block: Block, exit_code: int, chosen: options.Options, rows: list[Row]) -> None:
    body = f"{table.compact(rows)}\n\n{what(chosen)}; {table.sample(rows)}"
    block.publish(exit_code, body, say)
    if chosen.published and exit_code == 0:
        PROGRAM.write(chosen.published, draw(chosen, rows), "the picture")


def draw(chosen: options.Options, rows: list[Row]) -> str:
    return picture.picture(rows, f"{what(chosen)} · {time.strftime('%Y-%m-%d')}")


def write_files(chosen: options.Options, rows: list[Row]) -> None:
    PROGRAM.write(chosen.svg, draw(chosen, rows), "the picture")
    objects = table.objects(rows, chosen.rate, chosen.seconds, chosen.drain_window)
    PROGRAM.write_json(chosen.json, objects)


def verdict(rows: list[Row]) -> int:
    failures = [
        f"{row.server.title}, {row.attack.name}: {problem}"
        for row in rows
        for problem in [*(f"invalid: {each}" for each in row.invalidity()), *row.broken_promises()]
    ]
    judged = [row for row in rows if row.server.must_lose is not None]
    return program.verdict(failures, "; ".join(sorted({expectation(row) for row in judged})))


def expectation(row: Row) -> str:
    lost = "lost requests, as it must" if row.server.must_lose else "lost none"
    return f"{row.server.title} {lost}"


if __name__ == "__main__":
    sys.exit(PROGRAM.run(main))
