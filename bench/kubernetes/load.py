"""The load: vegeta against an address of the cluster, and what became of each request."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

from harness import outcome, vegeta
from harness.processes import Child, Children, HarnessError

from . import places

NO_ROUTE = "no route"  # a packet to a pod that is gone, answered by its node
LOSSES = (*outcome.LOSSES[: outcome.LOSSES.index(outcome.TIMEOUT)], NO_ROUTE)
LOSSES += tuple(name for name in outcome.LOSSES if name not in LOSSES)
ENCODE_SECONDS_MAX = 60
LATE_SHARE_MAX = 0.01  # of the requests due, how many vegeta may be short of


@dataclass(frozen=True)
class Load:
    attack: vegeta.Attack
    rate: int
    seconds: float
    clients: int = 0  # in a closed loop, each with a connection; then `rate` says nothing
    curls: int = 0  # that the clients call, all together

    @property
    def due(self) -> int:
        return round(self.rate * self.seconds)

    def start(self, binary: Path, children: Children, folder: Path, url: str) -> "Running":
        if self.clients:
            return Clients(children, folder, self, url)
        return Vegeta(binary, children, folder, self, url)


class Vegeta:
    """One attack, started at once. `tally` may be asked when it has ended."""

    def __init__(self, binary: Path, children: Children, folder: Path, load: Load, url: str):
        self._binary, self._children, self._load = binary, children, load
        self._output = folder / "results.bin"
        attack = load.attack
        targets, body = folder / "targets", folder / "body"
        body.write_bytes(attack.body)
        targets.write_text(f"{attack.method} {url}{attack.path}\n@{body}\n")
        argv = [str(binary), "attack", "-targets", str(targets), "-output", str(self._output)]
        argv += ["-rate", f"{load.rate}/1s", "-duration", f"{round(load.seconds * 1000)}ms"]
        argv += ["-timeout", f"{vegeta.TIMEOUT_SECONDS}s", "-http2=false"]
        argv += ["-workers", str(vegeta.WORKERS), "-max-workers", str(vegeta.WORKERS_MAX)]
        argv += ["-connections", str(vegeta.WORKERS_MAX)]
        argv += [f"-keepalive={str(attack.keep_alive).lower()}"]
        self.child: Child = children.start(f"vegeta {attack.name}", argv)

    def wait(self) -> None:
        if self.child.wait(self._load.seconds + 2 * vegeta.TIMEOUT_SECONDS) != 0:
            raise HarnessError(f"vegeta failed, {self.child.how_it_ended()}")

    def tally(self) -> outcome.Tally:
        argv = [str(self._binary), "encode", "--to", "csv", str(self._output)]
        encoder = self._children.start(
            "vegeta encode", argv, stdout=PIPE, encoding="utf-8", errors="replace"
        )
        with encoder.stdout as lines:
            counted = tally(vegeta.parse(lines), self._load.attack.expected)
        if encoder.wait(ENCODE_SECONDS_MAX) != 0:
            raise HarnessError(f"vegeta encode failed, {encoder.how_it_ended()}")
        return counted

    def shortfall(self, requests: int) -> str | None:
        if requests >= self._load.due * (1 - LATE_SHARE_MAX):
            return None
        return f"vegeta sent {requests:,} requests of {self._load.due:,}: the machine is too slow"


class Clients:
    """As Vegeta, for clients in a closed loop (clients.py)."""

    def __init__(self, children: Children, folder: Path, load: Load, url: str):
        self._load = load
        self._output = folder / "results.json"
        argv = [sys.executable, "-B", "-m", "kubernetes.clients", url + load.attack.path]
        keep = "keep" if load.attack.keep_alive else "each"
        argv += [str(load.clients), str(load.seconds), str(load.curls) if load.curls else keep]
        with open(self._output, "wb") as output:
            self.child = children.start("clients", argv, stdout=output, cwd=places.BENCH)

    def wait(self) -> None:
        if self.child.wait(self._load.seconds + 3 * vegeta.TIMEOUT_SECONDS) != 0:
            raise HarnessError(f"the clients failed, {self.child.how_it_ended()}")

    def tally(self) -> outcome.Tally:
        with open(self._output, encoding="utf-8") as lines:
            results = (
                outcome.Result(*row[:4], row[4].encode("latin-1"), row[5])
                for row in map(json.loads, lines)
            )
            return tally(
                sorted(results, key=lambda result: result.sent_at), self._load.attack.expected
            )

    def shortfall(self, _requests: int) -> str | None:
        return None  # a closed loop owes no number


Running = Vegeta | Clients


def tally(results: Iterable[outcome.Result], expected: bytes) -> outcome.Tally:
    """As the harness counts, but a missing route has a class of its own."""
    routeless = 0

    def see() -> Iterable[outcome.Result]:
        nonlocal routeless
        for result in results:
            routeless += "no route to host" in result.error.lower()
            yield result

    counted = outcome.tally(see(), expected)
    if routeless:
        counted.lost_by[outcome.OTHER] -= routeless
        counted.lost_by[NO_ROUTE] += routeless
        counted.lost_by = +counted.lost_by  # forgets what has come to nothing
    return counted
