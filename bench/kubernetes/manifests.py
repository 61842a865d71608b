"""Every overlay of k8s/, built by kustomize and shown to the apiserver, which changes nothing.

The apiserver refuses to dry-run what belongs into a namespace that is not there: those of the
manifests are made first, and removed again.
"""

from harness.build import ROOT
from harness.processes import HarnessError

from .kubectl import Kubectl

FOLDER = ROOT / "k8s"


def check(kubectl: Kubectl, say) -> None:
    kubectl = Kubectl(kubectl.binary, kubectl.kubeconfig, "")  # what names no namespace: default
    kustomizations = ["base", *(f"overlays/{path.name}" for path in overlays())]
    made: list[str] = []
    try:
        for name in kustomizations:
            made += try_one(kubectl, name)
    finally:
        if made:
            kubectl.run("delete", "namespace", *dict.fromkeys(made), "--timeout=60s", seconds=70)
    say(f"the apiserver takes {', '.join(kustomizations)}")


def overlays() -> list:
    return sorted(path for path in (FOLDER / "overlays").iterdir() if path.is_dir())


def try_one(kubectl: Kubectl, name: str) -> list[str]:
    """The namespaces that had to be made for it."""
    objects = kubectl.kustomize(FOLDER / name)
    if not objects:
        raise HarnessError(f"k8s/{name} makes no object")
    namespaces = [each for each in objects if each["kind"] == "Namespace"]
    there = set(kubectl.run("get", "namespaces", "-o", "name").split())
    new = [each for each in namespaces if f"namespace/{each['metadata']['name']}" not in there]
    if new:
        kubectl.apply(new)
    kubectl.apply(objects, "--dry-run=server")
    return [each["metadata"]["name"] for each in new]
