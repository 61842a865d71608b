"""Values of the command line: a bad one is one line that says what would be right; exit 2."""

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path

from .build import could_be_made

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


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
