"""The container runtime of the nodes: containerd 2, which Debian 12 and 13 do not have, with its
shim and ctr(8). runc is Debian's."""

from . import places
from .modules import Module

COMMANDS = "github.com/containerd/containerd/v2/cmd"
CONTAINERD = Module(
    "containerd",
    "3 minutes on two cores",
    places.HERE / "containerd",
    "github.com/containerd/containerd/v2",
    tuple(f"{COMMANDS}/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")),
    places.RUNTIME,
)
SHIM = places.RUNTIME / "containerd-shim-runc-v2"
