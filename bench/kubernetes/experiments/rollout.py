"""`kubectl rollout restart` in mid-attack: the shutdown.delay experiment.

Through the Service, and through HAProxy and nginx as reverse proxies before it, which is where
that experiment was published: 221 of 60,000 lost without a delay, 0 with one of 5 s.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.processes import Children
from harness.vegeta import ATTACKS

from .. import fronts
from ..case import Shape
from ..experiment import Experiment, Plan, Row, Variant
from ..runner import Course, quickened, run_all, run_once, usual, wanted
from ..trial import Cluster, Run, Trial, trial

SECONDS, LEAD_SECONDS = 60, 30
QUICK_SECONDS, QUICK_LEAD_SECONDS = 20, 3
FRONTS = {"HAProxy": fronts.haproxy, "nginx": fronts.nginx}


def restart(standing: Trial, _run: Run) -> None:
    standing.roll()


def run(cluster: Cluster, plan: Plan, done: Callable[[Row], None]) -> None:
    shape = quickened(Shape()) if plan.quick else Shape()
    course = Course(
        "rollout",
        QUICK_SECONDS if plan.quick else SECONDS,
        restart,
        attacks=(ATTACKS["post"],) if plan.quick else tuple(ATTACKS.values()),
        lead=QUICK_LEAD_SECONDS if plan.quick else LEAD_SECONDS,
        way="service",
    )
    variants = usual(cluster, shape, plan)
    run_all(cluster, plan, course, variants, done)
    if cluster.is_ours and not plan.quick:
        for name in FRONTS:
            for variant in variants:
                run_behind(cluster, plan, replace(course, way=name), variant, done)


def run_behind(
    cluster: Cluster, plan: Plan, course: Course, variant: Variant, done: Callable[[Row], None]
) -> None:
    with trial(cluster, variant.server, variant.shape) as standing:
        for attack in wanted(course.attacks, plan):
            row = Row(course.experiment, variant, attack, way=course.way)
            for _ in range(plan.repeat):
                with (
                    tempfile.TemporaryDirectory(prefix="lastcall-") as folder,
                    Children(Path(folder)) as children,
                ):
                    upstream = f"{standing.service_address()}:80"
                    url = FRONTS[course.way](children, Path(folder), upstream)
                    row.runs.append(run_once(standing, plan, course, attack, url))
            done(row)


EXPERIMENT = Experiment("rollout", "A rollout in mid-attack", True, run)
