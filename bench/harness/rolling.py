"""One rolling restart under load. START HERE.

    vegeta --rate--> HAProxy --health checks--> replica, replica, ...

As a Kubernetes rollout with maxSurge 1 does it, a replica at a time:

1. start the new process on a port of its own; wait until it is ready and HAProxy has seen it;
2. SIGTERM to the old one;
3. wait until that has exited; only then the next.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import haproxy, outcome, vegeta
from .network import free_ports
from .processes import Children
from .replica import Binaries, Departure, Event, Replica, Timing, Variant, command

LEAD_SECONDS = 2.0  # of load before the first process is started, to be seen in the picture


@dataclass
class Run:
    """What one rolling restart under one attack gave."""

    tally: outcome.Tally
    events: list[Event]
    departures: list[Departure]
    proxy_losses: Counter
    rollout_seconds: float
    invalid: list[str] = field(default_factory=list)  # why it proves nothing, if so


@dataclass(frozen=True)
class Setting:
    """What all runs of a benchmark have in common."""

    binaries: Binaries
    rate: int
    seconds: float
    replicas: int
    drain_window: float


class Rollout:
    """The processes of one run: `replicas` old ones, a proxy, then one new one at a time."""

    def __init__(self, setting: Setting, variant: Variant, children: Children, folder: Path):
        self._setting = setting
        self._variant = variant
        self._children = children
        self.events: list[Event] = []
        self.departures: list[Departure] = []
        numbers = range(1, setting.replicas + 1)
        self._names = [f"old-{n}" for n in numbers] + [f"new-{n}" for n in numbers]
        self.port, *ports = free_ports(1 + len(self._names))
        self._ports = dict(zip(self._names, ports, strict=True))
        self._serving = [self._start(f"old-{n}") for n in numbers]
        self.proxy = haproxy.Haproxy(children, folder, self.port, self._ports)
        self.proxy.wait_until_only({replica.name for replica in self._serving})

    def _start(self, name: str) -> Replica:
        timing = Timing(self._setting.drain_window)
        argv = command(self._variant, self._setting.binaries, self._ports[name], timing)
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


def run(setting: Setting, variant: Variant, attack: vegeta.Attack) -> Run:
    """Everything it starts and writes is gone when it returns or raises."""
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as folder,
        Children(Path(folder)) as children,
    ):
        return _run(setting, variant, attack, children, Path(folder))


def _run(
    setting: Setting, variant: Variant, attack: vegeta.Attack, children: Children, folder: Path
) -> Run:
    rollout = Rollout(setting, variant, children, folder)
    load = vegeta.Vegeta(
        setting.binaries.vegeta,
        children,
        folder,
        attack,
        f"http://127.0.0.1:{rollout.port}",
        setting.rate,
        setting.seconds,
    )
    time.sleep(LEAD_SECONDS)
    load.child.check_running()
    rollout.roll()
    load.wait()
    rollout.check_running()
    tally = outcome.tally(load.results(), attack.expected)
    proxy_losses = rollout.proxy.losses()
    return Run(
        tally=tally,
        events=rollout.events,
        departures=rollout.departures,
        proxy_losses=proxy_losses,
        rollout_seconds=rollout.seconds,
        invalid=invalidity(setting, tally, rollout.events[-1].at, proxy_losses, load),
    )


def invalidity(
    setting: Setting,
    tally: outcome.Tally,
    rolled_at: float,
    proxy_losses: Counter,
    load: vegeta.Vegeta,
) -> list[str]:
    """Why a run proves nothing: the machine failed, not the server."""
    reasons = machine_failures(tally, proxy_losses, load)
    if rolled_at > tally.began_at + setting.seconds:
        late = rolled_at - tally.began_at - setting.seconds
        reasons.append(f"the rollout went on for {late:.1f} s after the load; raise --duration")
    return reasons


def machine_failures(tally: outcome.Tally, proxy_losses: Counter, load: vegeta.Vegeta) -> list[str]:
    reasons = []
    if missing := load.missing(tally.requests):
        reasons.append(missing)
    if exhausted := tally.lost_by[outcome.HARNESS] + haproxy.ran_out(proxy_losses):
        reasons.append(f"out of ports or files {exhausted} times")
    return reasons


def remarks(
    proxy_losses: Counter, departures: list[Departure], invalid: list[str]
) -> Iterator[str]:
    """What is worth a line each while the next run is about to begin."""
    if proxy_losses:
        yield haproxy.describe(proxy_losses)
    for departure in departures:
        yield departure.describe()
    for reason in invalid:
        yield f"invalid: {reason}"
