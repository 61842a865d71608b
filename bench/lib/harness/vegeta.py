"""The load: vegeta, an open-loop generator that sends on time whatever the servers do.

Go's HTTP client, and so vegeta, sends a GET again without a word when the kept connection it
chose turns out to be dead. A POST only if not one byte of it had been written, which no server can
have lost: the POST attacks are the honest ones.
"""

import base64
import csv
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .outcome import Result
from .processes import Child, Children, HarnessError

TIMEOUT_SECONDS = 10
WORKERS = 50
WORKERS_MAX = 10_000  # at 1,000 a second, each may wait for its time-out
LATE_SECONDS_MAX = 0.1  # how far behind its rate it may be at the end, when it drops the rest
EXACT_LATE_SECONDS_MAX = 1.0  # likewise, when it does not

HELLO = b"hello world"
ECHO = b"one more before last call"
SIGNATURE = b"X-Served-By: "  # as --served-by writes it
NO_MORE = "no targets to attack"  # vegeta's word for the end of an exact attack


@dataclass(frozen=True)
class Attack:
    """One kind of load and the answer it must get."""

    name: str
    method: str
    path: str
    body: bytes
    expected: bytes | None  # None: whatever comes with a status of 200
    keep_alive: bool
    title: str


ATTACKS = {
    attack.name: attack
    for attack in (
        Attack("get", "GET", "/", b"", HELLO, True, "GET, keep-alive"),
        Attack("post", "POST", "/echo", ECHO, ECHO, True, "POST, keep-alive"),
        Attack("post-one-shot", "POST", "/echo", ECHO, ECHO, False, "POST, a connection each"),
    )
}


class Vegeta:
    """One attack, started at once. `results` may be read when it has ended.

    vegeta ends by its clock, and so may be a few requests short of rate times duration. `exact`
    makes it end by the list of its targets instead, which is then as long as the attack; a machine
    that is too slow makes it late, not short.
    """

    def __init__(
        self,
        binary: Path,
        children: Children,
        folder: Path,
        attack: Attack,
        url: str,
        rate: int,
        seconds: float,
        exact: bool = False,
    ):
        self._binary = binary
        self._children = children
        self._output = folder / "results.bin"
        self._due, self._seconds = round(rate * seconds), seconds
        self._may_miss = 0 if exact else max(1, round(rate * LATE_SECONDS_MAX))
        self.seconds_max = seconds + 2 * TIMEOUT_SECONDS
        targets, body = folder / "targets", folder / "body"
        body.write_bytes(attack.body)
        target = f"{attack.method} {url}{attack.path}\n@{body}\n\n"
        targets.write_text(target * (self._due if exact else 1))
        argv = [str(binary), "attack", "-targets", str(targets), "-output", str(self._output)]
        argv += ["-rate", f"{rate}/1s"]
        argv += ["-lazy"] if exact else ["-duration", f"{round(seconds * 1000)}ms"]
        argv += ["-timeout", f"{TIMEOUT_SECONDS}s", "-http2=false"]
        argv += ["-workers", str(WORKERS), "-max-workers", str(WORKERS_MAX)]
        argv += ["-connections", str(WORKERS_MAX), f"-keepalive={str(attack.keep_alive).lower()}"]
        self.child: Child = children.start(f"vegeta {attack.name}", argv)

    def has_ended(self) -> bool:
        """Wherever nobody may wait; `wait` follows."""
        return not self.child.running()

    def wait(self) -> None:
        if self.child.wait(self.seconds_max) != 0:
            raise HarnessError(f"vegeta failed, {self.child.how_it_ended()}")

    def results(self) -> Iterator[Result]:
        argv = [str(self._binary), "encode", "--to", "csv", str(self._output)]
        encoder = self._children.start(
            "vegeta encode", argv, stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
        )
        with encoder.stdout as lines:
            yield from parse(lines)
        if encoder.wait(TIMEOUT_SECONDS) != 0:
            raise HarnessError(f"vegeta encode failed, {encoder.how_it_ended()}")

    def missing(self, requests: int, took_seconds: float = 0.0) -> str | None:
        """Says how the attack fell short of its rate, if it did, or took too long for them."""
        if requests < self._due - self._may_miss:
            return f"vegeta sent {requests:,} requests of {self._due:,}: the machine is too slow"
        if took_seconds > self._seconds + EXACT_LATE_SECONDS_MAX:
            late = took_seconds - self._seconds
            return f"vegeta was {late:.1f} s late in the end: the machine is too slow"
        return None


def parse(lines: Iterator[str]) -> Iterator[Result]:
    """vegeta's CSV: time, code, latency (both in ns), bytes out and in, error, body in base64."""
    for row in csv.reader(lines):
        if row[5] == NO_MORE:  # nothing was sent
            continue
        yield Result(
            sent_at=int(row[0]) / 1e9,
            latency=int(row[2]) / 1e9,
            code=int(row[1]),
            error=row[5],
            body=base64.b64decode(row[6]),
            server=signature(row[11]),
        )


def signature(fields: str) -> str:
    """Who answered, of an answer's fields in base64; empty where answers are not signed."""
    _, found, rest = base64.b64decode(fields).partition(SIGNATURE)
    return rest.partition(b"\r\n")[0].decode("latin-1") if found else ""
