"""One run: a rolling restart under load. START HERE; harness/run.py has the words.

    vegeta --rate--> HAProxy --health checks--> replica, replica, ...

The experiment is whether a rolling restart loses requests under one kind of load. A case is a
server in it. replicas.py says how the restart goes.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness import outcome
from harness import run as common
from harness.processes import Children
from harness.servers import Server, Timing, command
from harness.vegeta import Attack, Vegeta

from .replicas import Launch, Replicas, Setting

LEAD_SECONDS = 2.0  # of load before the first process is started, to be seen in the picture


@dataclass(kw_only=True)
class Run(common.Run):
    """What one rolling restart under one attack gave."""

    rollout_seconds: float


def run(setting: Setting, server: Server, attack: Attack) -> Run:
    """Everything it starts and writes is gone when it returns or raises."""
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as folder,
        Children(Path(folder)) as children,
    ):
        return _run(setting, server, attack, children, Path(folder))


def _run(
    setting: Setting, server: Server, attack: Attack, children: Children, folder: Path
) -> Run:
    timing = Timing(setting.drain_window)
    launch = Launch(lambda slot: command(server, setting.binaries, slot.port, timing), timing)
    replicas = Replicas(setting.replicas, launch, children, folder)
    load = Vegeta(
        setting.binaries.vegeta,
        children,
        folder,
        attack,
        f"http://127.0.0.1:{replicas.port}",
        setting.rate,
        setting.seconds,
    )
    time.sleep(LEAD_SECONDS)
    load.child.check_running()
    replicas.roll()
    load.wait()
    replicas.check_running()
    tally = outcome.tally(load.results(), attack.expected)
    proxy_losses = replicas.proxy.losses()
    return Run(
        tally=tally,
        events=replicas.events,
        departures=replicas.departures,
        proxy_losses=proxy_losses,
        rollout_seconds=replicas.seconds,
        invalid=[
            *common.machine_failures(tally, proxy_losses, load),
            *overtime(replicas.events[-1].at, tally.began_at, setting.seconds),
        ],
    )


def overtime(rolled_at: float, began_at: float, seconds: float) -> list[str]:
    """Why a run proves nothing: the rollout of it was longer than its load."""
    late = rolled_at - began_at - seconds
    return [f"the rollout went on for {late:.1f} s after the load"] if late > 0 else []
