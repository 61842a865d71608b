"""The network of the cluster, made inside its namespaces.

    lan (bridge, 10.240.0.1: control plane and load) -- veth -- node-1 (10.240.0.11) -- its pods
                                                     -- veth -- node-2 (10.240.0.12) -- its pods

No address of these leaves the namespaces, so nothing of it can meet the machine's own network.
"""

from . import places, strays
from .commands import inside_network, output
from .places import LAN, NODES, Node


def make() -> None:
    ip("link set lo up")
    ip("link add lan type bridge")
    ip(f"addr add {LAN}/24 dev lan")
    ip("link set lan up")
    # Service addresses must have a route, or no packet lives long enough to be rewritten.
    ip(f"route add {places.SERVICE_RANGE} dev lan")
    # What two nodes say to each other crosses the bridge and is none of the rules' business.
    tune({"net/bridge/bridge-nf-call-iptables": "0"}, "")
    tune({"net/ipv4/ip_local_port_range": "12288 65535", "net/ipv4/tcp_tw_reuse": "1"}, "")
    output(["nft", "-f", "-"], text=strays.RULES_AT_CLIENT)
    for node in NODES:
        connect(node)
    for node in NODES:
        route(node)


def connect(node: Node) -> None:
    ip(f"netns add {node.name}")
    ip(f"link add {node.name} type veth peer name eth0 netns {node.name}")
    ip(f"link set {node.name} master lan up")
    ip("link set lo up", node)
    ip(f"addr add {node.address}/24 dev eth0", node)
    ip("link set eth0 up", node)
    ip(f"route add default via {LAN}", node)
    tune({"net/ipv4/ip_forward": "1"}, node.name)
    output([*inside_network(node.name), "nft", "-f", "-"], text=strays.RULES_AT_NODE)


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
        output([*inside_network(namespace), "sh", "-c", script])
