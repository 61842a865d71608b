"""From two replicas to six, to one, and back to two."""

from ..clusters import Cluster
from ..event import Event
from ..experiment import Done, Experiment
from ..kubectl import DEPLOYMENT
from ..plan import TOGETHER_MODEST, Plan
from ..runs import run_cases, usual
from ..scope import Scope
from ..servers import Shape
from ..standing import StandingCase

SECONDS, LEAD_SECONDS = 50, 3
STEPS = (6, 1, 2)
STEP_SECONDS_MAX = 60


def scale(standing: StandingCase, _event: Event) -> None:
    for replicas in STEPS:
        before = standing.names()
        standing.kubectl.run("scale", DEPLOYMENT, f"--replicas={replicas}")
        standing.wait_until_staying(replicas)
        standing.wait_until_rolled_out(STEP_SECONDS_MAX)
        standing.wait_until_gone(before - standing.staying())


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    plan = Plan("scale", SECONDS, scale, lead=LEAD_SECONDS, together=TOGETHER_MODEST)
    run_cases(cluster, scope, plan, usual(cluster, Shape(), scope), done)


EXPERIMENT = Experiment("scale", "2, 6, 1, 2 replicas", False, run)
