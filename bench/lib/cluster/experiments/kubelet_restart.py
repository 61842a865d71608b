"""The kubelet of a node is killed in mid-drain, and comes back some seconds later."""

import os
import signal
import time

from harness.polls import polls
from harness.processes import HarnessError

from .. import lifecycle
from ..case import Case
from ..clusters import Cluster
from ..event import Event
from ..experiment import Done, Experiment
from ..kubectl import DEPLOYMENT
from ..plan import Plan
from ..runs import run_cases
from ..scope import Scope
from ..servers import LASTCALL, Shape
from ..standing import StandingCase

SECONDS, LEAD_SECONDS = 50, 3
DELETED_SECONDS_MAX = 30
POLL_SECONDS = 0.1
MID_DRAIN_SECONDS = 3.0  # of a window of 10


def roll_and_kill(standing: StandingCase, event: Event) -> None:
    old = standing.names()
    standing.kubectl.run("rollout", "restart", DEPLOYMENT)
    node = wait_for_leaving(standing)
    time.sleep(MID_DRAIN_SECONDS)
    os.kill(lifecycle.pid_of(f"kubelet-{node}"), signal.SIGKILL)
    event.notes.append(f"the kubelet of {node} killed while its pod drained")
    standing.wait_until_rolled_out(60)
    standing.wait_until_gone(old)


def wait_for_leaving(standing: StandingCase) -> str:
    """The node of the first pod that has been told to go."""
    for _ in polls(DELETED_SECONDS_MAX, POLL_SECONDS):
        for pod in standing.pods():
            if "deletionTimestamp" in pod["metadata"]:
                return pod["spec"]["nodeName"]
    raise HarnessError(f"no pod was told to go within {DELETED_SECONDS_MAX} s")


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    case = Case(LASTCALL, Shape(), must_lose=False)
    plan = Plan("kubelet-restart", SECONDS, roll_and_kill, lead=LEAD_SECONDS)
    run_cases(cluster, scope, plan, [case], done)


EXPERIMENT = Experiment(
    "kubelet-restart", "The kubelet restarts in mid-drain", False, run, needs_nodes=True
)
