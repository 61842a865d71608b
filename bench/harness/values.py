"""Values of the command line: a bad one is one line that says what would be right; exit 2."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from .build import ROOT, could_be_made

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Rollout:
    """The options of every benchmark that restarts replicas."""

    repeat: int
    json: Path | None
    svg: Path
    build_dir: Path
    setup: bool


class Parser(argparse.ArgumentParser):
    """Says only what is wrong, not the whole usage. Has the options that benchmarks share."""

    def __init__(self, name: str, description: str):
        super().__init__(
            prog=name,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def add_json(self) -> None:
        what = "write the result as JSON"
        self.add_argument("--json", type=output_file, metavar="FILE", help=what)

    def add_build_dir(self, more: str = "") -> None:
        what = f"the folder of the build{more} (build)"
        self.add_argument(
            "--build-dir", type=folder, default=ROOT / "build", metavar="DIR", help=what
        )

    def add_rollout(self) -> None:
        add = self.add_argument
        add("--repeat", type=whole(1, 1000), default=1, help="runs that a row adds up (1)")
        self.add_json()
        what = f"where the picture goes (bench/{self.prog}.svg in the build folder)"
        add("--svg", type=output_file, metavar="FILE", help=what)
        self.add_build_dir()
        what = "do not run ./setup first; nothing is installed"
        add("--no-setup", dest="setup", action="store_false", help=what)

    def rollout(self, given: argparse.Namespace) -> dict:
        """What `add_rollout` asked for, to make a `Rollout` of."""
        given.svg = given.svg or given.build_dir / "bench" / f"{self.prog}.svg"
        return {field: getattr(given, field) for field in Rollout.__dataclass_fields__}

    def add_names(self, option: str, known: Iterable[str], what: str) -> None:
        """An option that chooses some of `known`, by commas or by being given again."""
        choices = list(known)
        what = f"{what}: {', '.join(choices)}"
        self.add_argument(
            option, type=names(choices), action="extend", metavar="NAME,...", help=what
        )

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(2)


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number {low} to {high}")
        return int(text)

    return parse


def duration(low: float, high: float) -> Callable[[str], float]:
    """Seconds from `20s`, `1.5s`, `250ms`, `2m`; a bare number is seconds."""

    def parse(text: str) -> float:
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m)?", text)
        seconds = float(match[1]) * UNIT_SECONDS[match[2] or "s"] if match else -1
        if not low <= seconds <= high:
            raise argparse.ArgumentTypeError(
                f"'{text}' is not a duration from {low:g}s to {high:g}s, such as 5s or 250ms"
            )
        return seconds

    return parse


def names(choices: list[str]) -> Callable[[str], list[str]]:
    """A list with commas, each of them known."""

    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in choices:
                raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(choices)}")
        return chosen

    return parse


def folder(text: str) -> Path:
    return Path(text).absolute()


def input_file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"'{text}' is no file")
    if not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"'{text}' cannot be read")
    return path.absolute()


def output_folder(text: str) -> Path:
    """One that is there, or could be made."""
    path = Path(text).absolute()
    if not could_be_made(path):
        raise argparse.ArgumentTypeError(f"'{text}' is no folder, and cannot be made one")
    return path


def output_file(text: str) -> Path:
    """A file that could be written: better to know before the minutes of load than after."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"'{text}' is a folder, not a file")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"the folder of '{text}' does not exist")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"'{text}' cannot be written")
    return path.absolute()
