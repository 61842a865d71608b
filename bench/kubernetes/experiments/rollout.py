"""`kubectl rollout restart` in mid-attack: the shutdown.delay experiment."""

from collections.abc import Callable

from harness.vegeta import ATTACKS

from ..case import Shape
from ..experiment import Experiment, Plan, Row
from ..runner import Course, quickened, run_all, usual
from ..trial import Cluster, Run, Trial

SECONDS, LEAD_SECONDS = 60, 20
QUICK_SECONDS, QUICK_LEAD_SECONDS = 20, 3


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
    run_all(cluster, plan, course, usual(cluster, shape, plan), done)


EXPERIMENT = Experiment("rollout", "A rollout in mid-attack", True, run)
