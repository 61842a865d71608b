"""A program that knows nothing of rollouts, bare and with lastcall as its image's entry point.

Go's server, which SIGTERM ends at once, as most programs in most clusters do. What its image says
of it, and the probes, are those of k8s/overlays/wrapped.
"""

from dataclasses import replace

from harness.vegeta import ATTACKS

from ..case import Case
from ..clusters import Cluster
from ..experiment import Done, Experiment
from ..plan import Plan, roll
from ..runs import run_cases
from ..scope import Scope
from ..servers import BARE, WRAPPED, Shape
from .rollout import QUICK_SECONDS, SECONDS, quickened

SHAPE = Shape(timeout=10)  # and the five of --stop-timeout


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    plan, shape = Plan("wrapped", SECONDS, roll, exact=True), SHAPE
    if scope.quick:
        shape = quickened(shape)
        posts = (ATTACKS["post"], ATTACKS["post-one-shot"])
        plan = replace(plan, seconds=QUICK_SECONDS, attacks=posts)
    cases = [Case(WRAPPED, shape, must_lose=False), Case(BARE, shape, must_lose=True)]
    run_cases(cluster, scope, plan, cases, done)


EXPERIMENT = Experiment("wrapped", "Another program, behind us", True, run, needs_nodes=True)
