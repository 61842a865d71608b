"""Programs that know nothing of lastcall, as people published them to show what a rollout loses.

`exit` and `shutdown` of bench/peer, its /incr that answers first and counts five seconds later, a
Flask app whose answers take five seconds, and Node's own http server.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.build import ROOT
from harness.network import LOOPBACK
from harness.processes import HarnessError
from harness.servers import Binaries, Server
from harness.vegeta import ATTACKS, Attack

PEER = ROOT / "bench" / "peer"
PYTHON = ROOT / "build" / "python" / "bin"  # ./setup has made it
FLASK_SECONDS = 5.0  # of each answer: app.py
JOB_SECONDS = 5.0  # of each increment, after its answer
FLASK_RATE = 20  # a second of each attack: 300 answers at once, and each takes a thread
THREADS = 400  # of gunicorn, for as many
INCR = replace(ATTACKS["post"], path="/incr", body=b"", expected=None, title="POST /incr")

Argv = Callable[[Binaries, int, str], list[str]]  # from its port, and the address of Redis


@dataclass(frozen=True)
class Program:
    name: str
    title: str
    argv: Argv
    rate: int | None = None  # requests a second of each attack, where it can do less than asked for
    attacks: tuple[Attack, ...] = tuple(ATTACKS.values())
    health_path: str = ""  # none: whoever takes a connection is ready
    answer_seconds: float = 0.0  # what an answer takes
    work_seconds: float = 0.0  # what goes on after it: a counter in Redis tells

    @property
    def counts(self) -> bool:
        return self.work_seconds > 0


def peer(mode: str) -> Argv:
    def argv(binaries: Binaries, port: int, _redis: str) -> list[str]:
        return [str(binaries.peer), "-listen", f"{LOOPBACK}:{port}", "-mode", mode]

    return argv


def counter(binaries: Binaries, port: int, redis: str) -> list[str]:
    delay = f"{JOB_SECONDS:g}s"
    return [*peer("exit")(binaries, port, redis), "-counter", redis, "-job-delay", delay]


def flask(_binaries: Binaries, port: int, _redis: str) -> list[str]:
    app = str(PEER / "app.py")
    return [python("flask"), "--app", app, "run", "--host", LOOPBACK, "--port", str(port)]


def gunicorn(_binaries: Binaries, port: int, _redis: str) -> list[str]:
    argv = [python("gunicorn"), "--chdir", str(PEER), "--bind", f"{LOOPBACK}:{port}"]
    return [*argv, "--threads", str(THREADS), "app:app"]


def node(_binaries: Binaries, _port: int, _redis: str) -> list[str]:
    """PORT tells it."""
    binary = shutil.which("node")
    if binary is None:
        raise HarnessError("node is not installed: apt-get install nodejs, or --program without it")
    return [binary, str(PEER / "server.mjs")]


def python(name: str) -> str:
    if not (PYTHON / name).exists():
        raise HarnessError(f"{PYTHON / name} does not exist: run ./setup")
    return str(PYTHON / name)


PROGRAMS = {
    program.name: program
    for program in (
        Program("go-exit", "Go, exits at once", peer("exit"), health_path="/readyz"),
        Program("go-shutdown", "Go, Shutdown only", peer("shutdown"), health_path="/readyz"),
        Program("node", "Node, http", node),
        Program("flask", "Flask, its own server", flask, FLASK_RATE, answer_seconds=FLASK_SECONDS),
        Program(
            "gunicorn", "Flask, gunicorn", gunicorn, FLASK_RATE, answer_seconds=FLASK_SECONDS
        ),
        Program(
            "incr",
            "Go, fire and forget",
            counter,
            attacks=(INCR,),
            health_path="/readyz",
            work_seconds=JOB_SECONDS,
        ),
    )
}


@dataclass(frozen=True)
class Way:
    """How a program is started: bare, or behind something. Flags are lastcall's."""

    name: str
    title: str
    is_bare: bool = False
    flags: tuple[str, ...] = ()


WAYS = {
    way.name: way
    for way in (
        Way("bare", "bare", is_bare=True),
        Way("lastcall", "behind lastcall"),
        Way("epoll", "behind lastcall, by epoll", flags=("--io", "epoll")),
    )
}


def server_of(program: Program, way: Way) -> Server:
    """As the tables and pictures of a rollout have it. Bare it must lose, else it must not."""
    name, title = f"{program.name} {way.name}", f"{program.title}, {way.title}"
    return Server(name, title, not way.is_bare, way.flags, must_lose=way.is_bare)
