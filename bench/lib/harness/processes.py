"""Children that never outlive the harness.

Every process is started by `Children` and ended by it, on every way out:

1. the block ends, or an exception leaves it: SIGKILL to each child's process group, and to what
   it has started in other groups, then wait;
2. Ctrl-C, SIGTERM, SIGHUP or SIGQUIT: `end_on_signals` turns it into an exception, and 1 follows;
3. the harness itself is killed: the kernel sends the children SIGKILL (PR_SET_PDEATHSIG).

PR_SET_PDEATHSIG watches the *thread* that forked, so the harness has one thread only.
Outputs go to files, never to pipes that somebody would have to empty.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .polls import polls

PR_SET_PDEATHSIG = 1
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
POLL_SECONDS = 0.01
LIBC = ctypes.CDLL(None, use_errno=True)


class HarnessError(Exception):
    """The harness could not do its work: one line that says why. No result is valid."""


class Interrupted(BaseException):
    """A signal asked the harness to end. Not an Exception, so that no handler swallows it."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def end_on_signals() -> None:
    """The first signal starts the clean-up; further ones do not interrupt it."""

    def on_signal(number: int, _frame: object) -> None:
        for each in ENDING_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    for each in ENDING_SIGNALS:
        signal.signal(each, on_signal)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals wait until the block is done: for steps that must not be left half-way."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Child:
    """One process, its name for messages, and the file its stderr goes to (if any)."""

    def __init__(self, name: str, process: subprocess.Popen, stderr: Path | None):
        self.name = name
        self.process = process
        self.stderr = stderr

    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def stdout(self) -> IO[str]:
        """For a child that was started with stdout=PIPE and an encoding."""
        assert self.process.stdout is not None
        return self.process.stdout

    def check_running(self) -> None:
        if not self.running():
            raise HarnessError(f"{self.name} ended early, {self.how_it_ended()}")

    def how_it_ended(self) -> str:
        code = self.process.returncode
        last = self.last_line()
        return f"exit code {code}" + (f": {last}" if last else "")

    def last_line(self) -> str:
        if self.stderr is None:
            return ""
        lines = self.stderr.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def wait(self, seconds: float) -> int:
        """The exit code. Polls closely: the moment of the exit is part of the result."""
        for _ in polls(seconds, POLL_SECONDS):
            if not self.running():
                return self.process.returncode
        raise HarnessError(f"{self.name} did not end within {seconds:.0f} s")

    def kill(self) -> None:
        """SIGKILL to the whole group. The id is ours until the leader has been waited for."""
        if not self.running():
            return
        for pid in descendants(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(self.process.pid) == self.process.pid:
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        self.process.wait()


def descendants(pid: int) -> list[int]:
    """Those of now, the nearest first."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            _, _, rest = (folder / "stat").read_text(errors="replace").rpartition(")")
            children.setdefault(int(rest.split()[1]), []).append(int(folder.name))
    found = [*children.get(pid, ())]
    for each in found:  # grows meanwhile
        found += children.get(each, ())
    return found


class Children:
    """Owns the processes of one block: `with Children(folder) as children`."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._children: list[Child] = []

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_exception: object) -> None:
        with uninterrupted():
            for child in self._children:
                child.kill()
            self._children.clear()

    @property
    def temporary(self) -> dict[str, str]:
        """An environment in which what they leave when killed lies in the block's own folder."""
        return os.environ | {name: str(self._folder) for name in ("TMPDIR", "GOTMPDIR")}

    def start(self, name: str, argv: list[str], **options) -> Child:
        """Starts `argv` with stderr in a file of its own. `options` go to Popen."""
        stderr = self._folder / f"{name.replace(' ', '-')}.stderr"
        with open(stderr, "wb") as errors:
            return self._start(name, argv, stderr, stderr=errors, **options)

    def run(self, name: str, argv: list[str], **options) -> None:
        """Runs `argv` to its end with its output on our stderr: for builds."""
        child = self._start(name, argv, None, stdout=2, **options)
        if child.process.wait() != 0:
            raise HarnessError(f"{name} failed, {child.how_it_ended()}")

    def _start(
        self,
        name: str,
        argv: list[str],
        stderr_file: Path | None,
        start_new_session: bool = True,
        **options,
    ) -> Child:
        try:
            with uninterrupted():  # until it is ours to end
                process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL if start_new_session else None,
                    start_new_session=start_new_session,
                    preexec_fn=_die_with_parent(os.getpid()),
                    **options,
                )
                self._children.append(Child(name, process, stderr_file))
                return self._children[-1]
        except OSError as error:
            raise HarnessError(f"cannot start {argv[0]}: {error.strerror}") from error


def _die_with_parent(parent: int):
    """What the child does between fork and exec."""

    def prepare() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between the fork and the prctl
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)

    return prepare
