"""The command line of bench/listener-close."""

import argparse

from harness import options, values

DESCRIPTION = """\
Closes a listener again and again under load, and counts the clients that had connected and
were reset.

    bench/listener-close                  1,000 closes of each kind: about five minutes
    bench/listener-close --closes 100     less proof, in half a minute

Each client connects, sends one request, reads the answer to its end and begins again. A client
that is refused has sent nothing and can safely go elsewhere: it is counted apart. One that had
connected and got no complete answer is lost. The table goes to stdout, progress to stderr.
"""


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = options.Parser("listener-close", DESCRIPTION)
    closes = values.whole(1, 1_000_000)
    parser.add_argument("--closes", type=closes, default=1000, help="of each kind (1000)")
    parser.add_io("only this one of the two that lastcall serves by (both)")
    parser.add_json()
    parser.add_write()
    parser.add_build_dir()
    return parser.parse_args(argv)
