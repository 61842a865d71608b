#!/usr/bin/env python3
"""A real Kubernetes of two nodes on this machine, and what lastcall loses in it: nothing.

    bench/cluster                      up, every experiment, down
    bench/cluster up | shell | down    the cluster alone
    bench/cluster build                only what it is made of
    bench/cluster run [EXPERIMENT...]  some, in the cluster that is up, or else in one for them

    bench/cluster run --kubeconfig FILE --address URL --image REF [EXPERIMENT...]
                                       in a cluster of your own

Needs root: nodes are namespaces. The first time it builds Kubernetes, which takes minutes. The
table goes to stdout, what is being done to stderr.
"""

import argparse
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness import build, network, program, values
from harness.processes import Children, HarnessError
from harness.program import Program
from harness.vegeta import ATTACKS
from kubernetes import campaign, clusters, components, images, lifecycle, places
from kubernetes.case import GO, HARD, LASTCALL, Images

PROGRAM = Program("cluster")
FILES_MAX = 65_536  # one for each connection of the load that waits
COMMANDS = ("run", "build", "up", "shell", "down")
OF_RUNS = ("quick", "full", "attack", "variant", "repeat", "rate", "json", "svg")
SERVERS = [each.name for each in (LASTCALL, HARD, GO)]
ADDRESS = "a node's address and a free node port, such as http://172.18.0.2:30080"


def main() -> int:
    chosen = parse()
    os.environ["KUBECACHEDIR"] = str(places.KUBECTL_CACHE)  # kubectl's, else in the user's home
    if chosen.kubeconfig:
        return run_in_theirs(chosen)
    if os.geteuid() != 0:
        raise HarnessError("needs root: its nodes are namespaces with mounts of their own")
    if chosen.command == "shell":
        return shell()
    with lifecycle.alone():
        if chosen.command == "down":
            say("gone" if lifecycle.down() else "there is no cluster")
            return 0
        if chosen.command == "build":
            build_all()
            return 0
        if chosen.command == "up":
            return up()
        return run(chosen)


def up() -> int:
    if lifecycle.is_up():
        say("it is up already")
        return 0
    build_all()
    with lifecycle.ended_by_failure():
        lifecycle.up(say)
        images.load()
        say("waiting for the addresses of Services")
        lifecycle.wait_until_routed()
    say("bench/cluster shell for kubectl, bench/cluster down to end it")
    return 0


def build_all() -> Images:
    with workshop() as children:
        children.run("./setup --cluster", [str(places.ROOT / "setup"), "--cluster"])
        components.build(children, say)
        build.compile_go(children, places.TOOLS)
    return images.build_all(say)


@contextlib.contextmanager
def workshop() -> Iterator[Children]:
    """For steps of building."""
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as folder,
        Children(Path(folder)) as children,
    ):
        yield children


def run(chosen: argparse.Namespace) -> int:
    """Our cluster: as it is up, or else for the length of the run."""
    made = build_all()
    if lifecycle.is_up():
        with clusters.left_clean(clusters.ours(made), say):
            return run_in_ours(made, chosen)
    with lifecycle.ended_by_failure():
        try:
            lifecycle.up(say)
            return run_in_ours(made, chosen)
        finally:
            lifecycle.down()
            say("the cluster is gone")


def run_in_ours(made: Images, chosen: argparse.Namespace) -> int:
    images.load()
    program.raise_file_limit(FILES_MAX)
    lifecycle.join_network()  # from here on we are where the load runs
    return campaign.run(clusters.ours(made), chosen, say)


def run_in_theirs(chosen: argparse.Namespace) -> int:
    """A cluster that somebody has: only kubectl, vegeta and an address."""
    with workshop() as children:
        build.compile_go(children, places.TOOLS)
    program.raise_file_limit(FILES_MAX)
    seccomp = chosen.seccomp or clusters.SECCOMP[0]
    theirs = clusters.theirs(chosen.kubeconfig, chosen.address, chosen.image, seccomp)
    clusters.reach(theirs)
    with clusters.left_clean(theirs, say), network.many_ephemeral_ports(say):
        return campaign.run(theirs, chosen, say)


