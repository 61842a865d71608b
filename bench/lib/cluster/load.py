"""The load: vegeta, or clients in a closed loop, and what became of each request."""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness import outcome, vegeta
from harness.processes import Child, Children, HarnessError

from . import places

NO_ROUTE = "no route"  # a packet to a pod that is gone, answered by its node
LOSSES = (*outcome.LOSSES[: outcome.LOSSES.index(outcome.TIMEOUT)], NO_ROUTE)
LOSSES += tuple(name for name in outcome.LOSSES if name not in LOSSES)


@dataclass(frozen=True)
class Load:
    attack: vegeta.Attack
    rate: int
    seconds: float
    clients: int = 0  # in a closed loop, each with a connection; then `rate` says nothing
    curls: int = 0  # that the clients call, all together
    exact: bool = False  # not one request fewer than rate times seconds

    def start(self, binary: Path, children: Children, folder: Path, url: str) -> "Running":
        if self.clients:
            return Clients(children, folder, self, url)
        return Attacking(binary, children, folder, self, url)


class Attacking:
    """vegeta, started at once. `tally` may be asked when it has ended."""

    def __init__(self, binary: Path, children: Children, folder: Path, load: Load, url: str):
        self._expected = load.attack.expected
        self._vegeta = vegeta.Vegeta(
            binary, children, folder, load.attack, url, load.rate, load.seconds, load.exact
        )
        self.child: Child = self._vegeta.child

    def wait(self) -> None:
        self._vegeta.wait()

    def tally(self) -> outcome.Tally:
        return tally(self._vegeta.results(), self._expected)

    def shortfall(self, tally: outcome.Tally) -> str | None:
        return self._vegeta.missing(tally.requests, len(tally.bins) * outcome.BIN_SECONDS)


class Clients:
    """As Attacking, for clients in a closed loop (clients.py)."""

    def __init__(self, children: Children, folder: Path, load: Load, url: str):
        self._load = load
        self._output = folder / "results.json"
        argv = [sys.executable, "-B", "-m", "cluster.clients", url + load.attack.path]
        keep = "keep" if load.attack.keep_alive else "each"
        argv += [str(load.clients), str(load.seconds), str(load.curls) if load.curls else keep]
        with open(self._output, "wb") as output:
            self.child = children.start("clients", argv, stdout=output, cwd=places.LIB)

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

    def shortfall(self, tally: outcome.Tally) -> str | None:
        """A closed loop owes no number, but for the curls that were asked for."""
        if tally.requests >= max(1, self._load.curls):
            return None
        wanted = f"curls of {self._load.curls:,}" if self._load.curls else "requests"
        return f"{tally.requests:,} {wanted} in {self._load.seconds:.0f} s"


Running = Attacking | Clients


def tally(results: Iterable[outcome.Result], expected: bytes | None) -> outcome.Tally:
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
