"""A Redis of the harness' own: started, stopped, its connections cut, and read at the end.

It keeps nothing but its append-only file, which it syncs before it answers: what it has said is
counted survives SIGKILL. START HERE: `Redis`.
"""

import shutil
import signal
import socket
import time
from pathlib import Path
from subprocess import DEVNULL

from harness.network import LOOPBACK
from harness.polls import polls
from harness.processes import Child, Children, HarnessError

KEY = "counter"
READY_SECONDS_MAX = 10
POLL_SECONDS = 0.02
SAMPLE_SECONDS_MAX = 0.1  # a sample of the counter may fail, but must not hold up the others
ANSWER_SECONDS_MAX = 5
STALL_SECONDS = 0.3  # how long Redis sleeps before its connections are cut
KILL_SECONDS = 0.2  # when, within that sleep, the order to cut them is sent
CUT = ("CLIENT", "KILL", "TYPE", "normal")  # all but the one that says so
STALL = ("DEBUG", "SLEEP", str(STALL_SECONDS))


class Refusal(Exception):
    """Redis answered with an error: it is loading, say."""


UNREACHABLE = (OSError, Refusal)


class Connection:
    """Just enough of RESP for one command at a time."""

    def __init__(self, port: int, seconds: float):
        self._socket = socket.create_connection((LOOPBACK, port), timeout=seconds)
        self._input = self._socket.makefile("rb")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._input.close()
        self._socket.close()

    def send(self, *commands: tuple[str, ...]) -> None:
        self._socket.sendall(b"".join(map(encode, commands)))

    def ask(self, *command: str) -> str | None:
        self.send(command)
        return self.answer()

    def answer(self) -> str | None:
        line = self._input.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise Refusal(rest)
        if kind != b"$":
            return rest
        size = int(rest)
        return None if size < 0 else self._input.read(size + 2)[:size].decode()


def encode(command: tuple[str, ...]) -> bytes:
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Redis:
    """One server, on one port and with one folder for all of its lives."""

    def __init__(self, children: Children, folder: Path, port: int):
        self._children = children
        self._folder = folder / "redis"
        self._folder.mkdir()
        self.port = port
        self._child: Child | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Does not wait: ask `is_answering`, or call `wait_until_answering`."""
        argv = [find(), "--port", str(self.port), "--bind", LOOPBACK, "--daemonize", "no"]
        argv += ["--dir", str(self._folder), "--logfile", "redis.log", "--save", ""]
        argv += ["--appendonly", "yes", "--appendfsync", "always"]
        argv += ["--enable-debug-command", "local"]
        self._child = self._children.start("redis", argv, stdout=DEVNULL)

    def is_answering(self) -> bool:
        if not self._child.running():
            raise HarnessError(f"redis ended early, {self._last_words()}")
        try:
            with Connection(self.port, ANSWER_SECONDS_MAX) as connection:
                return connection.ask("PING") == "PONG"
        except UNREACHABLE:
            return False

    def wait_until_answering(self) -> None:
        for _ in polls(READY_SECONDS_MAX, POLL_SECONDS):
            if self.is_answering():
                return
        raise HarnessError(f"redis does not answer after {READY_SECONDS_MAX} s")

    def signal(self, number: signal.Signals) -> None:
        self._child.check_running()
        self._child.process.send_signal(number)

    def is_gone(self) -> bool:
        return not self._child.running()

    def sample(self) -> int | None:
        """The counter, or None where there is no quick answer."""
        try:
            return self._get(SAMPLE_SECONDS_MAX)
        except UNREACHABLE:
            return None

    def counted(self) -> int:
        """The counter, for the record."""
        self.wait_until_answering()
        return self._get(ANSWER_SECONDS_MAX)

    def cut_unread(self) -> None:
        """Cuts all connections, with what arrived in the stall before it still unread."""
        with Connection(self.port, ANSWER_SECONDS_MAX) as connection:
            connection.send(STALL, CUT)
            connection.answer()
            connection.answer()

    def cut_unanswered(self) -> None:
        """Cuts all connections when what they asked for is done, and not yet answered.

        1. one connection puts Redis to sleep; commands of the servers queue up in the kernel;
        2. another sends the order to cut, so behind them in the queue;
        3. Redis wakes, obeys them all in one turn of its loop, and would answer at its end.
        """
        with (
            Connection(self.port, ANSWER_SECONDS_MAX) as sleeper,
            Connection(self.port, ANSWER_SECONDS_MAX) as killer,
        ):
            killer.ask("PING")  # so that it has been accepted
            sleeper.send(STALL)
            time.sleep(KILL_SECONDS)
            killer.ask(*CUT)

    def _get(self, seconds: float) -> int:
        with Connection(self.port, seconds) as connection:
            return int(connection.ask("GET", KEY) or 0)

    def _last_words(self) -> str:
        log = self._folder / "redis.log"
        lines = log.read_text(errors="replace").split("\n") if log.exists() else []
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{self._child.how_it_ended()} {said}".strip()


def find() -> str:
    binary = shutil.which("redis-server")
    if binary is None:
        raise HarnessError("redis-server is not installed: run ./setup")
    return binary
