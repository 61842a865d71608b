"""The two replicas of a server, a proxy in front of them, and their restart in place, in turn."""

import time
from collections.abc import Callable
from pathlib import Path

from harness.haproxy import CHANGE_SECONDS_MAX, Haproxy
from harness.network import free_ports
from harness.processes import Children
from harness.replica import READY_SECONDS_MAX, Departure, Event, Replica, Slot
from harness.servers import Binaries, Server, command, milliseconds

from .actors import Actor, until
from .schedule import Schedule

NAMES = ("replica-1", "replica-2")


class Replicas:
    """Both, and the proxy in front of them. A replica keeps its name and port over its lives."""

    def __init__(
        self,
        server: Server,
        binaries: Binaries,
        schedule: Schedule,
        counter: str,
        children: Children,
        folder: Path,
    ):
        self._children = children
        self._timing = schedule.timing
        self.port, *ports = free_ports(1 + len(NAMES))
        self._slots = dict(zip(NAMES, map(Slot, ports), strict=True))
        more = ["--counter", counter, "--job-delay", milliseconds(schedule.job_delay)]
        self._commands = {
            name: command(server, binaries, slot.port, self._timing, more)
            for name, slot in self._slots.items()
        }
        self.events: list[Event] = []
        self.departures: list[Departure] = []
        self._serving = {name: self._start(name) for name in NAMES}
        for replica in self._serving.values():
            replica.wait_until_ready()
        self.proxy = Haproxy(children, folder, self.port, self._slots)
        self.proxy.wait_until_only(set(NAMES))

    def _start(self, name: str) -> Replica:
        self._note("start", name)
        argv = self._commands[name]
        return Replica(self._children, name, self._slots[name], argv, self._timing)

    def restart(self, name: str) -> Actor:
        yield from self.end(name)
        replica = self._serving[name] = self._start(name)
        late = f"{name} is not ready"
        yield from until(_unless_gone(replica), READY_SECONDS_MAX, late)
        late = f"HAProxy does not see {name}"
        yield from until(lambda: name in (self.proxy.up() or ()), CHANGE_SECONDS_MAX, late)

    def end(self, *names: str) -> Actor:
        """SIGTERM to all of `names` at once, and until they are gone."""
        for name in names:
            self._note("SIGTERM", name)
            self._serving[name].terminate()
        for name in names:
            replica = self._serving[name]
            yield from until(replica.is_gone, replica.seconds_to_end, f"{name} did not end")
            self._note("exit", name)
            self.departures.append(replica.departure())

    def _note(self, kind: str, replica: str) -> None:
        self.events.append(Event(time.time(), kind, replica))


def _unless_gone(replica: Replica) -> Callable[[], bool]:
    def is_ready() -> bool:
        replica.check_running()
        return replica.is_ready()

    return is_ready
