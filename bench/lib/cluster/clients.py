"""Clients in a closed loop: each asks again when it has been answered.

Where vegeta will not do: it sends a GET again without a word when its kept connection dies, and
takes a new one; these count it as lost, and say so. A process of its own:

    python3 -m cluster.clients URL CLIENTS SECONDS HOW    one line of JSON a request, to stdout

HOW is `keep` for a connection that lasts, `each` for a new one each time, or a number: so many
requests in all, each a `curl` of its own, within SECONDS.
"""

import asyncio
import json
import os
import re
import sys
import time
from subprocess import PIPE
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 20
PAUSE_SECONDS = 0.1  # after a loss
# curl's exit codes, in the words that the harness knows the classes by.
CURL_ERRORS = {
    28: "timeout",
    52: "EOF",
    55: "broken pipe",
    56: "connection reset",
}
# Whatever kept it from connecting; only --verbose says what (7.88 and 8.14 alike).
CURL_NOT_CONNECTED = 7
CURL_WHY = re.compile(r"^\* +(?:connect to .* failed|Immediate connect fail .*): (.+)", re.M)


class Client:
    def __init__(self, url: str, until: float, keep: bool):
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        more = "" if keep else "Connection: close\r\n"
        self._request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{more}\r\n".encode()
        self._until = until
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def loop(self) -> None:
        while time.time() < self._until:
            sent_at, code, body, error, server = time.time(), 0, b"", "", ""
            try:
                code, body, server = await asyncio.wait_for(self._ask(), TIMEOUT_SECONDS)
            except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError) as lost:
                error = describe(lost)
                self._hang_up()
            tell(sent_at, code, body, error, server)
            if error:
                await asyncio.sleep(PAUSE_SECONDS)
        self._hang_up()

    async def _ask(self) -> tuple[int, bytes, str]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(self._request)
        await writer.drain()
        code, fields = await self._head(reader)
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        if fields.get("connection", "").lower() == "close":
            self._hang_up()
        return code, body, fields.get("x-served-by", "")

    async def _head(self, reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
        status = (await reader.readuntil(b"\r\n")).decode("latin-1")
        fields = {}
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.strip().lower()] = value.strip()
        return int(status.split()[1]), fields

    def _hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def describe(lost: Exception) -> str:
    """In the words that the harness knows the classes by."""
    if isinstance(lost, asyncio.IncompleteReadError):
        return "EOF"
    if isinstance(lost, asyncio.TimeoutError):
        return "timeout"
    number = getattr(lost, "errno", None)
    return os.strerror(number) if number else str(lost) or type(lost).__name__


class Curls:
    """Several loops that call curl until so many have been called."""

    FORMAT = "\n%{http_code} %header{x-served-by}"

    def __init__(self, url: str, until: float, count: int):
        self._url, self._until, self._left = url, until, count

    async def loop(self) -> None:
        while self._left > 0 and time.time() < self._until:
            self._left -= 1
            await self._call()

    async def _call(self) -> None:
        sent_at = time.time()
        argv = ["curl", "-sSv", "--max-time", str(TIMEOUT_SECONDS), "-w", self.FORMAT, self._url]
        english = os.environ | {"LC_ALL": "C"}
        curl = await asyncio.create_subprocess_exec(*argv, stdout=PIPE, stderr=PIPE, env=english)
        output, complaint = await curl.communicate()
        body, _, told = output.rpartition(b"\n")
        code, _, server = told.decode("latin-1").partition(" ")
        error = curl_error(curl.returncode or 0, complaint.decode("latin-1"))
        tell(sent_at, int(code or 0), body, error, server)


def curl_error(exit_code: int, complaint: str) -> str:
    """`complaint`: what curl wrote to stderr, with --verbose."""
    if exit_code == 0:
        return ""
    lines = complaint.splitlines() or [f"curl: exit code {exit_code}"]
    if exit_code == CURL_NOT_CONNECTED:
        lines += CURL_WHY.findall(complaint)
    return CURL_ERRORS.get(exit_code, lines[-1])


def tell(sent_at: float, code: int, body: bytes, error: str, server: str) -> None:
    text = body.decode("latin-1")
    print(json.dumps([sent_at, time.time() - sent_at, code, error, text, server]), flush=True)


async def main(url: str, clients: int, seconds: float, how: str) -> None:
    until = time.time() + seconds
    if how.isdecimal():
        curls = Curls(url, until, int(how))
        await asyncio.gather(*(curls.loop() for _ in range(clients)))
        return
    await asyncio.gather(*(Client(url, until, how == "keep").loop() for _ in range(clients)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
