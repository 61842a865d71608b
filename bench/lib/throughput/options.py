"""The command line of bench/throughput."""

import argparse

from harness import options, values

from .loads import NAMES

ROUNDS, SECONDS = 40, 1
QUICK_ROUNDS, QUICK_SECONDS = 1, 1

DESCRIPTION = """\
What a request costs: CPU time of lastcall against the floor, which is what the kernel costs, by
io_uring and by epoll, each against a floor of its own; and against the peers that this machine has
or can build. Latencies at a steady rate; what one client leaves to others.

    bench/throughput                all rows: a little over an hour
    bench/throughput --row many     one of them, by its name: several may be given
    bench/throughput --quick        one short round of each: within four minutes, and nothing is
                                    judged

The floor (bench/floor.cc) answers every request with the same bytes and understands none of them;
the floor with llhttp lets that find where they end, and discards what it finds besides.
The server has one CPU and the load another; the servers take turns, and the median of the ratios
within each round counts. Peers get a quarter of the rounds. One that is not there is left out, and
that is said. After that, user time per request without a kernel (bench/request_cost.cc). The
tables go to stdout, progress to stderr.
"""


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = options.Parser("throughput", DESCRIPTION)
    add_turns(parser, ROUNDS, SECONDS)
    parser.add_argument(
        "--row", action="append", choices=NAMES, help=f"only this: {', '.join(NAMES)} (all)"
    )
    parser.add_io("only lastcall by this, and its floor (both)")
    parser.add_json()
    parser.add_write()
    parser.add_build_dir(", which should be a release build")
    chosen = parser.parse_args(argv)
    parser.check_write(chosen)
    if chosen.write and (chosen.io or chosen.row):
        parser.error("what is written down has all: --write goes without --io and --row")
    return with_turns(chosen, ROUNDS, SECONDS)


def add_turns(parser: options.Parser, rounds: int, seconds: int) -> None:
    """How many turns each server has, and how long: `with_turns` says what is not given."""
    add = parser.add_argument
    add("--quick", action="store_true", help="one short round of each load; judges nothing")
    add("--rounds", type=values.whole(1, 1000), metavar="N", help=f"of each load ({rounds})")
    add("--seconds", type=values.whole(1, 3600), metavar="N", help=f"of a turn ({seconds})")


def with_turns(chosen: argparse.Namespace, rounds: int, seconds: int) -> argparse.Namespace:
    chosen.rounds = chosen.rounds or (QUICK_ROUNDS if chosen.quick else rounds)
    chosen.seconds = chosen.seconds or (QUICK_SECONDS if chosen.quick else seconds)
    return chosen
