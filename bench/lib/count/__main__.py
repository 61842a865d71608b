"""Exactly once: a rolling restart while answers have work to do that outlives them.

    bench/count            all servers: about four minutes
    bench/count --chaos    the same, and Redis is restarted and its connections are cut
    bench/count --quick    lastcall with and without its drain: within a minute

The table goes to stdout, what is being done to stderr. Everything stays on 127.0.0.1.
"""

import sys
import time

from harness import haproxy, program
from harness.blocks import Block
from harness.build import build
from harness.program import Program
from harness.servers import Binaries

from . import options, picture, run, table
from .row import Row
from .schedule import Schedule

PROGRAM = Program("count")
FILES_MAX = 65_536  # two for each connection that waits in the proxy
OVERHEAD_SECONDS = 5  # around each load: the first health checks, jobs, reading the results


def main() -> int:
    chosen = options.parse()
    block = Block("bench/count") if chosen.write else None
    say("building")
    binaries = build(chosen.build_dir, chosen.setup, chosen.servers)
    program.raise_file_limit(FILES_MAX)
    rows = run_all(chosen, binaries)
    exit_code = report(chosen, rows)
    if block:
        publish(block, exit_code, chosen, rows)
    return exit_code


def say(text: str) -> None:
    PROGRAM.say(text)


def run_all(chosen: options.Options, binaries: Binaries) -> list[Row]:
    schedule = chosen.schedule
    cases = [(schedule, server) for schedule in chosen.schedules for server in chosen.servers]
    runs = len(cases) * chosen.repeat
    drain = schedule.drain_window + schedule.job_delay
    total = runs * (schedule.seconds + drain + OVERHEAD_SECONDS)
    say(f"runs: {runs}, about {total:.0f} s; {what(schedule)}")
    rows = []
    for schedule, server in cases:
        row = Row(server, schedule, [])
        rows.append(row)
        for number in range(chosen.repeat):
            done = (len(rows) - 1) * chosen.repeat + number + 1
            say(f"[{done}/{runs}] {server.title}: {row.experiment}")
            row.runs.append(run.run(binaries, schedule, server))
            tell(row.runs[-1])
    return rows


def what(schedule: Schedule) -> str:
    chaos = ", Redis restarted and cut" if schedule.chaos else ""
    return f"2 replicas behind HAProxy, {schedule.describe()}{chaos}"


def tell(last: run.Run) -> None:
    say(f"    {last.sent:,} sent, {last.answered:,} answered, {last.counted:,} counted")
    for remark in last.remarks():
        say(f"    {remark}")


def report(chosen: options.Options, rows: list[Row]) -> int:
    print(table.table(rows), flush=True)
    for schedule in chosen.schedules:
        print(f"{what(schedule)}.")
    for row in rows:
        if note := haproxy.describe(row.proxy_losses):
            print(f"{row.server.title}: {note}.")
    write_files(chosen, rows)
    failures = [f"{row.server.title}: {each}" for row in rows for each in row.failures()]
    judged = [expectation(row) for row in rows if row.server.must_lose is not None]
    return program.verdict(failures, "; ".join(judged))


def expectation(row: Row) -> str:
    if row.server.must_lose:
        return f"{row.server.title} lost {row.answered - row.counted:,}, as it must"
    return f"{row.server.title} counted {row.counted:,} of {row.sent:,}, each once"


def publish(block: Block, exit_code: int, chosen: options.Options, rows: list[Row]) -> None:
    body = f"{table.compact(rows)}\n\n{what(chosen.schedules[0])}; {table.sample(rows)}"
    block.publish(exit_code, body, say)
    if chosen.published and exit_code == 0:
        PROGRAM.write(chosen.published, draw(chosen, rows), "the picture")


def draw(chosen: options.Options, rows: list[Row]) -> str:
    """Of two experiments, the one with chaos."""
    schedule = chosen.schedules[-1]
    subtitle = f"{what(schedule)} · {time.strftime('%Y-%m-%d')}"
    return picture.picture([row for row in rows if row.schedule == schedule], subtitle)


def write_files(chosen: options.Options, rows: list[Row]) -> None:
    PROGRAM.write(chosen.svg, draw(chosen, rows), "the picture")
    PROGRAM.write_json(chosen.json, table.objects(rows))


if __name__ == "__main__":
    sys.exit(PROGRAM.run(main))
