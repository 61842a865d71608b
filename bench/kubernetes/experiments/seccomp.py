"""A rollout in a pod of the level *restricted*, under our own seccomp profile, which the DaemonSet
of k8s/seccomp has put onto the nodes; then under one that denies io_uring: one line says so."""

import json
import time

from harness.build import ROOT
from harness.processes import HarnessError

from ..case import LASTCALL, SELECTOR, Shape
from ..commands import output
from ..experiment import Done, Experiment, Plan, Variant
from ..images import BUSYBOX
from ..kubectl import Kubectl
from ..lifecycle import enter_node
from ..places import NODES
from ..runner import Course, run_variant
from ..trial import DEPLOYMENT, Cluster, Event, Trial, namespace, trial

SECONDS, LEAD_SECONDS = 60, 3
INSTALL_SECONDS_MAX = 60
REFUSAL_SECONDS_MAX = 30
POLL_SECONDS = 0.5
NAMESPACE = "lastcall-seccomp"
PROFILE = "lastcall/lastcall.json"
DENYING = "lastcall/denying.json"
FOLDER = "/var/lib/kubelet/seccomp"
IO_URING = ("io_uring_setup", "io_uring_enter", "io_uring_register")
SHAPE = Shape(
    pod={
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "Localhost", "localhostProfile": PROFILE},
        }
    }
)


def install(cluster: Cluster) -> None:
    """The DaemonSet for our profile; the other one is laid beside it by hand."""
    installer = Kubectl(cluster.kubectl.binary, cluster.kubectl.kubeconfig, NAMESPACE)
    objects = installer.kustomize(ROOT / "k8s" / "seccomp")
    for each in objects:
        if each["kind"] == "DaemonSet":
            container = each["spec"]["template"]["spec"]["containers"][0]
            container.update(image=BUSYBOX, imagePullPolicy="Never")
    kinds = ("Namespace", "ConfigMap", "DaemonSet")  # in this order
    for kind in kinds:
        Kubectl(installer.binary, installer.kubeconfig, "").apply(
            [each for each in objects if each["kind"] == kind]
        )
    limit = f"--timeout={INSTALL_SECONDS_MAX}s"
    installer.run("rollout", "status", "daemonset/seccomp-installer", limit, seconds=70)
    for node in NODES:
        script = f"cat >{FOLDER}/{DENYING}"
        output(enter_node(node.number, ["sh", "-c", script]), text=denying())


def denying() -> str:
    """Ours without io_uring."""
    profile = json.loads((ROOT / "k8s" / "seccomp" / "lastcall.json").read_text())
    for group in profile["syscalls"]:
        group["names"] = [name for name in group["names"] if name not in IO_URING]
    return json.dumps(profile)


def roll_and_be_denied(standing: Trial, event: Event) -> None:
    standing.roll()
    event.seconds = time.time() - event.at
    profile = {"type": "Localhost", "localhostProfile": DENYING}
    change = {"spec": {"template": {"spec": {"securityContext": {"seccompProfile": profile}}}}}
    standing.kubectl.patch("deployment", "lastcall", change)
    message = wait_for_message(standing)
    event.notes.append(f"io_uring denied, the pod's status: {message}")
    if "io_uring" not in message or "\n" in message:
        event.broken.append("a profile that denies io_uring is not told in one clear line")
    standing.kubectl.run("rollout", "undo", DEPLOYMENT)
    standing.wait_until_rolled_out(60)


def wait_for_message(standing: Trial) -> str:
    deadline = time.monotonic() + REFUSAL_SECONDS_MAX
    while time.monotonic() < deadline:
        for pod in standing.kubectl.pods(SELECTOR):
            for status in pod["status"].get("containerStatuses", ()):
                ended = status.get("lastState", {}).get("terminated", {})
                ended = ended or status.get("state", {}).get("terminated", {})
                if ended.get("exitCode") == 1:
                    return ended.get("message", "").strip()
        time.sleep(POLL_SECONDS)
    raise HarnessError(f"no pod was denied io_uring within {REFUSAL_SECONDS_MAX} s")


def prepare(cluster: Cluster) -> None:
    """The namespace refuses pods that ask for more than *restricted*, as the overlay's does."""
    install(cluster)
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    enforcing = namespace()
    enforcing["metadata"]["labels"] = level
    cluster.kubectl.apply([enforcing])


def run(cluster: Cluster, plan: Plan, done: Done) -> None:
    course = Course(
        "seccomp",
        SECONDS,
        roll_and_be_denied,
        lead=LEAD_SECONDS,
        exits_meant=(1,),
    )
    variant = Variant(LASTCALL, SHAPE, must_lose=False)
    with trial(cluster, variant.server, variant.shape, prepare) as standing:
        run_variant(standing, plan, course, variant, done)


EXPERIMENT = Experiment("seccomp", "Under our own seccomp profile", False, run, needs_nodes=True)
