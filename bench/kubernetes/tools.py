"""The load and the peer, compiled; the images, and how they come into the cluster."""

import os
import shutil
from pathlib import Path

from harness.build import GO_OF_DEBIAN, VEGETA
from harness.processes import Children, HarnessError

from . import images, lifecycle, places
from .case import Images
from .kubectl import Kubectl
from .trial import Cluster

TAG = "v1"
OTHER_TAG = "v2"  # the same image again, for what a new version is wanted


def compile_go(children: Children) -> None:
    places.TOOLS.mkdir(parents=True, exist_ok=True)
    go = str(GO_OF_DEBIAN) if GO_OF_DEBIAN.exists() else shutil.which("go")
    if go is None:
        raise HarnessError("go 1.24 is not installed: run ./setup --cluster")
    argv = [go, "build", "-mod=readonly", "-buildvcs=false", "-ldflags", "-s -w"]
    argv += ["-o", f"{places.TOOLS}/", "./peer", VEGETA]
    environment = os.environ | {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    children.run("go build", argv, cwd=places.BENCH, env=environment)


def build_images(children: Children, say) -> Images:
    lastcall = images.build_lastcall(children, TAG, say)
    peer = images.build_peer(children, TAG, places.TOOLS / "peer")
    for name in (lastcall, peer):
        images.retag(name, other_image(name))
    images.build_redis(children)
    images.build_busybox(children)
    return Images(lastcall, peer)


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


def theirs(kubeconfig: Path, address: str, image: str) -> Cluster:
    wanted = Images(image, pull="IfNotPresent")
    vegeta = places.TOOLS / "vegeta"
    return Cluster(kubectl(kubeconfig.absolute()), vegeta, wanted, address, is_ours=False)


def kubectl(kubeconfig: Path) -> Kubectl:
    """Our own where it has been built, else the one on the PATH."""
    own = places.TOOLS / "kubectl"
    found = own if own.exists() else Path(shutil.which("kubectl") or own)
    return Kubectl(found, kubeconfig)
