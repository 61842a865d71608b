"""Clients that take a connection each and give nothing: a head that never ends.

python3 -m cluster.holders URL CLIENTS SECONDS
"""

import asyncio
import contextlib
import sys
import time
from urllib.parse import urlsplit

PAUSE_SECONDS = 1.0


async def hold(host: str, port: int, until: float) -> None:
    """Whoever is thrown out comes again."""
    while time.time() < until:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            opening = asyncio.open_connection(host, port)
            _, writer = await asyncio.wait_for(opening, max(until - time.time(), PAUSE_SECONDS))
            try:
                writer.write(b"GET / HTTP/1.1\r\nHost: slow\r\n")
                while time.time() < until:
                    writer.write(b"X: y\r\n")
                    await writer.drain()
                    await asyncio.sleep(PAUSE_SECONDS)
            finally:
                writer.close()
        await asyncio.sleep(PAUSE_SECONDS / 10)


async def main(url: str, clients: int, seconds: float) -> None:
    parts = urlsplit(url)
    until = time.time() + seconds
    holders = (hold(parts.hostname or "", parts.port or 80, until) for _ in range(clients))
    await asyncio.gather(*holders)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
