"""The machines that QEMU emulates, and how programs for them are built."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness import build
from harness.processes import Children

from .debian import Apt, own_suite, run

ROOT = Path(__file__).resolve().parents[2]
# Not trained, which is quicker to build: the one that is runs in containers (tests/container).
STATIC = ["-Dprefer_static=true", "-Dcpp_link_args=-static", "-Dtraining=false"]
TRIPLET = "aarch64-linux-gnu"
PROGRAMS = ("lastcall", "unit_tests", "crowd")
# What meson.build names, for the other processor: setup's lists.
LIBRARIES = ("libfmt-dev", "doctest-dev", "libc-ares-dev", "libhiredis-dev")
NEWER = ("liburing-dev", "libllhttp-dev", "linux-libc-dev")


@dataclass(frozen=True)
class Machine:
    processor: str  # as Debian and Go call it
    package: str  # of its kernel
    qemu: str
    options: tuple[str, ...]
    console: str
    setup: str  # the option that installs what it needs

    @property
    def folder(self) -> Path:
        return ROOT / "build" / "kernels" / self.processor

    def programs(self) -> list[Path]:
        """All that a guest has: static, each of them."""
        compiled = self._compile()
        return [*compiled, self._vegeta(), self._busybox()]

    def _compile(self) -> list[Path]:
        return compile_into(self.folder / "build", STATIC)

    def _vegeta(self) -> Path:
        """As the benchmarks build it."""
        with Children(self.folder) as children:
            build.compile_go(children, self.folder / "programs", self.processor)
        return self.folder / "programs" / "vegeta"

    def _busybox(self) -> Path:
        return Path(shutil.which("busybox") or "")

    def tools(self) -> tuple[str, ...]:
        return (self.qemu, "cpio", "busybox")


class Arm64(Machine):
    """Cross-built: Debian's compiler, and Debian's libraries of that processor in a folder."""

    def _compile(self) -> list[Path]:
        sysroot = self.folder / "sysroot"
        if not (sysroot / "ready").exists():
            self._libraries(sysroot)
        cross = self.folder / "cross.ini"
        cross.write_text(cross_file(sysroot))
        return compile_into(self.folder / "build", ["--cross-file", str(cross), *STATIC])

    def _libraries(self, sysroot: Path) -> None:
        mirror, suite = own_suite()
        wanted = {suite: [*LIBRARIES, *(NEWER if suite == "trixie" else ())]}
        if suite != "trixie":
            wanted["trixie"] = list(NEWER)
        for each, packages in wanted.items():
            apt = self._apt(mirror, each)
            for package in packages:
                apt.unpack(package, sysroot)
        (sysroot / "ready").touch()

    def _apt(self, mirror: str, suite: str) -> Apt:
        apt = Apt(self.folder / suite, mirror, suite, self.processor)
        if why := apt.update():
            raise SystemExit(f"tests/kernels: {suite} for {self.processor}: {why}")
        return apt

    def _busybox(self) -> Path:
        unpacked = self.folder / "busybox-static"
        if not unpacked.exists():
            self._apt(*own_suite()).unpack("busybox-static", unpacked)
        return next(unpacked.rglob("bin/busybox"))

    def tools(self) -> tuple[str, ...]:
        return (*super().tools(), f"{TRIPLET}-g++", "qemu-aarch64-static")


def compile_into(folder: Path, flags: list[str]) -> list[Path]:
    if not (folder / "build.ninja").exists():
        run(["meson", "setup", folder, *flags], cwd=ROOT)
    run(["ninja", "-C", folder, *PROGRAMS])
    return [folder / program for program in PROGRAMS]


def cross_file(sysroot: Path) -> str:
    usr = sysroot / "usr"
    return f"""[binaries]
cpp = '{TRIPLET}-g++'
ar = '{TRIPLET}-ar'
strip = '{TRIPLET}-strip'
pkgconfig = 'pkg-config'  # its name before meson 1.3
pkg-config = 'pkg-config'
exe_wrapper = 'qemu-aarch64-static'

[properties]
sys_root = '{sysroot}'
pkg_config_libdir = ['{usr}/lib/{TRIPLET}/pkgconfig', '{usr}/share/pkgconfig']

[built-in options]
cpp_args = ['-isystem', '{usr}/include', '-isystem', '{usr}/lib/linux/uapi/arm64',
            '-B{usr}/lib/{TRIPLET}']  # where meson looks for archives
cpp_link_args = ['-static', '-L{usr}/lib/{TRIPLET}']

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
"""


MACHINES = {
    "amd64": Machine(
        "amd64", "linux-image-cloud-amd64", "qemu-system-x86_64",
        ("-M", "q35", "-cpu", "max", "-accel", "tcg,thread=multi"), "ttyS0", "--kernels",
    ),
    "arm64": Arm64(
        "arm64", "linux-image-cloud-arm64", "qemu-system-aarch64",
        # Pointer authentication as its own algorithm costs an emulator half of its time.
        ("-M", "virt", "-cpu", "max,pauth-impdef=on", "-accel", "tcg,thread=multi"),
        "ttyAMA0", "--arm64",
    ),
}  # fmt: skip
