"""Builds programs from their Go modules. Minutes once, then cached, until the module changes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.build import find_go
from harness.processes import Children, HarnessError

from . import places


@dataclass(frozen=True)
class Module:
    """A folder with a go.mod; what of it is built, and where it goes."""

    title: str
    takes: str  # what to say while it is built
    source: Path
    requires: str  # the module that is built, and that has the version
    packages: tuple[str, ...]
    output: Path  # a folder where there are several packages
    values: tuple[tuple[str, str], ...] = ()  # of variables, by their full names

    @property
    def version(self) -> str:
        for line in (self.source / "go.mod").read_text().splitlines():
            if line.strip().startswith(f"{self.requires} v"):
                return line.split()[1]
        raise HarnessError(f"{self.source / 'go.mod'} does not require {self.requires}")

    def build(self, children: Children, say) -> None:
        stamp = places.BUILT / f"{self.output.name}.built-of"
        key = self._key()
        if self.output.exists() and stamp.exists() and stamp.read_text() == key:
            return
        say(f"building {self.title} from its Go modules: once, {self.takes}")
        places.BUILT.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        self._compile(children)
        stamp.write_text(key)

    def _key(self) -> str:
        """Of all that it is made of."""
        files = sorted(self.source.iterdir())
        text = b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in files)
        return hashlib.sha256(text).hexdigest()

    def _compile(self, children: Children) -> None:
        many = len(self.packages) > 1
        flags = ["-s", "-w", *(f"-X {name}={value}" for name, value in self.values)]
        argv = ["nice", "-n", "5", find_go(), "build", "-mod=readonly", "-buildvcs=false"]
        argv += ["-trimpath", "-ldflags", " ".join(flags)]
        argv += ["-o", f"{self.output}/" if many else str(self.output), *self.packages]
        environment = children.temporary | {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        children.run(f"the build of {self.title}", argv, cwd=self.source, env=environment)
