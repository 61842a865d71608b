"""The rooms of the cluster: what its processes see of the machine's files.

All of it shares a /run in memory. A node is a network namespace (lan.py) and, so that its
containerd and kubelet have the paths that they have everywhere, a mount namespace with a /run and
a /var of its own.
"""

import subprocess
from pathlib import Path

from . import places
from .commands import inside_network, output
from .places import Node

KUBELETS_SYSCTLS = (
    "vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops"
    " kernel/keys/root_maxkeys kernel/keys/root_maxbytes"
)
# What a node's mount namespace changes. /var keeps what the machine has in it (packages' data)
# but takes what is written into memory; containerd's layers cannot lie on an overlay themselves.
# The kubelet sets how the kernel panics and lends memory, or does not start: a copy of its own.
NODE_MOUNTS = f"""
set -e
mount -t tmpfs tmpfs /run
mkdir -p {places.MEMORY}/var {places.MEMORY}/work
cd {places.MEMORY}
mount -t overlay overlay -o lowerdir=/var,upperdir=var,workdir=work /var
mkdir -p /var/lib/containerd /var/lib/kubelet /var/log/pods /var/log/containers
mount -t tmpfs tmpfs /var/lib/containerd
for each in {KUBELETS_SYSCTLS}; do
  copy={places.MEMORY}/${{each##*/}}
  cat /proc/sys/$each >$copy
  mount --bind $copy /proc/sys/$each
done
mount --make-rshared /
cd /
echo mounted
exec sleep infinity
"""


def mount_memory() -> None:
    output(["mount", "-t", "tmpfs", "tmpfs", "/run"])
    places.MEMORY.mkdir(parents=True)


def door(pid: int) -> list[str]:
    """Into a node: --root since where all of this is in a chroot, its paths are meant."""
    return ["nsenter", "--target", str(pid), "--net", "--mount", "--root", "--"]


class Room:
    """A node's namespaces, held open by a process that only sleeps."""

    def __init__(self, node: Node):
        argv = [*inside_network(node.name), "unshare", "--mount", "sh", "-c", NODE_MOUNTS]
        self._holder = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, encoding="utf-8"
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline().strip() != "mounted":  # or EOF, when it failed
            raise RuntimeError(f"the mounts of {node.name} failed")

    @property
    def pid(self) -> int:
        return self._holder.pid

    @property
    def enter(self) -> list[str]:
        """What a command must begin with to run in the node."""
        return door(self.pid)

    def write(self, path: Path, text: str) -> None:
        """Into the node's own /run or /var."""
        script = f'mkdir -p "{path.parent}" && cat >"{path}"'
        output([*self.enter, "sh", "-c", script], text=text)
