"""From two replicas to six, to one, and back to two."""

from ..case import Shape
from ..experiment import Done, Experiment, Plan
from ..runner import TOGETHER_MODEST, Course, run_all, usual
from ..trial import DEPLOYMENT, Cluster, Event, Trial

SECONDS, LEAD_SECONDS = 50, 3
STEPS = (6, 1, 2)
STEP_SECONDS_MAX = 60


def scale(standing: Trial, _event: Event) -> None:
    for replicas in STEPS:
        before = standing.names()
        standing.kubectl.run("scale", DEPLOYMENT, f"--replicas={replicas}")
        standing.wait_until_staying(replicas)
        standing.wait_until_rolled_out(STEP_SECONDS_MAX)
        standing.wait_until_gone(before - standing.staying())


def run(cluster: Cluster, plan: Plan, done: Done) -> None:
    course = Course("scale", SECONDS, scale, lead=LEAD_SECONDS, together=TOGETHER_MODEST)
    run_all(cluster, plan, course, usual(cluster, Shape(), plan), done)


EXPERIMENT = Experiment("scale", "2, 6, 1, 2 replicas", False, run)
