"""Strays: connections that kube-proxy led to no pod though there were some. No loss of a server's.

It happens in the instant in which the rules change: a packet that is among the old ones finds their
anonymous maps empty. (nft in a loop that replaces one such rule, no Kubernetes: 4 of 442,349
connections refused while it did, in a longer run 9 of 1.2 million, and 0 of 337,635 while it did
not.) They are counted where they end.
"""

import json
import math

from . import lifecycle
from .commands import output
from .places import NODE_PORTS, NODES, SERVICE_RANGE
from .pods import Life

TABLE = "inet strays"
LISTING = ["nft", "-j", "list", "table", *TABLE.split()]
ROTATION_SECONDS = 3.0  # from ready until each node surely has the pod in its rules
SHARE_MAX, COUNT_MIN = 1 / 10_000, 3  # of all requests: more is no race of an instant


def _rules(what: str) -> str:
    return f"""
table {TABLE} {{
  chain output {{
    type filter hook output priority -1
    {what} counter
  }}
}}
"""


# To a node port: it was not rejected for want of a pod either, so the node itself refuses it, by
# the RST that answers a SYN: its number is 0.
RULES_AT_NODE = _rules(
    f"tcp sport {NODE_PORTS[0]}-{NODE_PORTS[-1]} "
    "tcp flags & (rst | ack) == rst | ack tcp sequence 0"
)
# To the Service's address: behind all translation, and before the rule that rejects it, the SYN has
# it still. So it has where there is no pod: whoever counts must know (ready_throughout).
RULES_AT_CLIENT = _rules(f"ip daddr {SERVICE_RANGE} tcp flags & (syn | ack) == syn")


def at_nodes() -> int:
    """How many connections the nodes themselves have refused, as no rule led them on."""
    return sum(_count(lifecycle.enter_node(node.number, LISTING)) for node in NODES)


def at_clients() -> int:
    """How many went on to the Service's own address, which nobody has."""
    return _count(lifecycle.enter_network(LISTING))


def _count(listing: list[str]) -> int:
    told = json.loads(output(listing))
    rules = (each["rule"] for each in told["nftables"] if "rule" in each)
    parts = (part for rule in rules for part in rule["expr"])
    return sum(part["counter"]["packets"] for part in parts if "counter" in part)


def plausible(count: int, requests: int) -> bool:
    """Whether an instant's race may have met so many."""
    return count <= max(COUNT_MIN, requests * SHARE_MAX)


def ready_throughout(lives: list[Life], began: float, ended: float) -> bool:
    """Surely was there always a pod in rotation, one that has not been told to go."""
    covered = began
    for life in sorted(lives, key=lambda life: life.ready_at or ended):
        if life.ready_at is None or len(life.containers) != 1:  # restarted in place
            continue
        if life.ready_at <= began or life.ready_at + ROTATION_SECONDS <= covered:
            ends = (life.deleted_at, life.unready_at, life.containers[0].ended_at)
            covered = max(covered, min(end or math.inf for end in ends))
    return covered >= ended
