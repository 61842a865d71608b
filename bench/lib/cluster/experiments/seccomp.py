"""A rollout in a pod of the level *restricted*, under our own seccomp profile, which the DaemonSet
of k8s/seccomp has put onto the nodes; then under one that denies io_uring: one line says so."""

import json
import time

from harness.build import ROOT

from .. import manifests
from ..case import Case
from ..clusters import Cluster
from ..commands import output
from ..deployment import namespace
from ..event import Event
from ..experiment import Done, Experiment
from ..kubectl import DEPLOYMENT
from ..lifecycle import enter_node
from ..places import NODES
from ..plan import Plan
from ..runs import run_case
from ..scope import Scope
from ..servers import LASTCALL, Shape
from ..standing import StandingCase, set_up

SECONDS, LEAD_SECONDS = 60, 3
REFUSAL_SECONDS_MAX = 30
REFUSED = 1  # the exit code of what could not start
PROFILE = "lastcall/lastcall.json"
DENYING = "lastcall/denying.json"
FOLDER = "/var/lib/kubelet/seccomp"
IO_URING = ("io_uring_setup", "io_uring_enter", "io_uring_register")
SHAPE = Shape(seccomp={"type": "Localhost", "localhostProfile": PROFILE})


def install(cluster: Cluster) -> None:
    """Our profile by its DaemonSet; the other one is laid beside it by hand."""
    manifests.install_profile(cluster)
    for node in NODES:
        script = f"cat >{FOLDER}/{DENYING}"
        output(enter_node(node.number, ["sh", "-c", script]), text=denying())


def denying() -> str:
    """Ours without io_uring."""
    profile = json.loads((ROOT / "k8s" / "seccomp" / "lastcall.json").read_text())
    for group in profile["syscalls"]:
        group["names"] = [name for name in group["names"] if name not in IO_URING]
    return json.dumps(profile)


def roll_and_be_denied(standing: StandingCase, event: Event) -> None:
    standing.roll()
    event.seconds = time.time() - event.at
    profile = {"type": "Localhost", "localhostProfile": DENYING}
    change = {"spec": {"template": {"spec": {"securityContext": {"seccompProfile": profile}}}}}
    standing.kubectl.patch("deployment", "lastcall", change)
    message = standing.wait_for_ends(REFUSED, REFUSAL_SECONDS_MAX)
    event.notes.append(f"io_uring denied, the pod's status: {message}")
    if "io_uring" not in message or "\n" in message:
        event.broken.append("a profile that denies io_uring is not told in one clear line")
    standing.kubectl.run("rollout", "undo", DEPLOYMENT)
    standing.wait_until_rolled_out(60)


def prepare(cluster: Cluster) -> None:
    """The namespace refuses pods that ask for more than *restricted*, as the overlay's does."""
    install(cluster)
    enforcing = namespace()
    enforcing["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.kubectl.apply([enforcing])


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    plan = Plan(
        "seccomp",
        SECONDS,
        roll_and_be_denied,
        lead=LEAD_SECONDS,
        refusals_meant=(REFUSED,),
    )
    case = Case(LASTCALL, SHAPE, must_lose=False)
    for each in scope.of([case]):
        with set_up(cluster, each.server, each.shape, prepare) as standing:
            run_case(standing, scope, plan, each, done)


EXPERIMENT = Experiment("seccomp", "Under our own seccomp profile", False, run, needs_nodes=True)
