"""`kubectl drain` of a node that has pods, then `uncordon`. The budget holds."""

from ..case import Shape
from ..experiment import Done, Experiment, Plan
from ..runner import Course, run_all, usual
from ..trial import Cluster, Event, Trial

SECONDS, LEAD_SECONDS = 60, 5
DRAIN_SECONDS_MAX = 60


def drain(standing: Trial, event: Event) -> None:
    pods = standing.pods()
    node = pods[0]["spec"]["nodeName"]
    there = {pod["metadata"]["name"] for pod in pods if pod["spec"]["nodeName"] == node}
    limit = f"--timeout={DRAIN_SECONDS_MAX}s"
    flags = ("--ignore-daemonsets", "--delete-emptydir-data", limit)
    try:
        standing.kubectl.run("drain", node, *flags, seconds=DRAIN_SECONDS_MAX + 10)
    finally:
        standing.kubectl.run("uncordon", node)
    standing.wait_until_gone(there)
    standing.wait_until_rolled_out(DRAIN_SECONDS_MAX)
    event.notes.append(f"{node} drained of {len(there)} pods")


def run(cluster: Cluster, plan: Plan, done: Done) -> None:
    course = Course("node-drain", SECONDS, drain, lead=LEAD_SECONDS)
    run_all(cluster, plan, course, usual(cluster, Shape(), plan), done)


EXPERIMENT = Experiment("node-drain", "A node is drained", False, run)
