"""The measurements in bench/README.md: a block for each command, which --write replaces.

A block stands between two marks, a line each. What is outside of them is left byte for byte.
"""

import os
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from .build import ROOT
from .processes import HarnessError

README = ROOT / "bench" / "README.md"
RESULTS = ROOT / "bench" / "results"  # the pictures that README.md shows
WRITTEN_HERE = (README, RESULTS)  # a change of these is none of what was measured
GIT_SECONDS_MAX = 30
COLUMNS = 108


class Block:
    """Made before anything is measured, so that what cannot be written is known then."""

    def __init__(self, command: str, file: Path = README):
        self._command = command
        self._file = file
        self._measured = provenance(commit())
        replaced(self._read(), command, "")
        if not os.access(file, os.W_OK):
            raise HarnessError(f"{file} cannot be written")

    def publish(self, exit_code: int, body: str, say: Callable[[str], None]) -> None:
        """`body`: a table and what it is made of, in Markdown. Only what is well is published."""
        if exit_code != 0:
            say(f"{self._file} is left as it is: the run failed")
            return
        filled = wrapped(f"{body}\n\n{self._measured}")
        text = replaced(self._read(), self._command, filled)
        self._file.write_bytes(text.encode(errors="surrogateescape"))
        say(f"the measurements are in {self._file}")

    def _read(self) -> str:
        try:
            return self._file.read_bytes().decode(errors="surrogateescape")
        except FileNotFoundError:
            raise HarnessError(f"{self._file} does not exist, which --write fills") from None


def marks(command: str) -> tuple[str, str]:
    return f"<!-- {command}: written by {command} --write -->", f"<!-- end of {command} -->"


def replaced(text: str, command: str, body: str) -> str:
    """`text` with `body` between the marks of `command`."""
    begin, end = marks(command)
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise HarnessError(f"bench/README.md has no block of {command}: {begin} … {end}")
    return f"{before}{begin}\n\n{body}\n\n{end}{after}"


def wrapped(body: str) -> str:
    """Tables stay as they are."""
    return "\n\n".join(
        each if each.startswith("|") else textwrap.fill(each, COLUMNS, break_on_hyphens=False)
        for each in body.split("\n\n")
    )


def provenance(measured_at: str) -> str:
    """`Measured on 2026-11-26 at 351ff91, with changes.`"""
    where = f" at {measured_at}" if measured_at else ""
    return f"Measured on {time.strftime('%Y-%m-%d')}{where}."


def commit() -> str:
    """What is checked out, and whether it was changed; empty where git does not know."""
    try:
        head = _git("rev-parse", "--short", "HEAD").strip()
        ours = (f":(exclude){path.relative_to(ROOT)}" for path in WRITTEN_HERE)
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *ours)
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{head}, with changes" if changes else head


def _git(*arguments: str) -> str:
    # git refuses to speak of a clone that another user owns, unless it is told to.
    argv = ["git", "-c", "safe.directory=*", "-C", str(ROOT), *arguments]
    return subprocess.run(
        argv, capture_output=True, check=True, encoding="utf-8", timeout=GIT_SECONDS_MAX
    ).stdout
