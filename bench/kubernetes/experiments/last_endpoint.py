"""One replica and no surge: the pod that goes is the only one until the new one can answer.

kube-proxy sends to a terminating pod that still serves when nobody else is left (KEP-1669). A
readiness probe that says 503 from the signal on takes that last resort away.
"""

from dataclasses import replace

from harness.vegeta import ATTACKS

from ..case import GO, HARD, LASTCALL, Shape
from ..experiment import Done, Experiment, Plan, Variant
from ..runner import Course, roll, run_all
from ..trial import Cluster

SECONDS, QUICK_SECONDS = 40, 30
SHAPE = Shape(replicas=1, surge=0, unavailable=1, min_ready=0, window=15, grace=40, start_delay=8)


def run(cluster: Cluster, plan: Plan, done: Done) -> None:
    variants = [
        Variant(LASTCALL, SHAPE, "probe /servingz", must_lose=False),
        Variant(HARD, SHAPE, must_lose=True),
    ]
    attacks = (ATTACKS["post-one-shot"],)
    if not plan.quick:
        attacks = tuple(ATTACKS.values())
        variants.insert(1, Variant(LASTCALL, replace(SHAPE, readiness="/readyz"), "probe /readyz"))
        if cluster.images.peer:
            variants.append(Variant(GO, SHAPE))
    seconds = QUICK_SECONDS if plan.quick else SECONDS
    course = Course("last-endpoint", seconds, roll, attacks=attacks)
    run_all(cluster, plan, course, variants, done)


EXPERIMENT = Experiment("last-endpoint", "The only pod is replaced", True, run)
