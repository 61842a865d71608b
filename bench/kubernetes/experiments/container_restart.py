"""One pod of three has its container restarted in place, as a failed liveness probe or a patched
image does it: the pod is not deleted, so nothing but its readiness probe takes it out of rotation.

`/servingz` says no a few seconds before the listener's end, and that is what those seconds are for.
"""

import time
from collections.abc import Callable

from harness.processes import HarnessError

from ..case import HARD, LASTCALL, Shape
from ..experiment import Experiment, Plan, Row, Variant
from ..runner import Course, run_all
from ..tools import other_image
from ..trial import Cluster, Run, Trial

SECONDS, LEAD_SECONDS = 40, 4
RESTART_SECONDS_MAX = 60
POLL_SECONDS = 0.2
SHAPE = Shape(replicas=3)


def restart_one(standing: Trial, run: Run) -> None:
    pod = sorted(standing.pods(), key=lambda each: each["metadata"]["name"])[0]
    name = pod["metadata"]["name"]
    before = restarts(pod)
    container = pod["spec"]["containers"][0]
    change = {"name": container["name"], "image": other_image(container["image"])}
    standing.kubectl.patch("pod", name, {"spec": {"containers": [change]}})
    deadline = time.monotonic() + RESTART_SECONDS_MAX
    while not is_back(standing, name, before):
        if time.monotonic() > deadline:
            raise HarnessError(f"{name} is not back within {RESTART_SECONDS_MAX} s")
        time.sleep(POLL_SECONDS)
    run.notes.append(f"{name}: its container restarted, the pod stayed")


def is_back(standing: Trial, name: str, before: int) -> bool:
    (pod,) = standing.kubectl.objects("get", "pod", name)
    status = pod["status"]["containerStatuses"][0]
    return restarts(pod) > before and status["ready"]


def restarts(pod: dict) -> int:
    return pod["status"]["containerStatuses"][0]["restartCount"]


def run(cluster: Cluster, plan: Plan, done: Callable[[Row], None]) -> None:
    variants = [
        Variant(LASTCALL, SHAPE, must_lose=False),
        Variant(LASTCALL, Shape(replicas=3, lead=0), "--serving-lead 0s"),
        Variant(HARD, SHAPE, must_lose=True),
    ]
    course = Course("container-restart", SECONDS, restart_one, lead=LEAD_SECONDS)
    run_all(cluster, plan, course, variants, done)


EXPERIMENT = Experiment(
    "container-restart", "A container restarted in place", False, run, needs_nodes=True
)
