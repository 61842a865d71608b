"""The replicas of a run, a proxy in front of them, and their restart in turn.

As a Kubernetes rollout with maxSurge 1 does it, a replica at a time:

1. start the new process on a port of its own; wait until it is ready and HAProxy has seen it;
2. SIGTERM to the old one;
3. wait until that has exited; only then the next.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.haproxy import Haproxy
from harness.network import free_ports
from harness.processes import Children
from harness.replica import Departure, Event, Replica, Slot
from harness.servers import Binaries, Timing


@dataclass(frozen=True)
class Setting:
    """What all runs have in common."""

    binaries: Binaries
    rate: int
    seconds: float
    replicas: int
    drain_window: float


@dataclass(frozen=True)
class Launch:
    """How a replica is started and ended."""

    argv: Callable[[Slot], list[str]]
    timing: Timing
    environment: Callable[[Slot], dict[str, str]] = lambda _: {}  # beyond that of all servers
    health_path: str = Slot.health_path
    has_health_port: bool = False  # of its own


class Replicas:
    """The processes of one run: `count` old ones, a proxy, then one new one at a time."""

    def __init__(self, count: int, launch: Launch, children: Children, folder: Path):
        self._count = count
        self._launch = launch
        self._children = children
        self.events: list[Event] = []
        self.departures: list[Departure] = []
        numbers = range(1, count + 1)
        self._names = [f"old-{n}" for n in numbers] + [f"new-{n}" for n in numbers]
        self.port, *ports = free_ports(1 + 3 * len(self._names))
        self._slots = {name: self._slot(ports[3 * at :]) for at, name in enumerate(self._names)}
        self._serving = [self._start(f"old-{n}") for n in numbers]
        self.proxy = Haproxy(children, folder, self.port, self._slots)
        self.proxy.wait_until_only({replica.name for replica in self._serving})

    def _slot(self, ports: list[int]) -> Slot:
        health = ports[1] if self._launch.has_health_port else 0
        return Slot(ports[0], health, ports[2], self._launch.health_path)

    def _start(self, name: str) -> Replica:
        launch, slot = self._launch, self._slots[name]
        argv, more = launch.argv(slot), launch.environment(slot)
        replica = Replica(self._children, name, slot, argv, launch.timing, more)
        self._note("start", name)
        replica.wait_until_ready()
        return replica

    def roll(self) -> None:
        self.events.clear()
        for number in range(1, self._count + 1):
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
