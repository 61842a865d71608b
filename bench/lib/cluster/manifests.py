"""Every overlay of k8s/: built by kustomize, shown to the apiserver, and in our own cluster started
as it is, but for its images.

The apiserver refuses to dry-run what belongs into a namespace that is not there: those of the
manifests are made first, and removed again.
"""

import contextlib
import copy
from collections.abc import Callable, Iterator

from harness.processes import HarnessError, uninterrupted

from .clusters import Cluster
from .deployment import MANIFESTS, namespace, option, own_flags, wrapped_command
from .images import WRAPS, Images
from .kubectl import DEPLOYMENT, NAMESPACE, Kubectl, find
from .standing import clear

PROFILE = MANIFESTS / "seccomp"  # an installer, and what the overlay `restricted` has with it
INSTALLER = "daemonset/seccomp-installer"
START_SECONDS_MAX = 60
VOLUME = "data"
DEFAULT = "default"  # where kubectl puts what names no namespace


def check(cluster: Cluster, say) -> None:
    names = ["base", *(f"overlays/{path.name}" for path in overlays())]
    kubectl = everywhere(cluster)
    made = {name: kubectl.kustomize(MANIFESTS / name) for name in names}
    for name, objects in made.items():
        if forgotten := options(made["base"]) - options(objects):
            raise HarnessError(f"k8s/{name} has lost {', '.join(sorted(forgotten))} of the base")
        dry_run(kubectl, objects)
        if cluster.is_ours:
            start(cluster, objects)
    done = "takes and starts" if cluster.is_ours else "takes"
    say(f"the cluster {done} {', '.join(names)}")


def overlays() -> list:
    return sorted(path for path in (MANIFESTS / "overlays").iterdir() if path.is_dir())


def options(objects: list[dict]) -> set[str]:
    """Of lastcall. A patch replaces the list of them as a whole."""
    pod = find(objects, "Deployment")["spec"]["template"]["spec"]
    return {option(flag) for flag in own_flags(pod["containers"][0]["args"])}


def everywhere(cluster: Cluster) -> Kubectl:
    """For objects that name their own namespace; others are in the default one."""
    return Kubectl(cluster.kubectl.binary, cluster.kubectl.kubeconfig, "")


def dry_run(kubectl: Kubectl, objects: list[dict]) -> None:
    there = set(kubectl.run("get", "namespaces", "-o", "name").split())
    wanted = [each for each in objects if each["kind"] == "Namespace"]
    made = [each for each in wanted if f"namespace/{each['metadata']['name']}" not in there]
    try:
        if made:
            kubectl.apply(made)
        kubectl.apply(objects, "--dry-run=server")
    finally:
        remove_namespaces(kubectl, made)


def start(cluster: Cluster, shipped: list[dict]) -> None:
    """Its pods get ready with the arguments that the manifest has."""
    kubectl = everywhere(cluster)
    objects = adapted(shipped, cluster.images)
    namespaces = [each for each in objects if each["kind"] == "Namespace"]
    try:
        kubectl.apply([namespace(), *namespaces])
        if any(each["kind"] == "DaemonSet" for each in objects):
            install_profile(cluster)
        kubectl.apply(objects)
        deployment = find(objects, "Deployment")
        limit = f"--timeout={START_SECONDS_MAX}s"
        there = Kubectl(kubectl.binary, kubectl.kubeconfig, deployment["metadata"]["namespace"])
        there.run("rollout", "status", DEPLOYMENT, limit, seconds=START_SECONDS_MAX + 10)
    finally:
        mine = [each for each in objects if each["kind"] != "Namespace"]
        kubectl.delete([each for each in mine if each["metadata"]["namespace"] == NAMESPACE])
        clear(cluster)
        remove_namespaces(kubectl, namespaces)


@contextlib.contextmanager
def left_clean(cluster: Cluster, say: Callable[[str], None]) -> Iterator[None]:
    """Nothing of ours stays in a cluster that goes on."""
    try:
        yield
    finally:
        with uninterrupted():
            try:
                remove_ours(cluster)
            except HarnessError as error:  # what ended the run is to be told, too
                say(f"the namespaces of the experiments may be left: {error}")


def remove_ours(cluster: Cluster) -> None:
    """Those of the experiments, and of the seccomp profile's installer."""
    kubectl = everywhere(cluster)
    namespaces = [namespace()]
    if cluster.is_ours:  # no installer is started in others
        profile = kubectl.kustomize(PROFILE)
        namespaces += [each for each in profile if each["kind"] == "Namespace"]
    remove_namespaces(kubectl, namespaces)


def remove_namespaces(kubectl: Kubectl, namespaces: list[dict]) -> None:
    for each in namespaces:
        name = each["metadata"]["name"]
        gone = ("--grace-period=0", "--force", "--all")
        kubectl.run("delete", "pods", "--namespace", name, *gone)
        kubectl.run("delete", "namespace", name, "--ignore-not-found", "--timeout=60s", seconds=70)


def install_profile(cluster: Cluster) -> None:
    """Our seccomp profile onto the nodes, by the DaemonSet that there is for it."""
    kubectl = everywhere(cluster)
    objects = adapted(kubectl.kustomize(PROFILE), cluster.images)
    kubectl.apply([each for each in objects if each["kind"] == "Namespace"])
    kubectl.apply([each for each in objects if each["kind"] != "Namespace"])
    (name,) = {each["metadata"]["namespace"] for each in objects if each["kind"] == "DaemonSet"}
    there = Kubectl(kubectl.binary, kubectl.kubeconfig, name)
    limit = f"--timeout={START_SECONDS_MAX}s"
    there.run("rollout", "status", INSTALLER, limit, seconds=START_SECONDS_MAX + 10)


def adapted(objects: list[dict], images: Images) -> list[dict]:
    """With images that a cluster without a registry has and the command that is in one of them,
    one replica, and no claim on storage."""
    found = copy.deepcopy(objects)
    for each in found:
        if each["metadata"].get("namespace") == DEFAULT:
            each["metadata"]["namespace"] = NAMESPACE
        if template := each.get("spec", {}).get("template"):
            for container in template["spec"]["containers"]:
                container["image"] = images.of(container)
                container["imagePullPolicy"] = images.pull
                if WRAPS in container.get("args", ()):
                    container["args"] = [*own_flags(container["args"]), *wrapped_command()]
        if each["kind"] == "Deployment":
            each["spec"] |= {"replicas": 1, "minReadySeconds": 0}
        if each["kind"] == "StatefulSet" and each["spec"].pop("volumeClaimTemplates", None):
            volumes = each["spec"]["template"]["spec"].setdefault("volumes", [])
            volumes.append({"name": VOLUME, "emptyDir": {}})
    return found
