"""The command bench/cluster: brings a cluster up, runs the experiments in it, and ends it."""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from harness import build, network, program
from harness.blocks import Block
from harness.processes import Children, HarnessError
from harness.program import Program

from . import clusters, components, experiments, images, lifecycle, manifests, places, report
from . import runtime, verdict
from .clusters import Cluster
from .compact import compact
from .experiment import Experiment
from .images import Images
from .options import parse
from .row import Row
from .scope import Scope

PROGRAM = Program("cluster")
FILES_MAX = 65_536  # one for each connection of the load that waits


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
        runtime.CONTAINERD.build(children, say)
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
    block = Block("bench/cluster") if chosen.write else None
    made = build_all()
    if lifecycle.is_up():
        with manifests.left_clean(clusters.ours(made), say):
            return run_in_ours(made, chosen, block)
    with lifecycle.ended_by_failure():
        try:
            lifecycle.up(say)
            return run_in_ours(made, chosen, block)
        finally:
            lifecycle.down()
            say("the cluster is gone")


def run_in_ours(made: Images, chosen: argparse.Namespace, block: Block | None) -> int:
    images.load()
    program.raise_file_limit(FILES_MAX)
    lifecycle.join_network()  # from here on we are where the load runs
    return measure(clusters.ours(made), chosen, block)


def run_in_theirs(chosen: argparse.Namespace) -> int:
    """A cluster that somebody has: only kubectl, vegeta and an address."""
    with workshop() as children:
        build.compile_go(children, places.TOOLS)
    program.raise_file_limit(FILES_MAX)
    seccomp = chosen.seccomp or clusters.SECCOMP[0]
    theirs = clusters.theirs(chosen.kubeconfig, chosen.address, chosen.image, seccomp)
    clusters.reach(theirs)
    with manifests.left_clean(theirs, say), network.many_ephemeral_ports(say):
        return measure(theirs, chosen)


def measure(cluster: Cluster, chosen: argparse.Namespace, block: Block | None = None) -> int:
    """The experiments that were chosen, one after another, and what they prove."""
    groups: list[list[Row]] = []
    failures: list[str] = []
    chosen.svg.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(places.POD_LOGS, ignore_errors=True)
    manifests.check(cluster, say)
    for experiment in experiments.select(cluster, chosen, say):
        mine = len(groups)
        failures += perform(experiment, cluster, chosen, groups)
        report.write(groups, failures, chosen)  # what is done so far: a later one may not end
        report.draw(experiment, groups[mine:], chosen, say)
    rows = [row for group in groups for row in group]
    print(report.table(rows), flush=True)
    print("Latencies are those of the answered requests, a lost one has none.")
    failures += verdict.compare(groups) + verdict.idle_controls(rows)
    report.write(groups, failures, chosen)
    exit_code = verdict.verdict(groups, failures)
    if block:
        publish(block, exit_code, groups, chosen)
    return exit_code


def publish(
    block: Block, exit_code: int, groups: list[list[Row]], chosen: argparse.Namespace
) -> None:
    block.publish(exit_code, compact(groups), say)
    rollout = experiments.ALL["rollout"]
    mine = [rows for rows in groups if rows[0].experiment == rollout.name]
    if chosen.published and mine and exit_code == 0:
        text = report.drawn(rollout, rollout.compared or "", mine)
        PROGRAM.write(chosen.published / f"cluster-{rollout.name}.svg", text, "its picture")


def perform(
    experiment: Experiment,
    cluster: Cluster,
    chosen: argparse.Namespace,
    groups: list[list[Row]],
) -> list[str]:
    """Adds its rows to `groups` as they come. Returns why it could not be done, if so."""
    began, failures = time.monotonic(), []
    say(f"{experiment.name}: {experiment.title}")

    def done(rows: list[Row]) -> None:
        groups.append(rows)
        report.tell(rows, say)

    try:
        experiment.run(cluster, scope_of(chosen), done)
    except Exception as error:  # the next one may well be possible
        if not isinstance(error, HarnessError):
            traceback.print_exc()
        failures.append(f"{experiment.name}: {error}")
        say(f"  {error}")
    say(f"{experiment.name} took {time.monotonic() - began:.0f} s")
    return failures


def scope_of(chosen: argparse.Namespace) -> Scope:
    return Scope(
        chosen.quick,
        chosen.full,
        chosen.repeat,
        chosen.rate,
        tuple(chosen.attack),
        tuple(chosen.variant),
    )


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


if __name__ == "__main__":
    sys.exit(PROGRAM.run(main))
