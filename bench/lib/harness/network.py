"""Ports: enough ephemeral ones for the load, and some outside of them for the servers.

A one-shot connection leaves its port in TIME_WAIT for a minute. At 1,000 a second the kernel's
default range of 28,000 is used up in half of one, and what then fails is the harness.
"""

import contextlib
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

from .processes import HarnessError, uninterrupted

LOOPBACK = "127.0.0.1"
SYSCTL = Path("/proc/sys/net/ipv4")
WIDE_RANGE = (12288, 65535)  # the ports below are left for the servers
SERVER_PORTS_BELOW = 2048  # how far below the range servers' ports are looked for
UNPRIVILEGED_PORT_MIN = 1024


def ephemeral_range() -> tuple[int, int]:
    low, high = (SYSCTL / "ip_local_port_range").read_text().split()
    return int(low), int(high)


@contextlib.contextmanager
def many_ephemeral_ports(say) -> Iterator[None]:
    """Widens the range of ephemeral ports for the length of the block, where allowed to.

    Put back on every way out but a SIGKILL of the harness.
    """
    before: dict[str, str] = {}
    try:
        if os.geteuid() == 0:
            low, high = ephemeral_range()
            widest = f"{min(low, WIDE_RANGE[0])} {max(high, WIDE_RANGE[1])}"
            _set("ip_local_port_range", widest, before, say)
            _set("tcp_tw_reuse", "1", before, say)
        else:
            say("not root: net.ipv4.ip_local_port_range and tcp_tw_reuse stay as they are")
        yield
    finally:
        with uninterrupted():
            for name, value in before.items():
                (SYSCTL / name).write_text(value)


def _set(name: str, value: str, before: dict[str, str], say) -> None:
    try:
        old = (SYSCTL / name).read_text()
        with uninterrupted():
            (SYSCTL / name).write_text(value)
            before[name] = old
        say(f"net.ipv4.{name} is {value} until the end, then {old.strip()} again")
    except OSError as error:
        say(f"cannot set net.ipv4.{name}: {error.strerror}; carrying on without")


def free_ports(count: int) -> list[int]:
    """Distinct free ports on loopback, outside the ephemeral range.

    Inside it, a connection of the load may hold the very port a new replica is to listen on.
    """
    low, high = ephemeral_range()
    below = range(max(UNPRIVILEGED_PORT_MIN, low - SERVER_PORTS_BELOW), low)
    candidates = [*below, *range(high + 1, 65536)]
    random.shuffle(candidates)
    found: list[int] = []
    for port in candidates:
        if len(found) == count:
            break
        if is_free(port):
            found.append(port)
    if len(found) < count:
        raise HarnessError(f"no {count} free ports outside the ephemeral range {low}-{high}")
    return found


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
