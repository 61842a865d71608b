"""Builds what the benchmarks run: lastcall by ./setup and ninja, the Go programs by go.

Everything is written under the build folder. Go's modules are pinned in bench/go.mod and
go.sum; nothing here may change those two (-mod=readonly).
"""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .processes import Children, HarnessError
from .servers import Binaries, Server

ROOT = Path(__file__).resolve().parents[3]
GO_OF_DEBIAN = Path("/usr/lib/go-1.24/bin/go")  # the package golang-1.24-go
VEGETA = "github.com/tsenart/vegeta/v12"


def build(build_dir: Path, setup: bool, servers: Iterable[Server]) -> Binaries:
    """`setup`: install what the machine lacks first. lastcall is built if a server is."""
    programs = build_dir / "bench"
    check_writable(programs)
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as folder,
        Children(Path(folder)) as children,
    ):
        if setup:
            _run_setup(children)
        if any(server.is_lastcall for server in servers):
            compile_targets(children, build_dir, ["lastcall"])
        compile_go(children, programs)
    return Binaries(
        lastcall=build_dir / "lastcall", peer=programs / "peer", vegeta=programs / "vegeta"
    )


def check_writable(folder: Path) -> None:
    """Known before minutes of installing and compiling: a clone may be another user's."""
    if not could_be_made(folder):
        raise HarnessError(f"{folder} cannot be written: run it as its owner, or in your own clone")


def could_be_made(folder: Path) -> bool:
    """Or is there already, and can be written."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return there.is_dir() and os.access(there, os.W_OK)


def _run_setup(children: Children) -> None:
    script = ROOT / "setup"
    if not script.exists():
        raise HarnessError(f"{script} does not exist: use --no-setup")
    # Not root: it will ask for a password, so it keeps the terminal.
    keeps_terminal = os.geteuid() != 0
    children.run("./setup", [str(script)], cwd=ROOT, start_new_session=not keeps_terminal)


def compile_targets(children: Children, build_dir: Path, targets: Iterable[str]) -> None:
    """What was compiled elsewhere is taken as it is: a folder without a build.ninja."""
    if (build_dir / "build.ninja").exists():
        children.run("ninja", ["ninja", "-C", str(build_dir), *targets], cwd=ROOT)
    for target in targets:
        if not (build_dir / target).exists():
            raise HarnessError(f"{build_dir / target} does not exist: run ./setup first")


def find_go() -> str:
    go = str(GO_OF_DEBIAN) if GO_OF_DEBIAN.exists() else shutil.which("go")
    if go is None:
        raise HarnessError("go 1.24 is not installed: run ./setup")
    return go


def compile_go(children: Children, programs: Path, processor: str = "") -> None:
    """The peer and vegeta. `processor`: as Go calls it, where it is not this machine's."""
    programs.mkdir(parents=True, exist_ok=True)
    packages = ["./peer", VEGETA]
    compile_go_packages(children, ROOT / "bench", packages, f"{programs}/", processor)


def compile_go_packages(
    children: Children, module: Path, packages: list[str], to: Path | str, processor: str = ""
) -> None:
    """Static: for scratch, too. `to`: a program, or with a slash behind it their folder."""
    # git refuses to speak of a clone that another user owns; no version is wanted of it.
    argv = [find_go(), "build", "-mod=readonly", "-buildvcs=false", "-ldflags", "-s -w"]
    argv += ["-o", str(to), *packages]
    environment = children.temporary | {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    environment |= {"GOARCH": processor} if processor else {}
    children.run("go build", argv, cwd=module, env=environment)
