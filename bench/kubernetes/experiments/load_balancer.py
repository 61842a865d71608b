"""A load balancer that knows nodes, not pods: it asks each node's health-check port.

With `externalTrafficPolicy: Local` a node answers by its own pods only. Without a surge its one pod
is told to go before the next is there: until the balancer has noticed, the pod that goes is all
that the node has.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.processes import Children
from harness.vegeta import ATTACKS

from .. import fronts
from ..case import GO, HARD, LASTCALL, NAME, Shape
from ..experiment import Experiment, Plan, Row, Variant
from ..kubectl import find
from ..places import NODES
from ..runner import Course, run_once, wanted
from ..trial import Cluster, Run, Trial, trial

SECONDS, LEAD_SECONDS = 60, 5
APART = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {
                "topologyKey": "kubernetes.io/hostname",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": NAME}},
            }
        ]
    }
}
SHAPE = Shape(
    surge=0,
    unavailable=1,
    window=15,
    grace=40,
    service={"type": "LoadBalancer", "externalTrafficPolicy": "Local"},
    pod={"affinity": APART},
)


def restart(standing: Trial, _run: Run) -> None:
    standing.roll()


def balance(standing: Trial, children: Children, folder: Path) -> str:
    spec = find(standing.kubectl.objects("get", "service", NAME), "Service")["spec"]
    port = spec["ports"][0]["nodePort"]
    nodes = {node.name: f"{node.address}:{port}" for node in NODES}
    return fronts.haproxy_of_nodes(children, folder, nodes, spec["healthCheckNodePort"])


def run(cluster: Cluster, plan: Plan, done: Callable[[Row], None]) -> None:
    course = Course("load-balancer", SECONDS, restart, lead=LEAD_SECONDS)
    for variant in (
        Variant(LASTCALL, SHAPE, "probe /servingz", must_lose=False),
        Variant(LASTCALL, replace(SHAPE, readiness="/readyz"), "probe /readyz"),
        Variant(HARD, SHAPE, must_lose=True),
        Variant(GO, SHAPE),
    ):
        with trial(cluster, variant.server, variant.shape) as standing:
            for attack in wanted(ATTACKS.values(), plan):
                row = Row("load-balancer", variant, attack, way="HAProxy")
                for _ in range(plan.repeat):
                    with (
                        tempfile.TemporaryDirectory(prefix="lastcall-") as folder,
                        Children(Path(folder)) as children,
                    ):
                        url = balance(standing, children, Path(folder))
                        row.runs.append(run_once(standing, plan, course, attack, url))
                done(row)


EXPERIMENT = Experiment(
    "load-balancer", "A load balancer before the nodes", False, run, needs_nodes=True
)
