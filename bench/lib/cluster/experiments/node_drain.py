"""`kubectl drain` of a node that has two pods of four, then `uncordon`. The budget holds: one after
the other, the second when the first has been replaced."""

import itertools
from collections import Counter

from ..clusters import Cluster
from ..event import Event
from ..experiment import Done, Experiment
from ..plan import Plan
from ..runs import run_cases, usual
from ..scope import Scope
from ..servers import Shape
from ..standing import StandingCase

SECONDS, LEAD_SECONDS = 50, 5
DRAIN_SECONDS_MAX = 60
APART_SECONDS_MIN = 2.0  # kubectl asks again 5 s after the budget has said no
SHAPE = Shape(replicas=4)


def drain(standing: StandingCase, event: Event) -> None:
    pods = standing.pods()
    ((node, _),) = Counter(pod["spec"]["nodeName"] for pod in pods).most_common(1)
    there = {pod["metadata"]["name"] for pod in pods if pod["spec"]["nodeName"] == node}
    limit = f"--timeout={DRAIN_SECONDS_MAX}s"
    flags = ("--ignore-daemonsets", "--delete-emptydir-data", limit)
    try:
        standing.kubectl.run("drain", node, *flags, seconds=DRAIN_SECONDS_MAX + 10)
    finally:
        standing.kubectl.run("uncordon", node)
    standing.wait_until_gone(there)
    standing.wait_until_rolled_out(DRAIN_SECONDS_MAX)
    told = sorted(standing.life(pod).deleted_at or 0 for pod in there)
    apart = min(b - a for a, b in itertools.pairwise(told))
    event.notes.append(f"{node} drained of {len(there)} pods, {apart:.0f} s apart")
    if apart < APART_SECONDS_MIN:
        event.broken.append(f"{len(there)} pods were told to go {apart:.0f} s apart")


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    plan = Plan("node-drain", SECONDS, drain, lead=LEAD_SECONDS)
    run_cases(cluster, scope, plan, usual(cluster, SHAPE, scope), done)


# Somebody else's node has other pods, too, and a single one has nowhere to put ours.
EXPERIMENT = Experiment("node-drain", "A node is drained", False, run, needs_nodes=True)
