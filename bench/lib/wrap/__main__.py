"""Any program, drained: a rolling restart of programs that know nothing of it.

    bench/wrap            all programs, bare and behind lastcall by either engine: nine minutes
    bench/wrap --quick    a Go program that exits at once, bare and behind lastcall: a minute

The table goes to stdout, what is being done to stderr. Everything stays on 127.0.0.1.
"""

import sys
import time

from harness import program
from harness.blocks import Block
from harness.build import build
from harness.network import many_ephemeral_ports
from harness.program import Program
from harness.servers import Binaries
from harness.vegeta import Attack
from rollout import picture
from rollout import table as rollouts

from . import options, run, table
from .programs import server_of
from .row import WrapRow, idle_control
from .run import Plan, setting_of

PROGRAM = Program("wrap")
FILES_MAX = 65_536  # two for each connection that waits in the proxy
OVERHEAD_SECONDS = 3  # around each rollout: the first health checks, reading the results
PICTURED = "node"  # of all programs, in the picture that README.md shows


def main() -> int:
    chosen = options.parse()
    block = Block("bench/wrap") if chosen.write else None
    say("building")
    servers = [server_of(each, way) for each in chosen.programs for way in chosen.ways]
    binaries = build(chosen.build_dir, chosen.setup, servers)
    for each in chosen.programs:  # what is missing is told before minutes of load
        each.argv(binaries, 0, "")
    program.raise_file_limit(FILES_MAX)
    with many_ephemeral_ports(say):
        groups = restart_all(chosen, binaries)
    exit_code = report(chosen, groups)
    if block:
        publish(block, exit_code, chosen, [row for rows in groups.values() for row in rows])
    return exit_code


def say(text: str) -> None:
    PROGRAM.say(text)


def restart_all(chosen: options.Options, binaries: Binaries) -> dict[Plan, list[WrapRow]]:
    """Rows that have their rollouts in common are together."""
    plans = [plan for plan in plans_of(chosen, binaries) for _ in range(repeats(chosen, plan))]
    total = sum(plan.setting.seconds + OVERHEAD_SECONDS for plan in plans)
    say(f"rollouts to run: {len(plans)}, about {total:.0f} s; {what(chosen)}")
    groups: dict[Plan, list[WrapRow]] = {}
    for number, plan in enumerate(plans, start=1):
        server = server_of(plan.program, plan.way)
        attacks = attacks_of(chosen, plan)
        rows = groups.setdefault(plan, [WrapRow(server, attack, []) for attack in attacks])
        say(f"[{number}/{len(plans)}] {server.title}")
        for row, each in zip(rows, run.run(plan, attacks), strict=True):
            row.runs.append(each)
        tell(rows)
    return groups


def plans_of(chosen: options.Options, binaries: Binaries) -> list[Plan]:
    same = (binaries, chosen.rate, chosen.replicas, chosen.drain_window)
    return [
        Plan(setting_of(each, *same), each, way)
        for each in chosen.programs
        for way in chosen.ways
    ]


def repeats(chosen: options.Options, plan: Plan) -> int:
    """A control that has lost once has shown what it is for."""
    return 1 if plan.way.is_bare else chosen.repeat


def attacks_of(chosen: options.Options, plan: Plan) -> list[Attack]:
    """Those that were chosen, or what the program has in their place."""
    wanted = [each for each in plan.program.attacks if each.name in chosen.attacks]
    return wanted or list(plan.program.attacks)


def what(chosen: options.Options) -> str:
    return (
        f"{chosen.replicas} replicas behind HAProxy, {chosen.rate:,} requests a second of each"
        f" attack, all at once, drain window {chosen.drain_window:g} s"
    )


def tell(rows: list[WrapRow]) -> None:
    """What the last run of `rows` gave, while the next is about to begin."""
    for row in rows:
        last = row.runs[-1]
        counted = "" if last.counted is None else f", {last.counted:,} counted"
        say(f"    {row.attack.title}: {last.tally.lost:,} of {last.tally.requests:,} lost{counted}")
    for remark in rows[0].runs[-1].remarks():
        say(f"    {remark}")


def report(chosen: options.Options, groups: dict[Plan, list[WrapRow]]) -> int:
    rows = [row for group in groups.values() for row in group]
    print(rollouts.table(rows), flush=True)
    print("Latencies are those of the answered requests, a lost one has none.")
    for row in rows:
        if row.counted is not None:
            print(f"{row.server.title}: {row.counted:,} of {row.answered:,} answers counted.")
        if note := row.bound():
            print(f"{row.server.title}, {row.attack.name}: {note}.")
    PROGRAM.write(chosen.svg, draw(chosen, rows), "the picture")
    PROGRAM.write_json(chosen.json, objects(groups))
    failures = [
        f"{row.server.title}, {row.attack.name}: {problem}"
        for row in rows
        for problem in [*(f"invalid: {each}" for each in row.invalidity()), *row.broken_promises()]
    ]
    failures += [problem for group in groups.values() for problem in idle_control(group)]
    return program.verdict(failures, verdict(rows))


def objects(groups: dict[Plan, list[WrapRow]]) -> list[dict]:
    found = []
    for plan, rows in groups.items():
        setting = plan.setting
        made = rollouts.objects(rows, setting.rate, setting.seconds, setting.drain_window)
        counts = ({"counted": row.counted} for row in rows)
        found += [each | count for each, count in zip(made, counts, strict=True)]
    return found


def verdict(rows: list[WrapRow]) -> str:
    bare = "each program lost requests bare"
    wrapped = "none lost any behind lastcall"
    kinds = {row.server.must_lose for row in rows}
    return ", ".join(text for kind, text in ((True, bare), (False, wrapped)) if kind in kinds)


def publish(block: Block, exit_code: int, chosen: options.Options, rows: list[WrapRow]) -> None:
    body = f"{table.compact(rows)}\n\n{what(chosen)}; {table.sample(rows)}"
    block.publish(exit_code, body, say)
    if chosen.published and exit_code == 0:
        mine = [row for row in rows if row.server.name.startswith(f"{PICTURED} ")]
        PROGRAM.write(chosen.published, draw(chosen, mine or rows), "the picture")


def draw(chosen: options.Options, rows: list[WrapRow]) -> str:
    return picture.picture(rows, f"{what(chosen)} · {time.strftime('%Y-%m-%d')}")


if __name__ == "__main__":
    sys.exit(PROGRAM.run(main))
