"""What experiments need beside the cluster: images, the load, kubectl."""

import shutil
from pathlib import Path

from harness.processes import Children, HarnessError

from . import images, lifecycle, manifests, places
from .case import Images
from .kubectl import Kubectl
from .trial import Cluster, namespace

SECCOMP = ("RuntimeDefault", "Localhost", "Unconfined")
TAG = "v1"
OTHER_TAG = "v2"  # the same image again, for what a new version is wanted


def build_images(children: Children, say) -> Images:
    lastcall = images.build_lastcall(children, TAG, say)
    peer = images.build_peer(children, TAG, places.TOOLS / "peer")
    for name in (lastcall, peer):
        images.retag(name, other_image(name))
    redis, installer = images.build_redis(children), images.build_busybox(children)
    return Images(lastcall, peer, redis, installer)


def other_image(name: str) -> str:
    """v1 for v2 and back: the same server under another name."""
    base, _, tag = name.rpartition(":")
    return f"{base}:{TAG if tag == OTHER_TAG else OTHER_TAG}"


def load_images() -> None:
    """Into the nodes of our cluster: there is no registry to pull from."""
    for archive in sorted(places.ARCHIVES.glob("*.tar")):
        lifecycle.import_image(archive)


def ours(made: Images) -> Cluster:
    return Cluster(kubectl(places.KUBECONFIG), places.TOOLS / "vegeta", made)


def theirs(kubeconfig: Path, address: str, image: str, seccomp: str) -> Cluster:
    """`seccomp`: where RuntimeDefault denies io_uring, another of SECCOMP."""
    wanted = Images(image, pull="IfNotPresent")
    vegeta, profile = places.TOOLS / "vegeta", {"type": seccomp}
    if seccomp == "Localhost":
        profile["localhostProfile"] = "lastcall/lastcall.json"  # k8s/seccomp puts it there
    ask = kubectl(kubeconfig.absolute())
    return Cluster(ask, vegeta, wanted, address, is_ours=False, seccomp=profile)


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
