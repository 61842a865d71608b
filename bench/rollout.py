#!/usr/bin/env python3
"""Proves the promise: a rolling restart under load, and what each server loses in it.

    bench/rollout            all servers, all attacks: about six minutes
    bench/rollout --quick    lastcall with and without its drain: within a minute

The table goes to stdout, what is being done to stderr. Everything stays on 127.0.0.1.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True  # nothing is written into the source tree
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import haproxy, options, rolling, table, timeline  # noqa: E402
from harness.build import build  # noqa: E402
from harness.network import many_ephemeral_ports  # noqa: E402
from harness.processes import Children, HarnessError, Interrupted, end_on_signals  # noqa: E402
from harness.replica import Binaries  # noqa: E402
from harness.row import Row  # noqa: E402

FILES_MAX = 65_536
OVERHEAD_SECONDS = 2  # around each rollout: the first health checks, reading the results


def main() -> int:
    end_on_signals()
    chosen = options.parse()
    try:
        binaries = build_all(chosen)
        raise_file_limit()
        with many_ephemeral_ports(say):
            rows = attack_all(chosen, binaries)
        return report(chosen, rows)
    except (HarnessError, OSError) as error:
        say(f"failed: {error}")
        return 1
    except Interrupted as signal:
        say(f"{signal}: all that was started is gone")
        return signal.exit_code


def say(text: str) -> None:
    print(f"rollout: {text}", file=sys.stderr, flush=True)


def build_all(chosen: options.Options) -> Binaries:
    say("building")
    wants_lastcall = any(variant.is_lastcall for variant in chosen.variants)
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as folder,
        Children(Path(folder)) as children,
    ):
        return build(children, chosen.build_dir, chosen.setup, wants_lastcall)


def raise_file_limit() -> None:
    """For the proxy and the load: two files for each connection that waits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, FILES_MAX)), hard))


def attack_all(chosen: options.Options, binaries: Binaries) -> list[Row]:
    setting = rolling.Setting(
        binaries=binaries,
        rate=chosen.rate,
        seconds=chosen.seconds,
        replicas=chosen.replicas,
        drain_window=chosen.drain_window,
    )
    pairs = [(variant, attack) for variant in chosen.variants for attack in chosen.attacks]
    runs = len(pairs) * chosen.repeat
    total = runs * (chosen.seconds + OVERHEAD_SECONDS)
    say(f"rollouts to run: {runs}, about {total:.0f} s; {what(chosen)}")
    rows = []
    for variant, attack in pairs:
        row = Row(variant, attack, [])
        rows.append(row)
        for number in range(chosen.repeat):
            done = len(rows) * chosen.repeat - chosen.repeat + number + 1
            say(f"[{done}/{runs}] {variant.title}: {attack.title}")
            row.runs.append(rolling.run(setting, variant, attack))
            tell(row)
    return rows


def what(chosen: options.Options) -> str:
    return (
        f"{chosen.replicas} replicas behind HAProxy, {chosen.rate:,} requests a second for"
        f" {chosen.seconds:g} s, drain window {chosen.drain_window:g} s"
    )


def tell(row: Row) -> None:
    """What the last run of `row` gave, while the next is about to begin."""
    run = row.runs[-1]
    say(f"    {run.tally.lost:,} of {run.tally.requests:,} lost")
    if run.proxy_losses:
        say(f"    {haproxy.describe(run.proxy_losses)}")
    for departure in run.departures:
        say(f"    {departure.describe()}")
    for reason in run.invalid:
        say(f"    invalid: {reason}")


def report(chosen: options.Options, rows: list[Row]) -> int:
    print(table.table(rows), flush=True)
    print("Latencies are those of the answered requests, a lost one has none.")
    for row in rows:
        if note := row.bound() or haproxy.describe(row.proxy_losses):
            print(f"{row.variant.title}, {row.attack.name}: {note}.")
    write_files(chosen, rows)
    return verdict(rows)


def write_files(chosen: options.Options, rows: list[Row]) -> None:
    date = time.strftime("%Y-%m-%d")
    chosen.svg.write_text(timeline.picture(rows, f"{what(chosen)} · {date}"), encoding="utf-8")
    say(f"the picture is in {chosen.svg}")
    if chosen.json:
        text = table.to_json(rows, chosen.rate, chosen.seconds, chosen.drain_window)
        chosen.json.write_text(text)
        say(f"the table as JSON is in {chosen.json}")


def verdict(rows: list[Row]) -> int:
    failures = [
        f"{row.variant.title}, {row.attack.name}: {problem}"
        for row in rows
        for problem in [*(f"invalid: {each}" for each in row.invalidity()), *row.broken_promises()]
    ]
    for failure in failures:
        print(f"FAILED: {failure}")
    judged = [row for row in rows if row.variant.must_lose is not None]
    if not failures and judged:
        print("OK: " + "; ".join(sorted({expectation(row) for row in judged})))
    return 1 if failures else 0


def expectation(row: Row) -> str:
    lost = "lost requests, as it must" if row.variant.must_lose else "lost none"
    return f"{row.variant.title} {lost}"


if __name__ == "__main__":
    sys.exit(main())
