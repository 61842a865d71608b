"""The command line of bench/proxy."""

import argparse

from harness import options
from throughput.options import add_turns, with_turns

ROUNDS, SECONDS = 7, 2

DESCRIPTION = """\
What a request costs that is passed on: CPU time of `lastcall --upstream` beside nginx and HAProxy
on the same upstream, and what each adds to the latency at 1,000 requests a second.

    bench/proxy            about five minutes
    bench/proxy --quick    one short round of each: within a minute, and nothing is judged

The proxy has one CPU, the load and the upstream another; proxies take turns, and the median of the
ratios within each round counts. Tables go to stdout, progress to stderr.
"""


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = options.Parser("proxy", DESCRIPTION)
    add_turns(parser, ROUNDS, SECONDS)
    parser.add_json()
    parser.add_write()
    parser.add_build_dir(", which should be a release build")
    chosen = parser.parse_args(argv)
    parser.check_write(chosen)
    return with_turns(chosen, ROUNDS, SECONDS)
