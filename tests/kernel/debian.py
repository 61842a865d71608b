"""Debian's packages of any suite and processor, from the mirror of the machine's own sources."""

import re
import subprocess
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def run(argv: list, **settings) -> str:
    done = subprocess.run(
        [str(each) for each in argv], capture_output=True, text=True, check=False, **settings
    )
    if done.returncode != 0:
        raise SystemExit(f"tests/kernels: {argv[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def own_suite() -> tuple[str, str]:
    """The machine's mirror, and the codename of its suite."""
    told = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"])
    found = [line.split(" ") for line in told.splitlines()]
    for wanted in ("bookworm", "trixie"):  # a bookworm may have a trixie beside it
        for uri, codename in found:
            if codename == wanted:
                return uri, codename
    raise SystemExit("tests/kernels: no mirror of Debian in this machine's package sources")


class Apt:
    """One suite for one processor. The machine's own state is not touched."""

    def __init__(self, folder: Path, mirror: str, suite: str, processor: str):
        self.folder = folder
        signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        sources = folder / "sources.list"
        sources.write_text(f"deb {signed}{mirror} {suite} main\n")
        settings = {
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": folder / "cache",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "APT::Architecture": processor,
            "APT::Architectures": processor,
            "APT::Sandbox::User": "root",
        }
        self.settings = [f"-o{name}={value}" for name, value in settings.items()]

    def update(self) -> str:
        """Empty, or why the suite cannot be had."""
        argv = ["apt-get", *self.settings, "update", "-qq", "--error-on=any"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr.strip().splitlines()[0]

    def depends(self, package: str) -> list[str]:
        told = run(["apt-cache", *self.settings, "depends", "--important", package])
        return re.findall(r"Depends: (\S+)", told)

    def unpack(self, package: str, into: Path) -> None:
        run(["apt-get", *self.settings, "download", package], cwd=self.folder)
        (archive,) = self.folder.glob(f"{package}_*.deb")
        run(["dpkg-deb", "-x", archive, into])
        archive.unlink()
