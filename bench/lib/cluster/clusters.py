"""The cluster that experiments run in: the one made here, or one that somebody has."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from harness.processes import HarnessError

from . import places
from .images import Images
from .kubectl import Kubectl

SECCOMP = ("RuntimeDefault", "Localhost", "Unconfined")


@dataclass(frozen=True)
class Cluster:
    """What experiments know of it: kubectl, vegeta and an address."""

    kubectl: Kubectl
    vegeta: Path
    images: Images
    address: str = ""  # of the Service; empty: its cluster address
    is_ours: bool = True  # node ports and nodes can be reached
    seccomp: dict = field(default_factory=dict)  # for all pods, if not as the manifests say


def ours(made: Images) -> Cluster:
    return Cluster(kubectl(places.KUBECONFIG), places.TOOLS / "vegeta", made)


def theirs(kubeconfig: Path, address: str, image: str, seccomp: str) -> Cluster:
    """`seccomp`: where RuntimeDefault denies io_uring, another of SECCOMP."""
    wanted = Images(image, pull="IfNotPresent")
    vegeta, profile = places.TOOLS / "vegeta", {"type": seccomp}
    if seccomp == "Localhost":
        profile["localhostProfile"] = "lastcall/lastcall.json"  # k8s/seccomp puts it there
    return Cluster(kubectl(kubeconfig), vegeta, wanted, address, is_ours=False, seccomp=profile)


def reach(theirs: Cluster) -> None:
    """Told in one line, before anything is made there."""
    file = theirs.kubectl.kubeconfig
    try:
        if not theirs.kubectl.run("config", "view", "--output", "jsonpath={.clusters[*].name}"):
            raise HarnessError("it names no cluster")
        theirs.kubectl.raw("/version")
    except HarnessError as error:
        raise HarnessError(f"no cluster is reached by --kubeconfig {file}: {error}") from None


def kubectl(kubeconfig: Path) -> Kubectl:
    """Our own where it has been built, else the one on the PATH."""
    own = places.TOOLS / "kubectl"
    found = own if own.exists() else shutil.which("kubectl")
    if not found:
        raise HarnessError("there is no kubectl: put one onto the PATH, or run bench/cluster build")
    return Kubectl(Path(found), kubeconfig)
