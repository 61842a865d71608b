"""One replica and no surge: the pod that goes is the only one until the new one can answer.

kube-proxy sends to a terminating pod that still serves when nobody else is left (KEP-1669). A
readiness probe that says 503 from the signal on takes that last resort away.
"""

from dataclasses import replace

from harness.vegeta import ATTACKS

from ..case import Case
from ..clusters import Cluster
from ..experiment import Done, Experiment
from ..plan import Plan, roll
from ..runs import run_cases
from ..scope import Scope
from ..servers import GO, HARD, LASTCALL, Shape

SECONDS, QUICK_SECONDS = 40, 30
SHAPE = Shape(replicas=1, surge=0, unavailable=1, min_ready=0, window=15, grace=40, start_delay=8)


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    cases = [
        Case(LASTCALL, SHAPE, "probe /servingz", must_lose=False),
        Case(HARD, SHAPE, must_lose=True),
    ]
    attacks = (ATTACKS["post-one-shot"],)
    if not scope.quick:
        attacks = tuple(ATTACKS.values())
        cases.insert(1, Case(LASTCALL, replace(SHAPE, readiness="/readyz"), "probe /readyz"))
        if cluster.images.peer:
            cases.append(Case(GO, SHAPE))
    seconds = QUICK_SECONDS if scope.quick else SECONDS
    plan = Plan("last-endpoint", seconds, roll, attacks=attacks)
    run_cases(cluster, scope, plan, cases, done)


EXPERIMENT = Experiment("last-endpoint", "The only pod is replaced", True, run)
