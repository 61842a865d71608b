"""The command line of bench/cluster."""

import argparse
import re

from harness import options, values
from harness.blocks import RESULTS
from harness.vegeta import ATTACKS

from . import clusters, places
from .experiments import ALL, NAMES
from .servers import SERVERS

COMMANDS = ("run", "build", "up", "shell", "down")
OF_RUNS = ("quick", "full", "attack", "variant", "repeat", "rate", "json", "svg", "write")
PICTURES = places.BUILT / "pictures"
ADDRESS = "a node's address and a free node port, such as http://172.18.0.2:30080"

DESCRIPTION = """\
A real Kubernetes of two nodes on this machine, and what lastcall loses in it: nothing.

    bench/cluster                      up, every experiment, down
    bench/cluster up | shell | down    the cluster alone
    bench/cluster build                only what it is made of
    bench/cluster run [EXPERIMENT...]  some, in the cluster that is up, or else in one for them

    bench/cluster run --kubeconfig FILE --address URL --image REF [EXPERIMENT...]
                                       in a cluster of your own

Needs root: nodes are namespaces. The first time it builds Kubernetes, which takes minutes. The
table goes to stdout, what is being done to stderr.
"""


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = _parser()
    chosen = parser.parse_intermixed_args(argv)
    if chosen.command in NAMES:
        parser.error(f"experiments go with run: bench/cluster run {chosen.command}")
    if chosen.command not in COMMANDS:
        parser.error(f"there is no command '{chosen.command}', but {', '.join(COMMANDS)}")
    if chosen.command != "run":
        check_no_run(parser, chosen)
    check_whose(parser, chosen)
    parser.check_write(chosen)
    for name in chosen.experiments:
        if name not in NAMES:
            parser.error(f"experiment '{name}' is none of {', '.join(NAMES)}")
        if chosen.kubeconfig and ALL[name].needs_nodes:
            parser.error(f"{name} needs the nodes of bench/cluster itself: not with --kubeconfig")
    chosen.published = RESULTS if chosen.write and not chosen.svg else None
    chosen.svg = chosen.svg or PICTURES
    return chosen


def _parser() -> options.Parser:
    parser = options.Parser("cluster", DESCRIPTION)
    add = parser.add_argument
    commands = ", ".join(COMMANDS)
    add("command", nargs="?", metavar="COMMAND", default="run", help=f"{commands} (run)")
    add("experiments", nargs="*", metavar="EXPERIMENT", help=", ".join(NAMES))
    quick = ", ".join(each.name for each in ALL.values() if each.quick)
    how_much = parser.add_mutually_exclusive_group()
    what = f"{quick}; lastcall and its control: 6 minutes, once all is built"
    how_much.add_argument("--quick", action="store_true", help=what)
    what = "the loop of one-replica 100,000 requests long"
    how_much.add_argument("--full", action="store_true", help=what)
    attacks, servers = list(ATTACKS), [each.name for each in SERVERS]
    some = {"default": [], "metavar": "NAME,..."}
    add("--attack", type=values.names(attacks), help=", ".join(attacks), **some)
    add("--variant", type=values.names(servers), help=", ".join(servers), **some)
    add("--repeat", type=values.whole(1, 100), default=1, help="runs that a row adds up (1)")
    add("--rate", type=values.whole(1, 20_000), default=1000, help="requests a second (1000)")
    parser.add_json()
    parser.add_write()
    what = f"a picture for each experiment goes there ({PICTURES.relative_to(places.ROOT)})"
    add("--svg", type=values.output_folder, metavar="DIR", help=what)
    _add_theirs(add)
    return parser


def _add_theirs(add) -> None:
    what = "of a cluster of your own"
    add("--kubeconfig", type=values.input_file, metavar="FILE", help=what)
    add("--address", metavar="URL", default="", help=f"{ADDRESS}: its Service gets that port")
    add("--image", metavar="REF", default="", help="lastcall's image, as that cluster pulls it")
    what = f"of pods in that cluster: {', '.join(clusters.SECCOMP)} ({clusters.SECCOMP[0]})"
    add("--seccomp", choices=clusters.SECCOMP, help=what)


def check_whose(parser: options.Parser, chosen: argparse.Namespace) -> None:
    if chosen.kubeconfig and chosen.write:
        parser.error("--write tells of bench/cluster's own cluster: not with --kubeconfig")
    if chosen.kubeconfig and not (chosen.address and chosen.image):
        parser.error("--kubeconfig needs --address and --image")
    for option in ("address", "image", "seccomp"):
        if getattr(chosen, option) and not chosen.kubeconfig:
            parser.error(f"--{option} is for a cluster of your own: it goes with --kubeconfig")
    if chosen.address and not is_node_port(chosen.address):
        ports = f"from {places.NODE_PORTS[0]} to {places.NODE_PORTS[-1]}"
        parser.error(f"--address must be {ADDRESS} ({ports}): the Service gets that port")


def check_no_run(parser: options.Parser, chosen: argparse.Namespace) -> None:
    if chosen.experiments:
        parser.error(f"{chosen.command} takes no experiments: they go with run")
    if chosen.kubeconfig:
        parser.error(f"{chosen.command} is for a cluster of ours: --kubeconfig goes with run")
    for option in OF_RUNS:
        if getattr(chosen, option) != parser.get_default(option):
            parser.error(f"{chosen.command} measures nothing: --{option} goes with run")


def is_node_port(url: str) -> bool:
    found = re.fullmatch(r"http://[^/?#@\s]+:([0-9]{5})/?", url)
    return found is not None and int(found[1]) in places.NODE_PORTS
