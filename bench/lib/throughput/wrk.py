"""The load in a closed loop: wrk, one thread on a CPU of its own."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.network import LOOPBACK
from harness.processes import Child, Children, HarnessError

from .loads import Load
from .servers import Server

SLACK_SECONDS = 15
TIMEOUT = "10s"  # of an answer

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
POST = """\
wrk.method = "POST"
wrk.body = string.rep("x", {size})
"""
# It reopens what the server closes, and the server closes what it is asked to.
CLOSING = """\
local kept, last, count = nil, nil, 0
init = function(args)
  kept = wrk.format()
  wrk.headers["Connection"] = "close"
  last = wrk.format()
end
request = function()
  count = count + 1
  return count % {each} == 0 and last or kept
end
"""
# Browsers, what a proxy passes on, a probe, a small content, and now and then a page.
MIXED = """\
local requests, count = {}, 0
init = function(args)
  local browser = {
    ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ["Accept-Language"] = "en-US,en;q=0.5",
    ["Accept-Encoding"] = "gzip, deflate, br",
    ["Cookie"] = "session=0123456789abcdef; theme=dark",
  }
  local proxied = {
    ["X-Forwarded-For"] = "203.0.113.7", ["X-Forwarded-Proto"] = "https",
    ["X-Request-Id"] = "7f3a9c", ["Accept"] = "*/*", ["User-Agent"] = "client/1.0",
  }
  local page = wrk.format("GET", "/", browser)
  local call = wrk.format("GET", "/", proxied)
  local probe = wrk.format("GET", "/readyz", {["User-Agent"] = "kube-probe/1.30"})
  local large = wrk.format("GET", "/16k", browser)
  local post = wrk.format("POST", "/echo", proxied, string.rep("x", 1024))
  requests = {page, call, page, post, page, probe, page, call, page, large}
end
request = function()
  count = count + 1
  return requests[count % #requests + 1]
end
"""


def script_of(load: Load) -> str:
    """Empty: wrk's own request, again and again."""
    if load.mixed:
        return MIXED
    if load.closes_each > 1:
        return CLOSING.format(each=load.closes_each)
    if load.posted:
        return POST.format(size=load.posted)
    return PIPELINE.format(depth=load.pipelined) if load.pipelined > 1 else ""


@dataclass(frozen=True)
class Running:
    """A wrk that is at work."""

    child: Child
    output: Path
    seconds: int
    what: str

    def answered(self) -> int:
        """How many requests were, once it has ended. Anything but answers of 200 is no result."""
        try:
            exit_code = self.child.wait(self.seconds + SLACK_SECONDS)
        except HarnessError:
            self.child.kill()  # it would take the CPU from whatever comes next
            raise HarnessError(f"{self.what}: wrk does not end") from None
        if exit_code != 0:
            raise HarnessError(f"{self.what}: wrk failed, {self.child.how_it_ended()}")
        return requests(self.output.read_text(), self.what)


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
        return self.start(server, load, seconds).answered()

    def start(self, server: Server, load: Load, seconds: int) -> Running:
        argv = ["taskset", "-c", str(self._cpu), self._binary, "-t1", f"-c{load.connections}"]
        argv += [f"-d{seconds}s", f"--timeout={TIMEOUT}"]
        argv += [f"-H{header}" for header in load.headers]
        if text := script_of(load):
            script = self._folder / f"{load.name}.lua"
            script.write_text(text)
            argv += [f"-s{script}"]
        output = self._folder / f"wrk-{load.name}.stdout"
        url = f"http://{LOOPBACK}:{server.port}{server.target or load.target}"
        with open(output, "wb") as stdout:
            child = self._children.start(f"wrk {load.name}", [*argv, url], stdout=stdout)
        return Running(child, output, seconds, f"{load.title}, {server.name}")


def requests(output: str, what: str) -> int:
    for line in output.splitlines():
        if "Socket errors" in line or "Non-2xx" in line:
            raise HarnessError(f"{what}: wrk says: {line.strip()}")
    found = re.search(r"(\d+) requests in", output)
    if found is None or int(found[1]) == 0:
        raise HarnessError(f"{what}: wrk was not answered")
    return int(found[1])
