"""A container restarted in place, as a patched image or a failed liveness probe does it: the pod is
not deleted, so nothing but its readiness probe takes it out of rotation.

`/servingz` says no a few seconds before the listener's end, and that is what those seconds are for.
"""

import copy
import time
from collections.abc import Callable

from harness.polls import polls
from harness.processes import HarnessError

from .. import images
from ..case import Case
from ..clusters import Cluster
from ..event import Event
from ..experiment import Done, Experiment
from ..kubectl import DEPLOYMENT, NAME
from ..plan import Plan
from ..runs import run_cases
from ..scope import Scope
from ..servers import GO, HARD, LASTCALL, Shape
from ..standing import StandingCase

SECONDS, LEAD_SECONDS = 40, 4
RESTART_SECONDS_MAX = 60
POLL_SECONDS = 0.2
AUDIT = '{"exit":0,"signal":"SIGTERM",'
THREE, TWO = Shape(replicas=3), Shape(replicas=2)
BROKEN_AFTER_SECONDS = 5  # of serving
BROKEN_PROBE = {
    "initialDelaySeconds": BROKEN_AFTER_SECONDS,
    "periodSeconds": 1,
    "failureThreshold": 1,
}


def patch_one(standing: StandingCase, event: Event) -> None:
    """One pod of three gets another image."""
    pod = sorted(standing.pods(), key=lambda each: each["metadata"]["name"])[0]
    name = pod["metadata"]["name"]
    container = pod["spec"]["containers"][0]
    change = {"name": container["name"], "image": images.other(container["image"])}
    standing.kubectl.patch("pod", name, {"spec": {"containers": [change]}})
    wait_for(standing, name, lambda status: status["restartCount"] > restarts(pod))
    event.notes.append(f"{name}: its container restarted, the pod stayed")
    if standing.server is LASTCALL and AUDIT not in standing.kubectl.run("describe", "pod", name):
        event.broken.append(f"`kubectl describe pod {name}` does not show its audit")


def break_one(standing: StandingCase, event: Event) -> None:
    """A third pod whose liveness path does not exist: the kubelet restarts it after a while.

    A probe of a pod that runs cannot be changed, and one of the Deployment would break all at once.
    It is told to go in the end, as it would be broken again and again.
    """
    name = f"{NAME}-broken-{time.time():.0f}"  # another one each time
    (deployment,) = standing.kubectl.objects("get", DEPLOYMENT)
    pod = copy.deepcopy(deployment["spec"]["template"])
    pod |= {"apiVersion": "v1", "kind": "Pod"}
    pod["metadata"] = {"name": name, "labels": pod["metadata"]["labels"]}
    container = pod["spec"]["containers"][0]
    port = "admin" if standing.server.is_lastcall else "http"
    container["livenessProbe"] = BROKEN_PROBE | {"httpGet": {"path": "/broken", "port": port}}
    standing.kubectl.apply([pod])
    wait_for(standing, name, lambda status: status["restartCount"] > 0)
    event.notes.append(f"{name}: its container restarted by its liveness probe, the pod stayed")
    standing.kubectl.run("delete", "pod", name, "--wait=false")
    standing.wait_until_gone({name})


def wait_for(standing: StandingCase, pod: str, is_so: Callable[[dict], bool]) -> None:
    """Its container is as asked, and ready."""
    for _ in polls(RESTART_SECONDS_MAX, POLL_SECONDS):
        (found,) = standing.kubectl.objects("get", "pod", pod)
        statuses = found["status"].get("containerStatuses", [])
        if any(status["ready"] and is_so(status) for status in statuses):
            return
    raise HarnessError(f"{pod} is not back within {RESTART_SECONDS_MAX} s")


def restarts(pod: dict) -> int:
    return pod["status"]["containerStatuses"][0]["restartCount"]


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    for way, action, shape in (("image", patch_one, THREE), ("liveness", break_one, TWO)):
        plan = Plan("container-restart", SECONDS, action, lead=LEAD_SECONDS, way=way)
        cases = [
            Case(LASTCALL, shape, must_lose=False),
            Case(HARD, shape, must_lose=True),
        ]
        if way == "image":
            without = Shape(replicas=3, lead=0)
            cases += [Case(LASTCALL, without, "--serving-lead 0s"), Case(GO, shape)]
        run_cases(cluster, scope, plan, cases, done)


EXPERIMENT = Experiment(
    "container-restart", "A container restarted in place", False, run, needs_nodes=True
)
