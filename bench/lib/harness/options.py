"""A command line: its parser, and the options that several commands have."""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from .blocks import RESULTS
from .build import ROOT
from .servers import ENGINES
from .values import folder, names, output_file, whole


@dataclass(frozen=True)
class Restarts:
    """The options of every benchmark that restarts replicas."""

    repeat: int
    json: Path | None
    svg: Path
    build_dir: Path
    setup: bool
    io: str | None  # what lastcall serves by, where a server does not say it itself
    write: bool
    published: Path | None  # where the picture goes, too, with --write


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

    def add_write(self) -> None:
        what = "write the table into bench/README.md, if all is well"
        self.add_argument("--write", action="store_true", help=what)

    def check_write(self, given: argparse.Namespace) -> None:
        if given.write and given.quick:
            self.error("--quick shows too little to be written down: --write goes without it")

    def add_io(self, what: str) -> None:
        self.add_argument("--io", choices=ENGINES, help=what)

    def add_build_dir(self, more: str = "") -> None:
        what = f"the folder of the build{more} (build)"
        self.add_argument(
            "--build-dir", type=folder, default=ROOT / "build", metavar="DIR", help=what
        )

    def add_restarts(self) -> None:
        add = self.add_argument
        add("--repeat", type=whole(1, 1000), default=1, help="runs that a row adds up (1)")
        self.add_json()
        self.add_write()
        what = f"where the picture goes (bench/{self.prog}.svg in the build folder)"
        add("--svg", type=output_file, metavar="FILE", help=what)
        self.add_io("what lastcall serves by (what it chooses); one server always has epoll")
        self.add_build_dir()
        what = "do not run ./setup first; nothing is installed"
        add("--no-setup", dest="setup", action="store_false", help=what)

    def restarts(self, given: argparse.Namespace) -> dict:
        """What `add_restarts` asked for, to make a `Restarts` of."""
        self.check_write(given)
        own = given.write and not given.svg
        given.published = RESULTS / f"{self.prog}.svg" if own else None
        given.svg = given.svg or given.build_dir / "bench" / f"{self.prog}.svg"
        return {field: getattr(given, field) for field in Restarts.__dataclass_fields__}

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
