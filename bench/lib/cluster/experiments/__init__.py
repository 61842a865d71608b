"""The experiments, in the order in which they run."""

import argparse

from ..clusters import Cluster
from ..experiment import Experiment
from . import (
    container_restart,
    counter,
    crash_loop,
    full,
    in_flight,
    kubelet_restart,
    last_endpoint,
    load_balancer,
    node_drain,
    one_replica,
    rollout,
    scale,
    seccomp,
    too_short,
    wrapped,
)

ALL: dict[str, Experiment] = {
    each.EXPERIMENT.name: each.EXPERIMENT
    for each in (
        rollout,
        wrapped,
        one_replica,
        counter,
        in_flight,
        last_endpoint,
        load_balancer,
        container_restart,
        node_drain,
        scale,
        crash_loop,
        kubelet_restart,
        full,
        too_short,
        seccomp,
    )
}
NAMES = tuple(ALL)


def select(cluster: Cluster, chosen: argparse.Namespace, say) -> list[Experiment]:
    names = chosen.experiments or [
        each.name for each in ALL.values() if each.quick or not chosen.quick
    ]
    wanted = [ALL[name] for name in dict.fromkeys(names)]
    if cluster.is_ours:
        return wanted
    if left_out := ", ".join(each.name for each in wanted if each.needs_nodes):
        say(f"bench/cluster's own nodes are needed by {left_out}: left out")
    return [each for each in wanted if not each.needs_nodes]
