#!/usr/bin/env python3
"""Exactly once: a rolling restart while answers have work to do that outlives them.

    bench/count            all servers: about four minutes
    bench/count --chaos    the same, and Redis is restarted and its connections are cut
    bench/count --quick    lastcall with and without its drain: within a minute

The table goes to stdout, what is being done to stderr. Everything stays on 127.0.0.1.
"""

import sys
import time

from counting import experiment, options, picture, table
from counting.row import Row
from harness import haproxy, program, rolling
from harness.build import build
from harness.program import Program
from harness.replica import Binaries

PROGRAM = Program("count")
FILES_MAX = 65_536  # two for each connection that waits in the proxy
OVERHEAD_SECONDS = 5  # around each load: the first health checks, jobs, reading the results


def main() -> int:
    chosen = options.parse()
    say("building")
    binaries = build(chosen.build_dir, chosen.setup, chosen.variants)
    program.raise_file_limit(FILES_MAX)
    return report(chosen, run_all(chosen, binaries))


def say(text: str) -> None:
    PROGRAM.say(text)


def run_all(chosen: options.Options, binaries: Binaries) -> list[Row]:
    schedule = chosen.schedule
    runs = len(chosen.variants) * chosen.repeat
    drain = schedule.drain_window + schedule.job_delay
    total = runs * (schedule.seconds + drain + OVERHEAD_SECONDS)
    say(f"runs: {runs}, about {total:.0f} s; {what(chosen)}")
    rows = []
    for variant in chosen.variants:
        row = Row(variant, schedule, [])
        rows.append(row)
        for number in range(chosen.repeat):
            done = (len(rows) - 1) * chosen.repeat + number + 1
            say(f"[{done}/{runs}] {variant.title}: {row.case}")
            row.runs.append(experiment.run(binaries, schedule, variant))
            tell(row.runs[-1])
    return rows


def what(chosen: options.Options) -> str:
    chaos = ", Redis restarted and cut" if chosen.schedule.chaos else ""
    return f"2 replicas behind HAProxy, {chosen.schedule.describe()}{chaos}"


def tell(run: experiment.Run) -> None:
    say(f"    {run.sent:,} sent, {run.answered:,} answered, {run.counted:,} counted")
    for remark in rolling.remarks(run.proxy_losses, run.departures, run.invalid):
        say(f"    {remark}")


def report(chosen: options.Options, rows: list[Row]) -> int:
    print(table.table(rows), flush=True)
    print(f"{what(chosen)}.")
    for row in rows:
        if note := haproxy.describe(row.proxy_losses):
            print(f"{row.variant.title}: {note}.")
    write_files(chosen, rows)
    failures = [f"{row.variant.title}: {each}" for row in rows for each in row.failures()]
    judged = [expectation(row) for row in rows if row.variant.must_lose is not None]
    return program.verdict(failures, "; ".join(judged))


def expectation(row: Row) -> str:
    if row.variant.must_lose:
        return f"{row.variant.title} lost {row.answered - row.counted:,}, as it must"
    return f"{row.variant.title} counted {row.counted:,} of {row.sent:,}, each once"


def write_files(chosen: options.Options, rows: list[Row]) -> None:
    subtitle = f"{what(chosen)} · {time.strftime('%Y-%m-%d')}"
    PROGRAM.write(chosen.svg, picture.picture(rows, subtitle), "the picture")
    PROGRAM.write_json(chosen.json, table.objects(rows))


if __name__ == "__main__":
    sys.exit(PROGRAM.run(main))
