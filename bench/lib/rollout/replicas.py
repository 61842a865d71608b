"""The replicas of a run, a proxy in front of them, and their restart in turn.

As a Kubernetes rollout with maxSurge 1 does it, a replica at a time:

1. start the new process on a port of its own; wait until it is ready and HAProxy has seen it;
2. SIGTERM to the old one;
3. wait until that has exited; only then the next.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from harness.haproxy import Haproxy
from harness.network import free_ports
from harness.processes import Children
from harness.replica import Departure, Event, Replica
from harness.servers import Binaries, Server, Timing, command


@dataclass(frozen=True)
class Setting:
    """What all runs have in common."""

    binaries: Binaries
    rate: int
    seconds: float
    replicas: int
    drain_window: float


class Replicas:
    """The processes of one run: `replicas` old ones, a proxy, then one new one at a time."""

    def __init__(self, setting: Setting, server: Server, children: Children, folder: Path):
        self._setting = setting
        self._server = server
        self._children = children
        self.events: list[Event] = []
        self.departures: list[Departure] = []
        numbers = range(1, setting.replicas + 1)
        self._names = [f"old-{n}" for n in numbers] + [f"new-{n}" for n in numbers]
        self.port, *ports = free_ports(1 + len(self._names))
        self._ports = dict(zip(self._names, ports, strict=True))
        self._serving = [self._start(f"old-{n}") for n in numbers]
        self.proxy = Haproxy(children, folder, self.port, self._ports)
        self.proxy.wait_until_only({replica.name for replica in self._serving})

    def _start(self, name: str) -> Replica:
        timing = Timing(self._setting.drain_window)
        argv = command(self._server, self._setting.binaries, self._ports[name], timing)
        replica = Replica(self._children, name, self._ports[name], argv, timing)
        self._note("start", name)
        replica.wait_until_ready()
        return replica

    def roll(self) -> None:
        self.events.clear()
        for number in range(1, self._setting.replicas + 1):
            new = self._start(f"new-{number}")
            self.proxy.wait_until_up(new.name)
            old = self._serving.pop(0)
            self._serving.append(new)
            self._note("SIGTERM", old.name)
            old.terminate()
            self.departures.append(old.wait_until_gone())
            self._note("exit", old.name)

    def _note(self, kind: str, replica: str) -> None:
        self.events.append(Event(time.time(), kind, replica))

    def check_running(self) -> None:
        """After the load: whoever should still serve does."""
        self.proxy.child.check_running()
        for replica in self._serving:
            replica.check_running()

    @property
    def seconds(self) -> float:
        return self.events[-1].at - self.events[0].at
