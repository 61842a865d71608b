"""The kubelet of a node is killed in mid-drain, and comes back some seconds later."""

import os
import signal
import time

from harness.polls import polls
from harness.processes import HarnessError

from .. import lifecycle
from ..case import LASTCALL, Shape
from ..experiment import Done, Experiment, Plan, Variant
from ..runner import Course, run_all
from ..trial import DEPLOYMENT, Cluster, Event, Trial

SECONDS, LEAD_SECONDS = 50, 3
DELETED_SECONDS_MAX = 30
POLL_SECONDS = 0.1
MID_DRAIN_SECONDS = 3.0  # of a window of 10


def roll_and_kill(standing: Trial, event: Event) -> None:
    old = standing.names()
    standing.kubectl.run("rollout", "restart", DEPLOYMENT)
    node = wait_for_leaving(standing)
    time.sleep(MID_DRAIN_SECONDS)
    os.kill(lifecycle.pid_of(f"kubelet-{node}"), signal.SIGKILL)
    event.notes.append(f"the kubelet of {node} killed while its pod drained")
    standing.wait_until_rolled_out(60)
    standing.wait_until_gone(old)


def wait_for_leaving(standing: Trial) -> str:
    """The node of the first pod that has been told to go."""
    for _ in polls(DELETED_SECONDS_MAX, POLL_SECONDS):
        for pod in standing.pods():
            if "deletionTimestamp" in pod["metadata"]:
                return pod["spec"]["nodeName"]
    raise HarnessError(f"no pod was told to go within {DELETED_SECONDS_MAX} s")


def run(cluster: Cluster, plan: Plan, done: Done) -> None:
    variant = Variant(LASTCALL, Shape(), must_lose=False)
    course = Course("kubelet-restart", SECONDS, roll_and_kill, lead=LEAD_SECONDS)
    run_all(cluster, plan, course, [variant], done)


EXPERIMENT = Experiment(
    "kubelet-restart", "The kubelet restarts in mid-drain", False, run, needs_nodes=True
)
