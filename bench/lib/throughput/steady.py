"""Loads that send at fixed instants (bench/steady.cc), and connections that only stand there."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from harness.polls import polls
from harness.processes import Child, Children, HarnessError

from .cpus import used_by
from .loads import SteadyLoad
from .servers import Server

HELD = "held"
HOLDING_SECONDS_MAX = 60
SLACK_SECONDS = 10
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Latency:
    """One server in one round: microseconds from the instant a request was due."""

    requests: int
    p50: float
    p99: float
    p999: float
    longest: float
    cpu_seconds: float
    uploads_per_second: float = 0


class Steady:
    def __init__(self, children: Children, folder: Path, build_dir: Path, cpu: int):
        self._children = children
        self._output = folder / "steady.stdout"
        self._argv = ["taskset", "-c", str(cpu), str(build_dir / "steady")]

    def run(self, server: Server, load: SteadyLoad, seconds: int) -> Latency:
        """Alone on its CPU it never sleeps; beside other load it goes before that."""
        flags = ["--rate", str(load.rate), "--connections", str(load.connections)]
        flags += ["--seconds", str(seconds), *([] if load.uploads else ["--spin"])]
        what = f"{load.title}, {server.name}"
        child = self._start(server, flags)
        before = used_by(server.pid)  # connecting is none of it
        time.sleep(seconds)  # whoever polls meanwhile takes a processor from it
        if child.wait(seconds + SLACK_SECONDS) != 0:
            raise HarnessError(f"{what}: steady failed, {child.how_it_ended()}")
        used = used_by(server.pid) - before
        return latency(self._output.read_text().splitlines()[-1], used.total, what)

    def hold(self, server: Server, connections: int) -> None:
        """So many idle ones, until the row ends."""
        self._start(server, ["--hold", "--connections", str(connections)])

    def _start(self, server: Server, flags: list[str]) -> Child:
        argv = [*self._argv, *flags, str(server.port)]
        with open(self._output, "wb") as stdout:
            child = self._children.start("steady", argv, stdout=stdout)
        for _ in polls(HOLDING_SECONDS_MAX, POLL_SECONDS):
            if self._output.read_text().startswith(HELD):
                return child
            child.check_running()
        raise HarnessError(f"{server.name} does not take the connections of steady")


def latency(line: str, cpu_seconds: float, what: str) -> Latency:
    """From what steady prints."""
    told = json.loads(line)
    if told["answered"] != told["sent"]:
        raise HarnessError(f"{what}: {told['sent'] - told['answered']:,} requests not answered")
    percents = (told[each] for each in ("p50", "p99", "p99.9", "max"))
    return Latency(told["sent"], *percents, cpu_seconds)
