"""The servers that are compared: one thread each, pinned to the same CPU, on loopback."""

import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from harness.network import LOOPBACK, free_ports
from harness.polls import polls
from harness.processes import Child, Children, HarnessError

FLOOR, PARSING_FLOOR, LASTCALL, NGINX = "floor", "floor + llhttp", "lastcall", "nginx"
EPOLL_FLOOR, EPOLL = "epoll floor", "lastcall by epoll"
FLOORS = {EPOLL: EPOLL_FLOOR}  # of who has one of its own
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # not on the PATH of an ordinary user
READY_SECONDS_MAX = 10
POLL_SECONDS = 0.02
NGINX_FILES = 8192  # two for each of its connections
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
NGINX_HELLO = """\
    server {{
        listen {address}:{port} backlog=4096;
        location / {{ return 200 "hello world"; }}
    }}
"""


@dataclass(frozen=True)
class Server:
    name: str
    port: int
    child: Child

    @property
    def pid(self) -> int:
        return self.child.process.pid  # taskset(1) becomes what it starts

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


def start_all(
    children: Children, folder: Path, build_dir: Path, cpu: int, engine: str | None
) -> list[Server]:
    """The floors, and lastcall by either engine or by this one; then the peers that there are."""
    nginx = find_nginx()
    floor = str(build_dir / "floor")
    names = (FLOOR, PARSING_FLOOR, LASTCALL, EPOLL_FLOOR, EPOLL, NGINX)
    port_of = dict(zip(names, free_ports(len(names)), strict=True))
    commands = {}
    if engine != "epoll":
        commands[FLOOR] = [floor, str(port_of[FLOOR])]
        commands[PARSING_FLOOR] = [floor, "--parse", str(port_of[PARSING_FLOOR])]
        commands[LASTCALL] = _lastcall(build_dir, port_of[LASTCALL], "io_uring")
    if engine != "io_uring":
        commands[EPOLL_FLOOR] = [floor, "--epoll", str(port_of[EPOLL_FLOOR])]
        commands[EPOLL] = _lastcall(build_dir, port_of[EPOLL], "epoll")
    if nginx and engine != "epoll":  # whose floor is the first
        hello = NGINX_HELLO.format(address=LOOPBACK, port=port_of[NGINX])
        commands[NGINX] = nginx_command(nginx, folder, hello)
    servers = [
        start(children, name, port_of[name], cpu, argv) for name, argv in commands.items()
    ]
    for server in servers:
        wait_until_ready(server)
    _check_answers(servers)
    return servers


def start(children: Children, name: str, port: int, cpu: int, argv: list[str]) -> Server:
    """On that CPU alone, and with no option of lastcall that the user's shell has set."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LASTCALL_")}
    pinned = ["taskset", "-c", str(cpu), *argv]
    return Server(name, port, children.start(name, pinned, env=kept))


def _lastcall(build_dir: Path, port: int, engine: str) -> list[str]:
    flags = ["--listen", f"{LOOPBACK}:{port}", "--workers", "1", "--log-level", "error"]
    flags += ["--io", engine]
    return [str(build_dir / "lastcall"), *flags]


def nginx_command(binary: str, folder: Path, http: str) -> list[str]:
    """One thread that keeps its clients. `http`: what stands in that block of its configuration."""
    config = folder / "nginx.conf"
    config.write_text(
        NGINX_CONFIG.format(
            folder=folder,
            files=NGINX_FILES,
            connections=NGINX_FILES // 2,
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


def _check_answers(servers: list[Server]) -> None:
    """A floor is one only while it sends as many bytes as lastcall does."""
    told = {server.name: len(server.answer()) for server in servers if server.name != NGINX}
    if len(set(told.values())) != 1:
        raise HarnessError(f"the floors do not answer as many bytes as lastcall: {told}")
