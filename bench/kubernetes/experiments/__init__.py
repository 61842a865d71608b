"""The experiments, in the order in which they run."""

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
)

ALL: dict[str, Experiment] = {
    each.EXPERIMENT.name: each.EXPERIMENT
    for each in (
        rollout,
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
