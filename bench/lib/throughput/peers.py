"""Servers of others, one thread each: by configuration, or built here of what registries have.

One that is not installed or cannot be built is left out, and why is said.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import haproxy
from harness.build import ROOT, compile_go_packages
from harness.network import LOOPBACK
from harness.processes import Children, HarnessError

from .answers import SIZES
from .loads import CLOSES, CONTENTS, ECHO, HELLO, MANY_IDLE, UPLOAD
from .servers import find_nginx, nginx_command

NGINX, HAPROXY, HYPER = "nginx", "HAProxy", "hyper"
MINIHTTP, UWEBSOCKETS, GO = "may_minihttp", "uWebSockets", "Go"
NAMES = (NGINX, HAPROXY, HYPER, MINIHTTP, UWEBSOCKETS, GO)
EVERYTHING = frozenset({HELLO, CONTENTS, ECHO, UPLOAD, CLOSES, MANY_IDLE})
CAN = {
    NGINX: frozenset({HELLO, CONTENTS, CLOSES, MANY_IDLE}),
    HAPROXY: frozenset({HELLO, CLOSES}),
    MINIHTTP: frozenset({HELLO, CONTENTS, ECHO}),  # a connection of its has 64 KiB and a stack
}
CONNECTIONS_MAX = 12_000
CRATE = ROOT / "bench" / "peer" / "rust"
SOURCE_CRATE = "libuwebsockets-sys"
METADATA_SECONDS_MAX = 120

NGINX_HTTP = """\
    server {{
        listen {address}:{port} backlog=4096;
        root {folder}/contents;
        sendfile on;
        tcp_nopush on;
        location = / {{ return 200 "hello world"; }}
    }}
"""
HAPROXY_CONFIG = """\
global
    nbthread 1
    maxconn 4096

defaults
    mode http
    timeout client 10m
    timeout http-keep-alive 10m

frontend hello
    bind {address}:{port} backlog 4096
    http-request return status 200 content-type text/plain string "hello world"
"""

Command = Callable[[int, Path], list[str]]  # of a port, and a folder of its own


@dataclass(frozen=True)
class Peers:
    commands: dict[str, Command]
    absent: dict[str, str]  # and why

    def that_can(self, needs: frozenset[str]) -> list[str]:
        return [name for name in self.commands if needs <= CAN.get(name, EVERYTHING)]


def build(children: Children, folder: Path) -> Peers:
    """Into that folder; quick where it was built before."""
    makers = {
        NGINX: _nginx,
        HAPROXY: _haproxy,
        HYPER: lambda: _rust(children, folder, "hyper_peer"),
        MINIHTTP: lambda: _rust(children, folder, "may_minihttp_peer"),
        UWEBSOCKETS: lambda: _uwebsockets(children, folder),
        GO: lambda: _go(children, folder),
    }
    commands, absent = {}, {}
    for name, make in makers.items():
        try:
            commands[name] = make()
        except (HarnessError, OSError) as error:
            absent[name] = str(error)
    return Peers(commands, absent)


def _nginx() -> Command:
    binary = find_nginx()
    if binary is None:
        raise HarnessError("nginx is not installed")

    def command(port: int, folder: Path) -> list[str]:
        contents = folder / "contents"
        contents.mkdir()
        for path, size in SIZES.items():
            (contents / path.strip("/")).write_bytes(b"x" * size)
        http = NGINX_HTTP.format(address=LOOPBACK, port=port, folder=folder)
        return nginx_command(binary, folder, http, CONNECTIONS_MAX)

    return command


def _haproxy() -> Command:
    binary = haproxy.find()

    def command(port: int, folder: Path) -> list[str]:
        config = folder / "haproxy.cfg"
        config.write_text(HAPROXY_CONFIG.format(address=LOOPBACK, port=port))
        return [binary, "-db", "-f", str(config)]

    return command


def _by_port(binary: Path) -> Command:
    return lambda port, _folder: [str(binary), str(port)]


def _crate(folder: Path) -> Path:
    """A copy, so that cargo writes nothing beside the source."""
    copy = folder / "rust"
    own = shutil.ignore_patterns("Cargo.lock", "target")
    shutil.copytree(CRATE, copy, ignore=own, dirs_exist_ok=True)
    return copy


def _cargo() -> str:
    cargo = shutil.which("cargo")
    if cargo is None:
        raise HarnessError("cargo is not installed")
    return cargo


def _rust(children: Children, folder: Path, program: str) -> Command:
    argv = [_cargo(), "build", "--quiet", "--release", "--bin", program]
    children.run("cargo build", argv, cwd=_crate(folder))
    return _by_port(folder / "rust" / "target" / "release" / program)


def _uwebsockets(children: Children, folder: Path) -> Command:
    """Of the C++ source in a crate: what cargo would make of it needs libclang."""
    argv = [_cargo(), "metadata", "--format-version", "1", "--all-features", "--quiet"]
    metadata = folder / "metadata.json"
    crate = _crate(folder)
    with open(metadata, "wb") as stdout:
        child = children.start("cargo metadata", argv, cwd=crate, stdout=stdout)
    if child.wait(METADATA_SECONDS_MAX) != 0:
        raise HarnessError(f"cargo metadata failed, {child.how_it_ended()}")
    source = source_folder(metadata.read_text()) / "uWebSockets"
    sockets = source / "uSockets" / "src"
    objects = folder / "uwebsockets"
    objects.mkdir(exist_ok=True)
    flags = ["-O3", "-flto=auto", "-DLIBUS_NO_SSL", f"-I{sockets}"]
    c_files = [*sorted(sockets.glob("*.c")), sockets / "eventing" / "epoll_kqueue.c"]
    c_flags = [*flags, "-std=gnu11", "-c"]
    children.run("cc", ["cc", *c_flags, *map(str, c_files)], cwd=objects)
    program = folder / "uwebsockets_peer"
    flags += ["-std=c++20", "-DUWS_NO_ZLIB", f"-I{source / 'src'}"]
    files = [ROOT / "bench" / "peer" / "uwebsockets.cc", *sorted(objects.glob("*.o"))]
    children.run("c++", ["c++", *flags, *map(str, files), "-o", str(program)], cwd=objects)
    return _by_port(program)


def source_folder(metadata: str) -> Path:
    """Where cargo keeps the crate's source, as `cargo metadata` tells."""
    for package in json.loads(metadata)["packages"]:
        if package["name"] == SOURCE_CRATE:
            return Path(package["manifest_path"]).parent
    raise HarnessError(f"cargo metadata does not know {SOURCE_CRATE}")


def _go(children: Children, folder: Path) -> Command:
    program = folder / "peer"
    compile_go_packages(children, ROOT / "bench", ["./peer"], program)
    return lambda port, _folder: [str(program), "-listen", f"{LOOPBACK}:{port}"]
