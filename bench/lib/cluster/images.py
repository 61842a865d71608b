"""Images, made without a registry: the base by debootstrap, ours by buildah, as archives.

buildah's storage lies in the build folder, so that nothing of this meets images of the machine.
"""

import contextlib
import resource
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.build import ROOT
from harness.processes import Children, HarnessError

from . import lifecycle, places, ready
from .commands import CONTAINED, output
from .kubectl import NAME

BASE = "localhost/debian:trixie-slim"  # what `FROM debian:trixie-slim` finds first
PAUSE = "localhost/pause:1"
LASTCALL = "localhost/lastcall"
PEER = "localhost/peer"
WRAPPED = "localhost/wrapped"
REDIS = "localhost/redis:1"
BUSYBOX = "localhost/busybox:1"  # in the place of the one that k8s/seccomp names
LASTCALL_BYTES_MAX = 5_000_000  # as an archive, which is not compressed
STORAGE = places.BUILT / "storage"
SCRATCH = "image-"
STEP_SECONDS_MAX = 600  # it may have to make do with what others leave of the processors
CATATONIT = "/usr/bin/catatonit"  # Debian's is static
WRAPS = "--"  # of lastcall's arguments: what follows is a command
TAG = "v1"
OTHER_TAG = "v2"  # the same image again, for what a new version is wanted
NAMES = [f"{name}:{tag}" for name in (LASTCALL, PEER, WRAPPED) for tag in (TAG, OTHER_TAG)]
NAMES += [REDIS, BUSYBOX]  # what the nodes have


@dataclass(frozen=True)
class Images:
    lastcall: str
    peer: str = ""  # none in a cluster of somebody else
    wrapped: str = ""  # likewise
    redis: str = ""
    installer: str = ""  # what writes the seccomp profile
    pull: str = "Never"

    def of(self, container: dict) -> str:
        """By the name that a container has in the manifests."""
        ours = self.wrapped if WRAPS in container.get("args", ()) else self.lastcall
        return {NAME: ours, "redis": self.redis, "installer": self.installer}[container["name"]]


def build_all(say) -> Images:
    remove_scratch()
    build_pause()
    lastcall = build_lastcall(TAG, say)
    peer = build_peer(TAG, places.TOOLS / "peer")
    wrapped = build_wrapped(TAG, lastcall, places.TOOLS / "peer")
    for name in (lastcall, peer, wrapped):
        retag(name, other(name))
    return Images(lastcall, peer, wrapped, build_redis(), build_busybox())


def other(name: str) -> str:
    """v1 for v2 and back: the same server under another name."""
    base, _, tag = name.rpartition(":")
    return f"{base}:{TAG if tag == OTHER_TAG else OTHER_TAG}"


def load() -> None:
    """Into the nodes of our cluster: there is no registry to pull from."""
    for archive in sorted(places.ARCHIVES.glob("*.tar")):
        lifecycle.import_image(archive)


def remove_scratch() -> None:
    """What a build has left that was killed."""
    for folder in places.BUILT.glob(f"{SCRATCH}*"):
        shutil.rmtree(folder)


def build_pause() -> None:
    """The process that holds a pod's namespaces: it sleeps, and reaps."""
    if not (places.ARCHIVES / "pause.tar").exists():
        text = 'FROM scratch\nCOPY catatonit /catatonit\nENTRYPOINT ["/catatonit", "-P"]\n'
        build_of_files(PAUSE, text, {"catatonit": Path(CATATONIT)})
        export(PAUSE, "pause")


def build_base(say) -> None:
    """Debian 13 of the machine's own mirror, under the name that the Containerfile begins with."""
    if has(BASE):
        return
    say("making the base image by debootstrap: once, about a minute")
    with scratch() as folder, Children(folder) as children:  # gone before the folder goes
        root = folder / "root"
        argv = [*CONTAINED, "debootstrap", "--variant=minbase", "trixie", str(root), mirror()]
        children.run("debootstrap", argv)
        for package in (root / "var/cache/apt/archives").glob("*.deb"):
            package.unlink()
        argv = ["tar", "-C", str(root), "-cf", str(folder / "root.tar"), "."]
        output(argv, STEP_SECONDS_MAX)
        text = 'FROM scratch\nADD root.tar /\nCMD ["bash"]\n'
        build_of_files(BASE, text, {"root.tar": folder / "root.tar"})


