"""The cluster that experiments run in: the one made here, or one that somebody has."""

import shutil
from pathlib import Path

from harness.processes import HarnessError

from . import manifests, places
from .case import Images
from .kubectl import Kubectl
from .trial import Cluster, namespace

SECCOMP = ("RuntimeDefault", "Localhost", "Unconfined")


def ours(made: Images) -> Cluster:
    return Cluster(kubectl(places.KUBECONFIG), places.TOOLS / "vegeta", made)


def theirs(kubeconfig: Path, address: str, image: str, seccomp: str) -> Cluster:
    """`seccomp`: where RuntimeDefault denies io_uring, another of SECCOMP."""
    wanted = Images(image, pull="IfNotPresent")
    vegeta, profile = places.TOOLS / "vegeta", {"type": seccomp}
    if seccomp == "Localhost":
        profile["localhostProfile"] = "lastcall/lastcall.json"  # k8s/seccomp puts it there
    return Cluster(kubectl(kubeconfig), vegeta, wanted, address, is_ours=False, seccomp=profile)


def leave(theirs: Cluster) -> None:
    """Nothing of ours stays in a cluster of somebody else."""
    manifests.remove_namespaces(theirs.kubectl, [namespace()])


def kubectl(kubeconfig: Path) -> Kubectl:
    """Our own where it has been built, else the one on the PATH."""
    own = places.TOOLS / "kubectl"
    found = own if own.exists() else shutil.which("kubectl")
    if not found:
        raise HarnessError("there is no kubectl: put one onto the PATH, or run bench/cluster build")
    return Kubectl(Path(found), kubeconfig)