def shell() -> int:
    """Where the load runs, with kubectl, vegeta, node-1 and node-2 at hand."""
    argv = lifecycle.enter_network([os.environ.get("SHELL", "/bin/bash")])
    environment = os.environ | {
        "PATH": f"{places.TOOLS}:{os.environ.get('PATH', '')}",
        "KUBECONFIG": str(places.KUBECONFIG),
    }
    say("kubectl, vegeta, `node-1 COMMAND`; exit leaves the cluster up")
    say(f"the nodes reach no registry, but have {', '.join(images.NAMES)}")
    os.execvpe(argv[0], argv, environment)


def say(text: str) -> None:
    PROGRAM.say(text)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = values.Parser("cluster", __doc__)
    add = parser.add_argument
    commands = ", ".join(COMMANDS)
    add("command", nargs="?", metavar="COMMAND", default="run", help=f"{commands} (run)")
    add("experiments", nargs="*", metavar="EXPERIMENT", help=", ".join(campaign.NAMES))
    quick = ", ".join(each.name for each in campaign.ALL.values() if each.quick)
    how_much = parser.add_mutually_exclusive_group()
    what = f"{quick}; lastcall and its control: 6 minutes, once all is built"
    how_much.add_argument("--quick", action="store_true", help=what)
    what = "the loop of one-replica 100,000 requests long"
    how_much.add_argument("--full", action="store_true", help=what)
    attacks = values.names(ATTACKS)
    add("--attack", type=attacks, default=[], metavar="NAME,...", help=", ".join(ATTACKS))
    servers = values.names(SERVERS)
    add("--variant", type=servers, default=[], metavar="NAME,...", help=", ".join(SERVERS))
    add("--repeat", type=values.whole(1, 100), default=1, help="runs that a row adds up (1)")
    add("--rate", type=values.whole(1, 20_000), default=1000, help="requests a second (1000)")
    parser.add_json()
    pictures = places.BUILT / "pictures"
    what = f"a picture for each experiment goes there ({pictures.relative_to(places.ROOT)})"
    add("--svg", type=values.output_folder, metavar="DIR", default=pictures, help=what)
    what = "of a cluster of your own"
    add("--kubeconfig", type=values.input_file, metavar="FILE", help=what)
    add("--address", metavar="URL", default="", help=f"{ADDRESS}: its Service gets that port")
    add("--image", metavar="REF", default="", help="lastcall's image, as that cluster pulls it")
    what = f"of pods in that cluster: {', '.join(clusters.SECCOMP)} ({clusters.SECCOMP[0]})"
    add("--seccomp", choices=clusters.SECCOMP, help=what)
    chosen = parser.parse_intermixed_args(argv)
    if chosen.command in campaign.NAMES:
        parser.error(f"experiments go with run: bench/cluster run {chosen.command}")
    if chosen.command not in COMMANDS:
        parser.error(f"there is no command '{chosen.command}', but {commands}")
    if chosen.command != "run":
        check_no_run(parser, chosen)
    if chosen.kubeconfig and not (chosen.address and chosen.image):
        parser.error("--kubeconfig needs --address and --image")
    for option in ("address", "image", "seccomp"):
        if getattr(chosen, option) and not chosen.kubeconfig:
            parser.error(f"--{option} is for a cluster of your own: it goes with --kubeconfig")
    if chosen.address and not is_node_port(chosen.address):
        ports = f"from {places.NODE_PORTS[0]} to {places.NODE_PORTS[-1]}"
        parser.error(f"--address must be {ADDRESS} ({ports}): the Service gets that port")
    for name in chosen.experiments:
        if name not in campaign.NAMES:
            parser.error(f"experiment '{name}' is none of {', '.join(campaign.NAMES)}")
        if chosen.kubeconfig and campaign.ALL[name].needs_nodes:
            parser.error(f"{name} needs the nodes of bench/cluster itself: not with --kubeconfig")
    return chosen


def check_no_run(parser: values.Parser, chosen: argparse.Namespace) -> None:
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


if __name__ == "__main__":
    sys.exit(PROGRAM.run(main))
