"""Reverse proxies before the Service, or before the node ports: they neither retry nor give up.

One that retried would hide what the servers lose; one that closed the load's idle connections
would lose requests of its own.
"""

import contextlib
import shutil
import socket
from pathlib import Path

from harness.polls import polls
from harness.processes import Child, Children, HarnessError

from .places import LAN

START_SECONDS_MAX = 5
POLL_SECONDS = 0.05
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
PORT = 8088  # the namespace is ours alone, and this is no ephemeral port in it

HAPROXY = """\
global
    maxconn 9000
defaults
    mode http
    retries 0
    no option redispatch
    timeout connect 5s
    timeout server 60s
    timeout client 2h
    timeout http-request 2h
    timeout http-keep-alive 2h
    timeout check 2s
frontend load
    bind {address}:{port}
    default_backend pods
backend pods
    balance roundrobin
{servers}
"""

NGINX = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 30000;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 12000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_timeout 2h;
    keepalive_requests 1000000000;
    upstream pods {{ server {upstream}; keepalive 64; }}
    server {{
        listen {address}:{port};
        location / {{
            proxy_pass http://pods;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_connect_timeout 5s;
            proxy_next_upstream off;
        }}
    }}
}}
"""


def haproxy(children: Children, folder: Path, upstream: str) -> str:
    """Before the Service's address; its own health checks would see no single pod."""
    return start_haproxy(children, folder, f"    server service {upstream}")


def haproxy_of_nodes(children: Children, folder: Path, nodes: dict[str, str], health: int) -> str:
    """As a load balancer of a cloud: asks each node's health-check port, every 2 s, twice."""
    check = f"check port {health} inter 2s fall 2 rise 1"
    servers = (f"    server {name} {address} {check}" for name, address in nodes.items())
    return start_haproxy(children, folder, "\n".join(["    option httpchk GET /healthz", *servers]))


def start_haproxy(children: Children, folder: Path, servers: str) -> str:
    path = folder / "haproxy.cfg"
    path.write_text(HAPROXY.format(address=LAN, port=PORT, servers=servers))
    return start(children, "haproxy", ["-db", "-f", str(path)])


def nginx(children: Children, folder: Path, upstream: str) -> str:
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, upstream=upstream, address=LAN, port=PORT))
    return start(children, "nginx", ["-e", "stderr", "-p", str(folder), "-c", str(path)])


def start(children: Children, name: str, arguments: list[str]) -> str:
    binary = shutil.which(name) or shutil.which(name, path=SYSTEM_FOLDERS)
    if binary is None:
        raise HarnessError(f"{name} is not installed: run ./setup --cluster")
    child = children.start(name, [binary, *arguments])
    wait_until_listening(child)
    return f"http://{LAN}:{PORT}"


def wait_until_listening(child: Child) -> None:
    for _ in polls(START_SECONDS_MAX, POLL_SECONDS):
        child.check_running()
        with contextlib.suppress(OSError):
            socket.create_connection((LAN, PORT), timeout=1).close()
            return
    raise HarnessError(f"{child.name} does not listen after {START_SECONDS_MAX} s")
