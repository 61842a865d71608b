"""The load: wrk, one thread on a CPU of its own, in a closed loop."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.network import LOOPBACK
from harness.processes import Children, HarnessError

from .servers import Server

SLACK_SECONDS = 30

# wrk sends what `request` returns and counts each answer to it.
PIPELINE = """\
local batch
init = function(args)
  local requests = {{}}
  for i = 1, {depth} do requests[i] = wrk.format() end
  batch = table.concat(requests)
end
request = function() return batch end
"""


@dataclass(frozen=True)
class Load:
    """One row of the result."""

    name: str
    title: str
    connections: int
    pipelined: int
    headers: tuple[str, ...] = ()

    def request_bytes(self, port: int) -> int:
        head = f"GET / HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\n"
        return len(head) + sum(len(header) + 2 for header in self.headers) + 2


# With Host 163 bytes where the port has four digits: the request of bench/request_cost.cc.
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
    "Accept: text/html,*/*;q=0.8",
    "Accept-Language: en, de",
    "Connection: keep-alive",
)
LOADS = (
    Load("keep-alive", "64 connections", 64, 1),
    Load("pipelined", "64 connections, pipelined x 16", 64, 16),
    Load("browsers", "64 connections, pipelined x 16, a browser's head", 64, 16, BROWSER),
    Load("many", "1,024 connections", 1024, 1),
)


class Wrk:
    def __init__(self, children: Children, folder: Path, cpu: int):
        binary = shutil.which("wrk")
        if binary is None:
            raise HarnessError("wrk is not installed: run ./setup")
        self._binary = binary
        self._children = children
        self._folder = folder
        self._cpu = cpu

    def run(self, server: Server, load: Load, seconds: int) -> int:
        """How many requests were answered. Anything but answers of 200 is no result."""
        argv = ["taskset", "-c", str(self._cpu), self._binary, "-t1", f"-c{load.connections}"]
        argv += [f"-d{seconds}s", *(f"-H{header}" for header in load.headers)]
        if load.pipelined > 1:
            script = self._folder / f"pipeline-{load.pipelined}.lua"
            script.write_text(PIPELINE.format(depth=load.pipelined))
            argv += [f"-s{script}"]
        output = self._folder / "wrk.stdout"
        with open(output, "wb") as stdout:
            child = self._children.start(
                "wrk", [*argv, f"http://{LOOPBACK}:{server.port}/"], stdout=stdout
            )
        if child.wait(seconds + SLACK_SECONDS) != 0:
            raise HarnessError(f"wrk failed, {child.how_it_ended()}")
        return requests(output.read_text(), f"{load.title}, {server.name}")


def requests(output: str, what: str) -> int:
    for line in output.splitlines():
        if "Socket errors" in line or "Non-2xx" in line:
            raise HarnessError(f"{what}: wrk says: {line.strip()}")
    found = re.search(r"(\d+) requests in", output)
    if found is None or int(found[1]) == 0:
        raise HarnessError(f"{what}: wrk was not answered")
    return int(found[1])
