"""What the main() of every benchmark has in common.

The result goes to stdout, what is being done to stderr. Whatever fails is one line, exit code 1;
a signal ends all that was started, exit code 128 + its number.
"""

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path

from .processes import HarnessError, Interrupted, end_on_signals


class Program:
    """A benchmark by its name on the command line."""

    def __init__(self, name: str):
        self._name = name

    def say(self, text: str) -> None:
        print(f"{self._name}: {text}", file=sys.stderr, flush=True)

    def write(self, file: Path, text: str, what: str) -> None:
        file.write_text(text, encoding="utf-8")
        self.say(f"{what} is in {file}")

    def write_json(self, file: Path | None, value: object) -> None:
        """`file`: None where nobody asked for one."""
        if file:
            self.write(file, json.dumps(value, indent=2) + "\n", "the result as JSON")

    def run(self, main: Callable[[], int]) -> int:
        """The exit code of `main`, or of what kept it from one."""
        end_on_signals()
        try:
            return main()
        except (HarnessError, OSError) as error:
            self.say(f"failed: {error}")
            return 1
        except Interrupted as signal:
            self.say(f"{signal}: all that was started is gone")
            return signal.exit_code


def raise_file_limit(files_max: int) -> None:
    """For whoever carries the connections: the limit is inherited by all that is started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, files_max)), hard))


def verdict(failures: list[str], ok: str) -> int:
    """Prints what failed, or else `ok` (if there was anything to judge). The exit code."""
    for failure in failures:
        print(f"FAILED: {failure}")
    if ok and not failures:
        print(f"OK: {ok}")
    return 1 if failures else 0
