"""The machine room: mounts and network of the cluster, made inside its namespaces.

    lan (bridge, 10.240.0.1: control plane and load) -- veth -- node-1 (10.240.0.11) -- its pods
                                                     -- veth -- node-2 (10.240.0.12) -- its pods

No address of these leaves the namespaces, so nothing of it can meet the machine's own network.
A node is a network namespace and, so that its containerd and kubelet have the paths that they
have everywhere, a mount namespace with a /run and a /var of its own.
"""

import subprocess
from pathlib import Path

from . import places
from .commands import output
from .places import LAN, NODE_PORTS, NODES, Node

HOLDER_SECONDS_MAX = 10
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

# Strays: connections that kube-proxy led to no pod though there were some. It happens in the
# instant in which the rules change: a packet that is among the old ones finds their anonymous maps
# empty. (nft in a loop that replaces one such rule, no Kubernetes: 4 of 442,349 connections refused
# while it did, 0 of 337,635 while it did not.)
STRAYS = "inet strays"
# To a node port: it was not rejected for want of a pod either, so the node itself refuses it, by
# the RST that answers a SYN: its number is 0.
STRAYS_AT_NODE = (
    f"tcp sport {NODE_PORTS[0]}-{NODE_PORTS[-1]} "
    "tcp flags & (rst | ack) == rst | ack tcp sequence 0"
)
# To the Service's address: behind all translation, and before the rule that rejects it, the SYN has
# it still. So it has where there is no pod: whoever counts must know (trial.py).
STRAYS_AT_CLIENT = f"ip daddr {places.SERVICE_RANGE} tcp flags & (syn | ack) == syn"


def strays_rules(what: str) -> str:
    return f"""
table {STRAYS} {{
  chain output {{
    type filter hook output priority -1
    {what} counter
  }}
}}
"""


def make() -> None:
    mount_memory()
    ip("link set lo up")
    ip("link add lan type bridge")
    ip(f"addr add {LAN}/24 dev lan")
    ip("link set lan up")
    # Service addresses must have a route, or no packet lives long enough to be rewritten.
    ip(f"route add {places.SERVICE_RANGE} dev lan")
    # What two nodes say to each other crosses the bridge and is none of the rules' business.
    tune({"net/bridge/bridge-nf-call-iptables": "0"}, "")
    tune({"net/ipv4/ip_local_port_range": "12288 65535", "net/ipv4/tcp_tw_reuse": "1"}, "")
    output(["nft", "-f", "-"], text=strays_rules(STRAYS_AT_CLIENT))
    for node in NODES:
        connect(node)
    for node in NODES:
        route(node)


def mount_memory() -> None:
    output(["mount", "-t", "tmpfs", "tmpfs", "/run"])
    places.MEMORY.mkdir(parents=True)


def connect(node: Node) -> None:
    ip(f"netns add {node.name}")
    ip(f"link add {node.name} type veth peer name eth0 netns {node.name}")
    ip(f"link set {node.name} master lan up")
    ip("link set lo up", node)
    ip(f"addr add {node.address}/24 dev eth0", node)
    ip("link set eth0 up", node)
    ip(f"route add default via {LAN}", node)
    tune({"net/ipv4/ip_forward": "1"}, node.name)
    output([*enter_network(node.name), "nft", "-f", "-"], text=strays_rules(STRAYS_AT_NODE))


def route(node: Node) -> None:
    """Everybody else finds this node's pods behind its address."""
    ip(f"route add {node.pods} via {node.address}")
    for other in NODES:
        if other != node:
            ip(f"route add {node.pods} via {node.address}", other)


def ip(arguments: str, node: Node | None = None) -> None:
    inside = ["-n", node.name] if node else []
    output(["ip", *inside, *arguments.split()])


def tune(values: dict[str, str], namespace: str) -> None:
    """Sysctls of one network namespace; one that this kernel does not have is left alone."""
    for name, value in values.items():
        script = f"[ ! -e /proc/sys/{name} ] || echo {value} >/proc/sys/{name}"
        output([*enter_network(namespace), "sh", "-c", script])


def enter_network(namespace: str) -> list[str]:
    return ["nsenter", f"--net=/run/netns/{namespace}"] if namespace else []


def room_door(pid: int) -> list[str]:
    """Into a node: --root since where all of this is in a chroot, its paths are meant."""
    return ["nsenter", "--target", str(pid), "--net", "--mount", "--root", "--"]


class Room:
    """A node's namespaces, held open by a process that only sleeps."""

    def __init__(self, node: Node):
        argv = [*enter_network(node.name), "unshare", "--mount", "sh", "-c", NODE_MOUNTS]
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
        return room_door(self.pid)

    def write(self, path: Path, text: str) -> None:
        """Into the node's own /run or /var."""
        script = f'mkdir -p "{path.parent}" && cat >"{path}"'
        output([*self.enter, "sh", "-c", script], text=text)
