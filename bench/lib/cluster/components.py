"""The program that holds every component of Kubernetes."""

import os
from dataclasses import replace

from harness.processes import Children

from . import places
from .modules import Module

# The components ask each other for their versions, and the linker is what tells them.
VERSIONED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
KUBERNETES = Module(
    "Kubernetes",
    "7 to 15 minutes on two cores",
    places.HERE / "components",
    "k8s.io/kubernetes",
    (".",),
    places.COMPONENTS,
)


def build(children: Children, say) -> None:
    major, minor, _ = KUBERNETES.version.removeprefix("v").split(".")
    told = {"gitVersion": KUBERNETES.version, "gitMajor": major, "gitMinor": minor}
    values = tuple((f"{path}.{name}", told[name]) for path in VERSIONED for name in told)
    replace(KUBERNETES, values=values).build(children, say)
    _link()


def _link() -> None:
    """The program is the component it is called by: kubectl as people type it."""
    places.TOOLS.mkdir(parents=True, exist_ok=True)
    kubectl = places.TOOLS / "kubectl"
    if not kubectl.is_symlink():
        kubectl.symlink_to(os.path.relpath(places.COMPONENTS, places.TOOLS))
