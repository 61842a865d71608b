"""A server by its command line: lastcall, or Go's net/http ended in one of the usual ways."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from .network import LOOPBACK

SHUTDOWN_SECONDS = 10  # for requests in flight, after the drain window
GRACE_SECONDS_MIN = 30
GRACE_SLACK_SECONDS = 5
ENGINES = ("io_uring", "epoll")  # what lastcall can serve by


@dataclass(frozen=True)
class Server:
    """A server and the way it ends. `must_lose`: True for a control, False for a promise."""

    name: str
    title: str
    is_lastcall: bool
    flags: tuple[str, ...]
    must_lose: bool | None = None


def served_by(server: Server, engine: str | None) -> Server:
    """The same server by this engine, unless it has one of its own."""
    if not (server.is_lastcall and engine) or "--io" in server.flags:
        return server
    return replace(server, flags=(*server.flags, "--io", engine))


@dataclass(frozen=True)
class Binaries:
    lastcall: Path
    peer: Path
    vegeta: Path


@dataclass(frozen=True)
class Timing:
    """Seconds that a replica has: from SIGTERM to its listener's end, and after that."""

    drain_window: float
    shutdown: float = SHUTDOWN_SECONDS

    @property
    def grace(self) -> float:
        needed = self.drain_window + self.shutdown + GRACE_SLACK_SECONDS
        return max(GRACE_SECONDS_MIN, needed)


def milliseconds(seconds: float) -> str:
    """As both lastcall and Go read a duration."""
    return f"{round(seconds * 1000)}ms"


def command(
    server: Server, binaries: Binaries, port: int, timing: Timing, more: Iterable[str] = ()
) -> list[str]:
    """`more`: what lastcall and the peer understand alike."""
    address = f"{LOOPBACK}:{port}"
    window, shutdown = milliseconds(timing.drain_window), milliseconds(timing.shutdown)
    if not server.is_lastcall:
        flags = ["-listen", address, "-delay", window, "-timeout", shutdown]
        return [str(binaries.peer), *flags, *server.flags, *more]
    flags = ["--listen", address, "--workers", "1", "--log-format", "json"]
    flags += ["--drain-window", window, "--shutdown-timeout", shutdown]
    flags += ["--grace-period", milliseconds(timing.grace)]
    return [str(binaries.lastcall), *flags, *server.flags, *more]


def environment() -> dict[str, str]:
    """One CPU for each server, and no option of lastcall that the user's shell has set."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LASTCALL_")}
    return kept | {"GOMAXPROCS": "1"}
