"""The proxy in front: a real HAProxy that hides nothing.

It asks each replica every half second whether it is ready, by GET /readyz if it has that, and sends
new requests to those that said yes last. It never retries and never redispatches: a request that a
replica loses is lost. Nor does it close an idle connection of the load, which could lose a request
that no replica has seen.
"""

import csv
import io
import re
import resource
import shutil
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from .network import LOOPBACK
from .polls import polls
from .processes import Child, Children, HarnessError
from .replica import Slot

CHECK_MS = 500
CONNECTIONS_MAX = 10_000
FILES_OF_ITS_OWN = 200
CHANGE_SECONDS_MAX = 10
POLL_SECONDS = 0.02
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # not on the PATH of an ordinary user

CONFIG = """\
global
    maxconn {connections_max}
    stats socket {socket} mode 600 level operator
    log stdout format raw local0
    spread-checks 0

defaults
    mode http
    log global
    option dontlog-normal
    log-format "lost %ts %ST %s"
    retries 0
    no option redispatch
    timeout connect 5s
    timeout server 60s
    timeout client 2h
    timeout http-request 2h
    timeout http-keep-alive 2h
    timeout check 2s

frontend load
    bind {address}:{port}
    default_backend replicas

backend replicas
    balance roundrobin
{check}
    default-server check inter {check_ms}ms fall 2 rise 1
{servers}
"""

# What HAProxy says of the moment a request ended, by the first two letters of its log.
ENDINGS = {
    "SC": "connection refused or failed, or no server was up",
    "SH": "closed before the answer",
    "SD": "closed within the answer",
    "sC": "connect timed out",
    "sH": "answer timed out",
    "PH": "answer not understood",
    "CH": "client left before the answer",
    "CD": "client left",
}
IDLE_CLIENT_LEFT = "CR"  # vegeta hangs up at its end


def connections_max() -> int:
    """HAProxy refuses to start with more than its limit of files, two a connection, allows."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(CONNECTIONS_MAX, (files - FILES_OF_ITS_OWN) // 2)


def config(socket_path: Path, port: int, slots: dict[str, Slot]) -> str:
    """The slots have one health path."""
    servers = (
        f"    server {name} {LOOPBACK}:{slot.port} port {slot.asked_at}"
        for name, slot in slots.items()
    )
    (path,) = {slot.health_path for slot in slots.values()}
    return CONFIG.format(
        connections_max=connections_max(),
        socket=socket_path,
        address=LOOPBACK,
        port=port,
        check_ms=CHECK_MS,
        check=f"    option httpchk GET {path}" if path else "    # a connection is enough",
        servers="\n".join(servers),
    )


class Haproxy:
    """`slots`: one for each replica that will ever run; most are down at first."""

    def __init__(self, children: Children, folder: Path, port: int, slots: dict[str, Slot]):
        self._socket = folder / "haproxy.sock"
        self._log = folder / "haproxy.log"
        path = folder / "haproxy.cfg"
        path.write_text(config(self._socket, port, slots))
        with open(self._log, "wb") as log:
            argv = [find(), "-db", "-f", str(path)]
            self.child: Child = children.start("haproxy", argv, stdout=log)

    def wait_until_only(self, up: set[str]) -> None:
        """Returns once the health checks say that exactly the replicas `up` are up."""
        self._wait_until(lambda seen: seen == up, f"{sorted(up)} up, and no other")

    def wait_until_up(self, name: str) -> None:
        self._wait_until(lambda seen: name in seen, f"{name} up")

    def _wait_until(self, reached: Callable[[set[str]], bool], wanted: str) -> None:
        seen = None
        for _ in polls(CHANGE_SECONDS_MAX, POLL_SECONDS):
            seen = self.up()
            if seen is not None and reached(seen):
                return
            self.child.check_running()
        raise HarnessError(f"HAProxy does not see {wanted}: it sees {sorted(seen or ())}")

    def up(self) -> set[str] | None:
        """The replicas that it sends requests to; None while it is not there yet itself."""
        try:
            with socket.socket(socket.AF_UNIX) as stats:
                stats.settimeout(CHANGE_SECONDS_MAX)
                stats.connect(str(self._socket))
                stats.sendall(b"show stat\n")
                text = b"".join(iter(lambda: stats.recv(65536), b"")).decode()
        except (FileNotFoundError, ConnectionRefusedError):  # it has only just been started
            return None
        return servers_up(text)

    def losses(self) -> Counter:
        """Why HAProxy gave no proper answer, by what it logged of such requests."""
        return losses(self._log.read_text(errors="replace"))


def servers_up(stats: str) -> set[str]:
    """The names of the servers that are up in HAProxy's `show stat`."""
    rows = csv.DictReader(io.StringIO(stats.removeprefix("# ")))
    servers = (row for row in rows if row["svname"] not in ("FRONTEND", "BACKEND"))
    return {row["svname"] for row in servers if row["status"].startswith("UP")}


def losses(log: str) -> Counter:
    endings = re.findall(r"^lost (\w[\w-])", log, re.MULTILINE)
    return Counter(ending for ending in endings if ending != IDLE_CLIENT_LEFT)


def ran_out(endings: Counter) -> int:
    """Requests that failed because HAProxy itself had no port or socket left."""
    return sum(count for ending, count in endings.items() if ending.startswith("R"))


def describe(endings: Counter) -> str:
    """`HAProxy logged SC 12 (connection refused or failed), SH 3 (closed before the answer)`"""
    texts = (
        f"{name} {count}" + (f" ({ENDINGS[name]})" if name in ENDINGS else "")
        for name, count in endings.most_common()
    )
    return f"HAProxy logged {', '.join(texts)}" if endings else ""


def find() -> str:
    binary = shutil.which("haproxy") or shutil.which("haproxy", path=SYSTEM_FOLDERS)
    if binary is None:
        raise HarnessError("haproxy is not installed: run ./setup")
    return binary
