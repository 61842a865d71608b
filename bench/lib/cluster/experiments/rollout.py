"""`kubectl rollout restart` in mid-attack: the shutdown.delay experiment.

Through the Service, and through HAProxy and nginx as reverse proxies before it, which is where
that experiment was published: 221 of 60,000 lost without a delay, 0 with one of 5 s. Through the
Service one attack after another, as published, so that latencies compare.
"""

from dataclasses import replace

from harness.vegeta import ATTACKS

from .. import fronts
from ..clusters import Cluster
from ..experiment import Done, Experiment
from ..plan import TOGETHER_MODEST, Plan, roll
from ..runs import run_case, run_cases, usual
from ..scope import Scope
from ..servers import Shape
from ..standing import set_up

SECONDS, LEAD_SECONDS = 60, 30
QUICK_SECONDS, QUICK_LEAD_SECONDS = 20, 3
FRONTS = {"HAProxy": fronts.haproxy, "nginx": fronts.nginx}


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    plan = Plan(
        "rollout", SECONDS, roll, lead=LEAD_SECONDS, exact=True, way="service", together=1
    )
    shape = Shape()
    if scope.quick:
        shape = quickened(shape)
        posts = (ATTACKS["post"], ATTACKS["post-one-shot"])
        plan = replace(plan, seconds=QUICK_SECONDS, attacks=posts, lead=QUICK_LEAD_SECONDS)
    cases = usual(cluster, shape, scope)
    run_cases(cluster, scope, plan, cases, done)
    if scope.quick or not cluster.is_ours:
        return
    for name, start in FRONTS.items():
        behind = replace(plan, way=name, together=TOGETHER_MODEST)
        for case in scope.of(cases):
            with set_up(cluster, case.server, case.shape) as standing:
                upstream = f"{standing.service_address()}:80"
                url = start(standing.children, standing.folder, upstream)
                run_case(standing, scope, behind, case, done, url)


def quickened(shape: Shape) -> Shape:
    """Half a minute instead of a whole one."""
    return replace(shape, window=5, lead=3, min_ready=1)


EXPERIMENT = Experiment("rollout", "A rollout in mid-attack", True, run, compared="service")
