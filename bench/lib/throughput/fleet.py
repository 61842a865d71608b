"""The servers of a row, started anew for it: the floors beside lastcall, or peers beside it."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.network import LOOPBACK, free_ports
from harness.processes import Children, HarnessError

from .cpus import Pair
from .peers import Peers
from .servers import (
    EPOLL,
    EPOLL_FLOOR,
    EPOLL_WAITING,
    FLOOR,
    LASTCALL,
    PARSING_FLOOR,
    WAITING,
    Server,
    start,
    wait_until_ready,
)
from .steady import Steady
from .wrk import Wrk

ENGINES = {LASTCALL: "io_uring", WAITING: "io_uring", EPOLL: "epoll", EPOLL_WAITING: "epoll"}
FLOOR_FLAGS = {FLOOR: [], PARSING_FLOOR: ["--parse"], EPOLL_FLOOR: ["--epoll"]}
BY_URING = (FLOOR, PARSING_FLOOR, LASTCALL, WAITING)
BY_EPOLL = (EPOLL_FLOOR, EPOLL, EPOLL_WAITING)
SAME_BYTES = (*FLOOR_FLAGS, LASTCALL, EPOLL)  # in their answers, as long as these are the sample's


@dataclass(frozen=True)
class Stage:
    """The servers of a row, and what loads them."""

    wrk: Wrk
    steady: Steady
    servers: list[Server]


@dataclass(frozen=True)
class Fleet:
    build_dir: Path
    cpus: Pair
    engine: str | None  # None: both
    peers: Peers

    def beside_floors(self) -> list[str]:
        return self._served([FLOOR, PARSING_FLOOR, LASTCALL, EPOLL_FLOOR, EPOLL])

    def coroutines(self) -> list[str]:
        return self._served([LASTCALL, WAITING, EPOLL, EPOLL_WAITING])

    def beside_peers(self, needs: frozenset[str]) -> list[str]:
        return [*self._served([LASTCALL, EPOLL]), *self.peers.that_can(needs)]

    def _served(self, names: list[str]) -> list[str]:
        left_out = {"epoll": BY_URING, "io_uring": BY_EPOLL}.get(self.engine, ())
        return [name for name in names if name not in left_out]

    @contextlib.contextmanager
    def started(self, names: list[str], of_sample: bool) -> Iterator["Stage"]:
        """`of_sample`: lastcall is that, and not bench/service.cc. All ends with the block."""
        with (
            tempfile.TemporaryDirectory(prefix="lastcall-") as folder_name,
            Children(Path(folder_name)) as children,
        ):
            folder = Path(folder_name)
            ports = free_ports(len(names))
            servers = [
                self._start(children, folder, name, port, of_sample)
                for name, port in zip(names, ports, strict=True)
            ]
            for server in servers:
                wait_until_ready(server)
            if of_sample:
                check_sizes(servers)
            yield Stage(
                Wrk(children, folder, self.cpus.load),
                Steady(children, folder, self.build_dir, self.cpus.load),
                servers,
            )

    def _start(
        self, children: Children, folder: Path, name: str, port: int, of_sample: bool
    ) -> Server:
        is_peer = name in self.peers.commands
        if name in FLOOR_FLAGS:
            argv = [str(self.build_dir / "floor"), *FLOOR_FLAGS[name], str(port)]
        elif is_peer:
            own = folder / name
            own.mkdir()
            argv = self.peers.commands[name](port, own)
        else:
            program = "lastcall" if of_sample else "bench_service"
            argv = [str(self.build_dir / program), "--listen", f"{LOOPBACK}:{port}"]
            argv += ["--workers", "1", "--log-level", "error", "--io", ENGINES[name]]
        started = start(children, name, port, self.cpus.server, argv)
        target = "/waits" if name in (WAITING, EPOLL_WAITING) else ""
        return replace(started, target=target, is_peer=is_peer)


def check_sizes(servers: list[Server]) -> None:
    """A floor is one only while it sends as many bytes as lastcall does."""
    told = {each.name: len(each.answer()) for each in servers if each.name in SAME_BYTES}
    if len(set(told.values())) > 1:
        raise HarnessError(f"the floors do not answer as many bytes as lastcall: {told}")
