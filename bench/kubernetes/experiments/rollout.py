"""`kubectl rollout restart` in mid-attack: the shutdown.delay experiment.

Through the Service, and through HAProxy and nginx as reverse proxies before it, which is where
that experiment was published: 221 of 60,000 lost without a delay, 0 with one of 5 s. Through the
Service one attack after another, as published, so that latencies compare.
"""

from dataclasses import replace

from harness.vegeta import ATTACKS

from .. import fronts
from ..case import Shape
from ..experiment import Done, Experiment, Plan
from ..runner import TOGETHER_MODEST, Course, quickened, roll, run_all, run_variant, usual
from ..trial import Cluster, trial

SECONDS, LEAD_SECONDS = 60, 30
QUICK_SECONDS, QUICK_LEAD_SECONDS = 20, 3
FRONTS = {"HAProxy": fronts.haproxy, "nginx": fronts.nginx}


def run(cluster: Cluster, plan: Plan, done: Done) -> None:
    course = Course(
        "rollout", SECONDS, roll, lead=LEAD_SECONDS, exact=True, way="service", together=1
    )
    shape = Shape()
    if plan.quick:
        shape = quickened(shape)
        posts = (ATTACKS["post"], ATTACKS["post-one-shot"])
        course = replace(course, seconds=QUICK_SECONDS, attacks=posts, lead=QUICK_LEAD_SECONDS)
    variants = usual(cluster, shape, plan)
    run_all(cluster, plan, course, variants, done)
    if plan.quick or not cluster.is_ours:
        return
    for name, start in FRONTS.items():
        behind = replace(course, way=name, together=TOGETHER_MODEST)
        for variant in plan.of(variants):
            with trial(cluster, variant.server, variant.shape) as standing:
                upstream = f"{standing.service_address()}:80"
                url = start(standing.children, standing.folder, upstream)
                run_variant(standing, plan, behind, variant, done, url)


EXPERIMENT = Experiment("rollout", "A rollout in mid-attack", True, run, compared="service")
