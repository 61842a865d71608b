"""One run: a rolling restart of a program under all of its attacks at once, bare or behind
`lastcall --`. START HERE; rollout/run.py has the picture and the words.

Behind lastcall the proxy asks its --admin-listen, as a kubelet would, and the program is not asked
anything. What a program does after its answers is read from Redis when its last job is over.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from count.redis import Redis
from harness import outcome
from harness import run as common
from harness.network import LOOPBACK, free_ports
from harness.processes import Children
from harness.replica import Slot
from harness.servers import SHUTDOWN_SECONDS, Binaries, Timing, milliseconds
from harness.vegeta import Attack, Vegeta
from rollout.options import fit
from rollout.replicas import Launch, Replicas, Setting
from rollout.run import LEAD_SECONDS, Run, overtime

from .programs import Program, Way

SLACK_SECONDS = 1.0  # beyond what a program needs after its last answer, or for one
STOP_SECONDS = 5.0  # of --stop-timeout


@dataclass(kw_only=True)
class WrapRun(Run):
    """What one attack met of a restart. `counted`: of its answers, if these promise something."""

    counted: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a program's runs have in common."""

    setting: Setting
    program: Program
    way: Way

    @property
    def after_drain(self) -> float:
        return after_drain(self.program)

    @property
    def timing(self) -> Timing:
        behind = 0.0 if self.way.is_bare else self.after_drain + STOP_SECONDS
        return Timing(self.setting.drain_window, SHUTDOWN_SECONDS + behind)

    def argv(self, slot: Slot, redis: str) -> list[str]:
        """The program alone, or behind lastcall."""
        binaries = self.setting.binaries
        if self.way.is_bare:
            return self.program.argv(binaries, slot.port, redis)
        inner = self.program.argv(binaries, slot.inner_port, redis)
        return [*self._lastcall(binaries, slot), "--", *inner]

    def _lastcall(self, binaries: Binaries, slot: Slot) -> list[str]:
        flags = {
            "--listen": f"{LOOPBACK}:{slot.port}",
            "--admin-listen": f"{LOOPBACK}:{slot.health_port}",
            "--upstream": f"{LOOPBACK}:{slot.inner_port}",
            "--drain-window": milliseconds(self.setting.drain_window),
            "--shutdown-timeout": milliseconds(SHUTDOWN_SECONDS),
            "--after-drain": milliseconds(self.after_drain),
            "--stop-timeout": milliseconds(STOP_SECONDS),
            "--grace-period": milliseconds(self.timing.grace),
            "--log-format": "json",
        }
        words = [word for flag in flags.items() for word in flag]
        return [str(binaries.lastcall), *words, *self.way.flags]

    def launch(self, redis: str) -> Launch:
        if self.way.is_bare:
            return Launch(
                lambda slot: self.argv(slot, redis),
                self.timing,
                lambda slot: {"PORT": str(slot.port)},
                self.program.health_path,
            )
        return Launch(lambda slot: self.argv(slot, redis), self.timing, has_health_port=True)


def setting_of(
    program: Program, binaries: Binaries, rate: int, replicas: int, drain_window: float
) -> Setting:
    """The load lasts longer than the rollout: each replica may still answer, and work, after its
    window."""
    seconds, _ = fit(None, drain_window, replicas)
    longer = replicas * (program.answer_seconds + after_drain(program))
    rate = min(rate, program.rate or rate)
    return Setting(binaries, rate, seconds + longer, replicas, drain_window)


def after_drain(program: Program) -> float:
    return program.work_seconds + SLACK_SECONDS if program.counts else 0.0


def run(plan: Plan, attacks: list[Attack]) -> list[WrapRun]:
    """A run for each attack. Everything it starts and writes is gone when it returns or raises."""
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as folder,
        Children(Path(folder)) as children,
    ):
        redis = start_redis(children, Path(folder)) if plan.program.counts else None
        launch = plan.launch(redis.url if redis else "")
        replicas = Replicas(plan.setting.replicas, launch, children, Path(folder))
        return _run(plan, attacks, replicas, redis, children, Path(folder))


def start_redis(children: Children, folder: Path) -> Redis:
    redis = Redis(children, folder, free_ports(1)[0])
    redis.wait_until_answering()
    return redis


def _run(
    plan: Plan,
    attacks: list[Attack],
    replicas: Replicas,
    redis: Redis | None,
    children: Children,
    folder: Path,
) -> list[WrapRun]:
    loads = [load_of(plan, attack, replicas.port, children, folder) for attack in attacks]
    time.sleep(LEAD_SECONDS)
    for load in loads:
        load.child.check_running()
    replicas.roll()
    for load in loads:
        load.wait()
    replicas.check_running()
    if redis:  # what the last ones serve now does not end
        time.sleep(plan.program.work_seconds + SLACK_SECONDS)
    counted = redis.counted() if redis else None
    proxy_losses, rolled_at = replicas.proxy.losses(), replicas.events[-1].at
    runs = []
    for attack, load in zip(attacks, loads, strict=True):
        tally = outcome.tally(load.results(), attack.expected)
        invalid = common.machine_failures(tally, proxy_losses, load)
        runs.append(
            WrapRun(
                tally=tally,
                events=replicas.events,
                departures=replicas.departures,
                proxy_losses=proxy_losses,
                rollout_seconds=replicas.seconds,
                counted=counted,
                invalid=invalid + overtime(rolled_at, tally.began_at, plan.setting.seconds),
            )
        )
    return runs


def load_of(plan: Plan, attack: Attack, port: int, children: Children, folder: Path) -> Vegeta:
    own = Path(tempfile.mkdtemp(dir=folder))
    url = f"http://{LOOPBACK}:{port}"
    setting = plan.setting
    binary = setting.binaries.vegeta
    return Vegeta(binary, children, own, attack, url, setting.rate, setting.seconds)