def mirror() -> str:
    """Where the machine gets its own Debian from."""
    text = output(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"])
    for line in text.splitlines():
        address, _, code_name = line.partition(" ")
        if code_name in ("trixie", "bookworm"):
            return address
    raise HarnessError("no mirror of Debian 12 or 13 in this machine's package sources")


def build_lastcall(tag: str, say) -> str:
    build_base(say)
    say("building the image of lastcall: minutes the first time")
    name = f"{LASTCALL}:{tag}"
    _build(name, ["--layers", "--file", str(ROOT / "Containerfile"), str(ROOT)])
    archive = export(name, f"lastcall-{tag}")
    size = archive.stat().st_size
    if size > LASTCALL_BYTES_MAX:
        most = f"{LASTCALL_BYTES_MAX / 1e6:.0f} MB"
        raise HarnessError(f"it has {size / 1e6:.2f} MB, more than {most}: what came into it?")
    with scratch() as folder, Children(folder) as starts:
        quick = ready.milliseconds(archive, starts, folder)
    say(f"the image of lastcall has {size / 1e6:.2f} MB, and is ready {quick:.0f} ms after exec")
    return name


def build_peer(tag: str, binary: Path) -> str:
    """Go's server, on nothing as well."""
    name = f"{PEER}:{tag}"
    text = 'FROM scratch\nCOPY peer /peer\nUSER 65532:65532\nENTRYPOINT ["/peer"]\n'
    build_of_files(name, text, {"peer": binary})
    export(name, f"peer-{tag}")
    return name


def build_wrapped(tag: str, lastcall: str, binary: Path) -> str:
    """Go's server behind lastcall, which is its entry point."""
    name = f"{WRAPPED}:{tag}"
    build_of_files(name, f"FROM {lastcall}\nCOPY peer /peer\n", {"peer": binary})
    export(name, f"wrapped-{tag}")
    return name


def build_redis() -> str:
    """The machine's own redis-server with the libraries it is linked to, and nothing else."""
    if not (places.ARCHIVES / "redis-1.tar").exists():
        binary = Path(shutil.which("redis-server") or "/usr/bin/redis-server").resolve()
        files = {"redis-server": binary}
        lines = ["FROM scratch", "COPY redis-server /usr/local/bin/redis-server"]
        for library in libraries(binary):
            files[library.name] = library
            lines.append(f"COPY {library.name} {library}")
        lines.append("ENV PATH=/usr/local/bin")
        build_of_files(REDIS, "\n".join(lines) + "\n", files)
        export(REDIS, "redis-1")
    return REDIS


def libraries(binary: Path) -> list[Path]:
    """Where the loader will look for them: `name => /path (address)`, and the loader itself."""
    words = output(["ldd", str(binary)]).split()
    return sorted({Path(word) for word in words if word.startswith("/")})


def build_busybox() -> str:
    """What installs the seccomp profile (k8s/seccomp)."""
    if not (places.ARCHIVES / "installer.tar").exists():
        text = "FROM scratch\nCOPY busybox /bin/busybox\nENV PATH=/bin\n"
        links = 'RUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
        build_of_files(BUSYBOX, text + links, {"busybox": Path("/bin/busybox")})
        export(BUSYBOX, "installer")
    return BUSYBOX


def build_of_files(name: str, text: str, files: dict[str, Path]) -> None:
    with scratch() as folder:
        for file, source in files.items():
            shutil.copy(source, folder / file)
        (folder / "Containerfile").write_text(text)
        _build(name, ["--file", str(folder / "Containerfile"), str(folder)])


def _build(name: str, arguments: list[str]) -> None:
    # chroot: a build needs no container of its own, which this machine may not be able to give.
    output([*buildah(), "rm", "--all"], STEP_SECONDS_MAX)  # what a killed build has left
    argv = [*buildah(), "build", "--isolation", "chroot", "--quiet", "--tag", name]
    argv += [*limits(), *arguments]
    log = places.LOGS / "images.log"
    places.LOGS.mkdir(parents=True, exist_ok=True)
    with scratch() as folder, Children(folder) as mine, open(log, "wb") as said:
        argv = ["nice", "-n", "5", *argv]
        child = mine.start("buildah", argv, stdout=said, env=mine.temporary)
        if child.process.wait() != 0:
            why = f"{child.how_it_ended()}; see {log}"
            raise HarnessError(f"the image {name} cannot be built, {why}")


def limits() -> list[str]:
    """What this process may have; the defaults of buildah are more than some machines allow."""
    words = []
    for name, limit in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        soft, hard = resource.getrlimit(limit)
        if hard != resource.RLIM_INFINITY:
            words += ["--ulimit", f"{name}={soft}:{hard}"]
    return words


def buildah() -> list[str]:
    """With what it starts: a compiler, say."""
    return [*CONTAINED, "buildah", "--root", str(STORAGE), "--runroot", f"{STORAGE}-run"]


def has(name: str) -> bool:
    argv = [*buildah(), "images", "--quiet", "--filter", f"reference={name}"]
    return bool(output(argv, STEP_SECONDS_MAX).strip())


def retag(name: str, other: str) -> None:
    """The same image under another tag, in an archive of its own."""
    output([*buildah(), "tag", name, other], STEP_SECONDS_MAX)
    export(other, other.rpartition("/")[2].replace(":", "-"))


def export(name: str, file: str) -> Path:
    places.ARCHIVES.mkdir(parents=True, exist_ok=True)
    archive = places.ARCHIVES / f"{file}.tar"
    draft = archive.with_suffix(".new")
    draft.unlink(missing_ok=True)  # buildah does not write over one
    argv = [*buildah(), "push", "--quiet", name, f"docker-archive:{draft}:{name}"]
    output(argv, STEP_SECONDS_MAX)
    return draft.rename(archive)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """On the disk of the build folder: a base image is large."""
    places.BUILT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.BUILT, prefix=SCRATCH) as folder:
        yield Path(folder)
