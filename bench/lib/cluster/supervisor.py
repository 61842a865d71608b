"""PID 1 of the cluster: starts every process, and again whatever ends, as an init system would.

Whoever kills it takes everything along: the kernel ends a PID namespace with its PID 1.
"""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from . import places
from .room import Room

RESTART_SECONDS = 3.0  # between the end of a process and its next start
RESTARTS_MAX = 20  # of one program, each before it had run for RUN_SECONDS_MIN
RUN_SECONDS_MIN = 30.0
POLL_SECONDS = 0.05
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
OF_US = (*COMPONENTS, "kubelet")  # names that the one program answers to


@dataclass(frozen=True)
class Program:
    """What to run, and in which node; none is where the control plane is."""

    name: str
    argv: list[str]
    room: Room | None = None

    def command(self) -> list[str]:
        binary = [str(places.COMPONENTS)] if self.argv[0] in OF_US else []
        return [*(self.room.enter if self.room else []), *binary, *self.argv]


class Supervisor:
    def __init__(self) -> None:
        self._running: dict[int, Program] = {}
        self._due: list[tuple[float, Program]] = []
        self._started: dict[str, float] = {}
        self._restarts: Counter[str] = Counter()

    def start(self, program: Program) -> None:
        with open(places.LOGS / f"{program.name}.log", "ab") as log:
            process = subprocess.Popen(
                program.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running[process.pid] = program
        self._started[program.name] = time.monotonic()
        self._tell()

    def _tell(self) -> None:
        """The ids of the processes, for experiments that kill one of them."""
        pids = {program.name: pid for pid, program in self._running.items()}
        draft = places.PIDS.with_suffix(".new")
        draft.write_text(json.dumps(pids))
        draft.rename(places.PIDS)

    def run_until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Keeps everything running until `reached`; false if that takes too long."""
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > deadline:
                return False
            self._turn()
        return True

    def run(self) -> None:
        while True:
            self._turn()

    def _turn(self) -> None:
        self._reap()
        now = time.monotonic()
        for program in [program for at, program in self._due if at <= now]:
            self.start(program)
        self._due = [(at, program) for at, program in self._due if at > now]
        time.sleep(POLL_SECONDS)

    def _reap(self) -> None:
        """Also the orphans of others: containers' shims make themselves children of PID 1."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if program := self._running.pop(pid, None):
                self._on_end(program, os.waitstatus_to_exitcode(status))

    def _on_end(self, program: Program, code: int) -> None:
        now = time.monotonic()
        print(f"{program.name} ended, exit code {code}", flush=True)
        if now - self._started[program.name] >= RUN_SECONDS_MIN:
            del self._restarts[program.name]
        self._restarts[program.name] += 1
        if self._restarts[program.name] > RESTARTS_MAX:
            raise RuntimeError(f"{program.name} ends again and again")
        self._due.append((now + RESTART_SECONDS, program))
