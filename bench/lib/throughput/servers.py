"""A server that is measured: one thread, pinned to a CPU, on loopback. Which ones: fleet.py."""

import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from harness.network import LOOPBACK
from harness.polls import polls
from harness.processes import Child, Children, HarnessError

FLOOR, PARSING_FLOOR, LASTCALL = "floor", "floor + llhttp", "lastcall"
EPOLL_FLOOR, EPOLL = "epoll floor", "lastcall by epoll"
# The same where each answer is a coroutine's that has waited.
WAITING, EPOLL_WAITING = "lastcall, coroutines", "lastcall by epoll, coroutines"
# Of who has another one than the floor.
FLOORS = {EPOLL: EPOLL_FLOOR, WAITING: LASTCALL, EPOLL_WAITING: EPOLL}
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # not on the PATH of an ordinary user
READY_SECONDS_MAX = 10
POLL_SECONDS = 0.02
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
NGINX_CONNECTIONS = 4096
BODY = b"hello world"

NGINX_CONFIG = """\
daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    default_type text/plain;
{http}
}}
"""


@dataclass(frozen=True)
class Server:
    name: str
    port: int
    child: Child
    target: str = ""  # a path of its own, whatever is asked of the others
    is_peer: bool = False  # a row goes on without it

    @property
    def pid(self) -> int:
        return self.child.process.pid  # taskset(1) becomes what it starts

    def resident_bytes(self) -> int:
        """proc(5): the second field of statm, in pages."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_BYTES

    def answer(self) -> bytes:
        """Its whole answer to the request that wrk sends, or empty when nobody listens."""
        request = f"GET / HTTP/1.1\r\nHost: {LOOPBACK}:{self.port}\r\n\r\n".encode()
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
                connection.sendall(request)
                received = b""
                while not received.endswith(BODY):
                    piece = connection.recv(4096)
                    if not piece:
                        break
                    received += piece
                return received
        except OSError:
            return b""


def find_nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path=SYSTEM_FOLDERS)


def start(children: Children, name: str, port: int, cpu: int, argv: list[str]) -> Server:
    """On that CPU alone, and with no option of lastcall that the user's shell has set."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LASTCALL_")}
    pinned = ["taskset", "-c", str(cpu), *argv]
    return Server(name, port, children.start(name, pinned, env=kept | {"GOMAXPROCS": "1"}))


def nginx_command(
    binary: str, folder: Path, http: str, connections: int = NGINX_CONNECTIONS
) -> list[str]:
    """One thread that keeps its clients. `http`: what stands in that block of its configuration."""
    config = folder / "nginx.conf"
    config.write_text(
        NGINX_CONFIG.format(
            folder=folder,
            files=2 * connections,
            connections=connections,
            http=http,
        )
    )
    return [binary, "-c", str(config), "-e", str(folder / "nginx.log"), "-p", str(folder)]


def wait_until_ready(server: Server) -> None:
    for _ in polls(READY_SECONDS_MAX, POLL_SECONDS):
        if server.answer().endswith(BODY):
            return
        server.child.check_running()
    raise HarnessError(f"{server.name} does not answer after {READY_SECONDS_MAX} s")
