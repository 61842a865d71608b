"""Proxies before one upstream: lastcall by either engine, nginx and HAProxy. START HERE.

    wrk or vegeta, on one CPU ── a proxy, on another ── the floor, beside the load

Each has one thread, keeps its connections to the upstream, and tells it by X-Forwarded-For, -Proto
and -Host whom it speaks for. The upstream is the floor of bench/throughput: what it takes is taken
from the load's CPU, and from no proxy's.
"""

from pathlib import Path

from harness import haproxy
from harness.network import LOOPBACK, free_ports
from harness.processes import Children
from throughput.servers import Server, find_nginx, nginx_command, start, wait_until_ready

UPSTREAM, LASTCALL, EPOLL = "no proxy", "lastcall", "lastcall by epoll"
NGINX, HAPROXY = "nginx", "HAProxy"
CONNECTIONS_MAX = 4096
UPSTREAM_CONNECTIONS = 256  # that nginx keeps; the others keep as many as there are

NGINX_HTTP = """\
    upstream program {{
        server {address}:{upstream};
        keepalive {kept};
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address}:{port} backlog=4096;
        location / {{
            proxy_pass http://program;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
        }}
    }}
"""

HAPROXY_CONFIG = """\
global
    nbthread 1
    maxconn {connections}

defaults
    mode http
    timeout connect 5s
    timeout server 60s
    timeout client 60s
    option forwardfor
    http-reuse always

frontend load
    bind {address}:{port}
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    default_backend program

backend program
    server program {address}:{upstream}
"""


def start_all(
    children: Children, folder: Path, build_dir: Path, cpu: int, upstream_cpu: int
) -> tuple[Server, list[Server]]:
    """The upstream, and the proxies that this machine has."""
    port, *ports = free_ports(5)
    upstream = start(children, UPSTREAM, port, upstream_cpu, [str(build_dir / "floor"), str(port)])
    wait_until_ready(upstream)
    commands = {
        LASTCALL: _lastcall(build_dir, ports[0], port, "io_uring"),
        EPOLL: _lastcall(build_dir, ports[1], port, "epoll"),
        HAPROXY: _haproxy(folder, ports[3], port),
    }
    if nginx := find_nginx():
        http = NGINX_HTTP.format(
            address=LOOPBACK, port=ports[2], upstream=port, kept=UPSTREAM_CONNECTIONS
        )
        commands[NGINX] = nginx_command(nginx, folder, http)
    at = dict(zip((LASTCALL, EPOLL, NGINX, HAPROXY), ports, strict=True))
    proxies = [start(children, name, at[name], cpu, argv) for name, argv in commands.items()]
    for proxy in proxies:
        wait_until_ready(proxy)
    return upstream, proxies


def _lastcall(build_dir: Path, port: int, upstream: int, engine: str) -> list[str]:
    """Its command is another program than the upstream: so that all have the same one."""
    flags = ["--listen", f"{LOOPBACK}:{port}", "--admin-listen", f"{LOOPBACK}:0"]
    flags += ["--io", engine, "--upstream", f"{LOOPBACK}:{upstream}", "--log-level", "error"]
    return [str(build_dir / "lastcall"), *flags, "--", "sleep", "infinity"]


def _haproxy(folder: Path, port: int, upstream: int) -> list[str]:
    config = folder / "proxy.cfg"
    values = {"connections": CONNECTIONS_MAX, "address": LOOPBACK}
    config.write_text(HAPROXY_CONFIG.format(port=port, upstream=upstream, **values))
    return [haproxy.find(), "-db", "-f", str(config)]
