"""A replica: a server process that comes up, gets ready, is told to go, and says how it ended."""

import http.client
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from subprocess import DEVNULL

from .network import LOOPBACK
from .polls import polls
from .processes import Child, Children, HarnessError
from .servers import Timing, environment

READY_SECONDS_MAX = 10
END_SLACK_SECONDS = 10  # beyond its grace period, a process has failed to end
POLL_SECONDS = 0.01

# Of lastcall's audit, what is worth a line while the benchmark runs. JSON has all of it.
AUDITED = (
    "accepted_in_window",
    "accepted_after_unlisten",
    "accepted_in_sweep",
    "requests_answered",
    "requests_undelivered",
    "requests_cut",
    "lost_in_drain",
    "forced_closes",
    "jobs_started",
    "jobs_unfinished",
)


@dataclass(frozen=True)
class Slot:
    """The ports of a replica: where it serves, where it says whether it is ready, and a spare one
    for a program behind it. Without a path, one that takes a connection is ready.
    """

    port: int
    health_port: int = 0  # 0: the same
    inner_port: int = 0
    health_path: str = "/readyz"

    @property
    def asked_at(self) -> int:
        return self.health_port or self.port


@dataclass(frozen=True)
class Event:
    """Something that happened to a replica: `start`, `SIGTERM` or `exit`."""

    at: float  # Unix time
    kind: str
    replica: str


@dataclass(frozen=True)
class Departure:
    """How a replica ended: its exit code and, of lastcall, the last line it wrote."""

    name: str
    exit_code: int
    last_line: str

    def audit(self) -> dict:
        """lastcall's own count of its end; empty if the last line is another one."""
        try:
            audit = json.loads(self.last_line)
        except ValueError:
            return {}
        return audit if isinstance(audit, dict) and "exit" in audit else {}

    def describe(self) -> str:
        """`old-1: exit 0; 12 accepted in window, 4,310 requests answered`"""
        found = dict(numbers(self.audit()))
        counts = [f"{found[key]:,} {key.replace('_', ' ')}" for key in AUDITED if found.get(key)]
        return f"{self.name}: exit {self.exit_code}" + ("; " + ", ".join(counts) if counts else "")


def numbers(audit: dict) -> Iterator[tuple[str, int]]:
    """The whole numbers of the audit, however deep."""
    for key, value in audit.items():
        if isinstance(value, dict):
            yield from numbers(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield key, value


class Replica:
    """One server process."""

    def __init__(
        self,
        children: Children,
        name: str,
        slot: Slot,
        argv: list[str],
        timing: Timing,
        more: dict[str, str] | None = None,
    ):
        """`more`: of its environment."""
        self.name = name
        self._slot = slot
        self.seconds_to_end = timing.grace + END_SLACK_SECONDS
        env = environment() | (more or {})
        self._child: Child = children.start(name, argv, env=env, stdout=DEVNULL)

    def wait_until_ready(self) -> None:
        for _ in polls(READY_SECONDS_MAX, POLL_SECONDS):
            if self.is_ready():
                return
            self._child.check_running()
        raise HarnessError(f"{self.name} is not ready after {READY_SECONDS_MAX} s")

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self._slot.asked_at, timeout=1)
        try:
            if not self._slot.health_path:
                connection.connect()
                return True
            connection.request("GET", self._slot.health_path, headers={"Connection": "close"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def check_running(self) -> None:
        self._child.check_running()

    def terminate(self) -> None:
        self._child.check_running()
        self._child.process.send_signal(signal.SIGTERM)

    def wait_until_gone(self) -> Departure:
        self._child.wait(self.seconds_to_end)
        return self.departure()

    def is_gone(self) -> bool:
        return not self._child.running()

    def departure(self) -> Departure:
        """Of a replica that is gone."""
        return Departure(self.name, self._child.process.returncode, self._child.last_line())
