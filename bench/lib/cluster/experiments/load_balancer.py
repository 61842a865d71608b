"""A load balancer that knows nodes, not pods: it asks each node's health-check port.

With `externalTrafficPolicy: Local` a node answers by its own pods only. Without a surge its one pod
is told to go before the next is there: until the balancer has noticed, the pod that goes is all
that the node has.
"""

from dataclasses import replace

from .. import fronts
from ..case import Case
from ..clusters import Cluster
from ..experiment import Done, Experiment
from ..kubectl import NAME, find
from ..places import NODES
from ..plan import TOGETHER_MODEST, Plan, roll
from ..runs import run_case
from ..scope import Scope
from ..servers import GO, HARD, LASTCALL, Shape
from ..standing import StandingCase, set_up

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


def balance(standing: StandingCase) -> str:
    spec = find(standing.kubectl.objects("get", "service", NAME), "Service")["spec"]
    port = spec["ports"][0]["nodePort"]
    nodes = {node.name: f"{node.address}:{port}" for node in NODES}
    health = spec["healthCheckNodePort"]
    return fronts.haproxy_of_nodes(standing.children, standing.folder, nodes, health)


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    plan = Plan(
        "load-balancer",
        SECONDS,
        roll,
        lead=LEAD_SECONDS,
        way="HAProxy",
        together=TOGETHER_MODEST,
    )
    cases = (
        Case(LASTCALL, SHAPE, "probe /servingz", must_lose=False),
        Case(LASTCALL, replace(SHAPE, readiness="/readyz"), "probe /readyz"),
        Case(HARD, SHAPE, must_lose=True),
        Case(GO, SHAPE),
    )
    for case in scope.of(cases):
        with set_up(cluster, case.server, case.shape) as standing:
            run_case(standing, scope, plan, case, done, balance(standing))


EXPERIMENT = Experiment(
    "load-balancer", "A load balancer before the nodes", False, run, needs_nodes=True
)
