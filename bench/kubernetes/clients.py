"""Clients in a closed loop: each asks again when it has been answered.

Where vegeta will not do: it sends a GET again without a word when its kept connection dies, and
takes a new one; these count it as lost, and say so. A process of its own:

    python3 -m kubernetes.clients URL CLIENTS SECONDS KEEP    one line of JSON a request, to stdout

KEEP is `keep` for a connection that lasts, `each` for a new one each time.
"""

import asyncio
import json
import os
import sys
import time
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 20
PAUSE_SECONDS = 0.1  # after a loss


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
            sent_at, code, body, error = time.time(), 0, b"", ""
            try:
                code, body = await asyncio.wait_for(self._ask(), TIMEOUT_SECONDS)
            except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError) as lost:
                error = describe(lost)
                self._hang_up()
            tell(sent_at, code, body, error)
            if error:
                await asyncio.sleep(PAUSE_SECONDS)
        self._hang_up()

    async def _ask(self) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(self._request)
        await writer.drain()
        code, fields = await self._head(reader)
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        if fields.get("connection", "").lower() == "close":
            self._hang_up()
        return code, body

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


def tell(sent_at: float, code: int, body: bytes, error: str) -> None:
    text = body.decode("latin-1")
    print(json.dumps([sent_at, time.time() - sent_at, code, error, text]), flush=True)


async def main(url: str, clients: int, seconds: float, keep: bool) -> None:
    until = time.time() + seconds
    await asyncio.gather(*(Client(url, until, keep).loop() for _ in range(clients)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "keep"))
