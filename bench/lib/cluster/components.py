"""Builds the program that holds every component of Kubernetes. Minutes once, then cached."""

import hashlib
import os

from harness.build import find_go
from harness.processes import Children, HarnessError

from . import places

SOURCE = places.HERE / "components"
MODULE = "k8s.io/kubernetes"
STAMP = places.BUILT / "components.built-of"
# The components ask each other for their versions, and the linker is what tells them.
VERSIONED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


def build(children: Children, say) -> None:
    key = _key()
    if not (places.COMPONENTS.exists() and STAMP.exists() and STAMP.read_text() == key):
        say("building Kubernetes from its Go modules: once, 7 to 15 minutes on two cores")
        _compile(children)
        STAMP.write_text(key)
    _link()


def _key() -> str:
    """Of all that the program is made of."""
    files = sorted(SOURCE.iterdir())
    text = b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in files)
    return hashlib.sha256(text).hexdigest()


def version() -> str:
    for line in (SOURCE / "go.mod").read_text().splitlines():
        if line.strip().startswith(f"{MODULE} v"):
            return line.split()[1]
    raise HarnessError(f"{SOURCE / 'go.mod'} does not require {MODULE}")


def _compile(children: Children) -> None:
    major, minor, _ = version().removeprefix("v").split(".")
    values = {"gitVersion": version(), "gitMajor": major, "gitMinor": minor}
    stamps = (f"-X {path}.{key}={value}" for path in VERSIONED for key, value in values.items())
    argv = ["nice", "-n", "5", find_go(), "build", "-mod=readonly", "-buildvcs=false", "-trimpath"]
    argv += ["-ldflags", " ".join(["-s", "-w", *stamps]), "-o", str(places.COMPONENTS), "."]
    places.BUILT.mkdir(parents=True, exist_ok=True)
    STAMP.unlink(missing_ok=True)
    environment = children.temporary | {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    children.run("the build of Kubernetes", argv, cwd=SOURCE, env=environment)


def _link() -> None:
    """The program is the component it is called by: kubectl as people type it."""
    places.TOOLS.mkdir(parents=True, exist_ok=True)
    kubectl = places.TOOLS / "kubectl"
    if not kubectl.is_symlink():
        kubectl.symlink_to(os.path.relpath(places.COMPONENTS, places.TOOLS))
