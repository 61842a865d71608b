"""A load balancer that knows nodes, not pods: it asks each node's health-check port.

With `externalTrafficPolicy: Local` a node answers by its own pods only. Without a surge its one pod
is told to go before the next is there: until the balancer has noticed, the pod that goes is all
that the node has.
"""

from dataclasses import replace

from .. import fronts
from ..case import GO, HARD, LASTCALL, NAME, Shape
from ..experiment import Done, Experiment, Plan, Variant
from ..kubectl import find
from ..places import NODES
from ..runner import TOGETHER_MODEST, Course, roll, run_variant
from ..trial import Cluster, Trial, trial

SECONDS, LEAD_SECONDS = 50, 4
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


def balance(standing: Trial) -> str:
    spec = find(standing.kubectl.objects("get", "service", NAME), "Service")["spec"]
    port = spec["ports"][0]["nodePort"]
    nodes = {node.name: f"{node.address}:{port}" for node in NODES}
    health = spec["healthCheckNodePort"]
    return fronts.haproxy_of_nodes(standing.children, standing.folder, nodes, health)


def run(cluster: Cluster, plan: Plan, done: Done) -> None:
    course = Course(
        "load-balancer",
        SECONDS,
        roll,
        lead=LEAD_SECONDS,
        way="HAProxy",
        together=TOGETHER_MODEST,
    )
    variants = (
        Variant(LASTCALL, SHAPE, "probe /servingz", must_lose=False),
        Variant(LASTCALL, replace(SHAPE, readiness="/readyz"), "probe /readyz"),
        Variant(HARD, SHAPE, must_lose=True),
        Variant(GO, SHAPE),
    )
    for variant in plan.of(variants):
        with trial(cluster, variant.server, variant.shape) as standing:
            run_variant(standing, plan, course, variant, done, balance(standing))


EXPERIMENT = Experiment(
    "load-balancer", "A load balancer before the nodes", False, run, needs_nodes=True
)
