"""Is a server's answer to a load what it must be? Asked once, before anything is measured."""

import http.client

from harness.network import LOOPBACK

from .loads import CONTENTS, Load
from .servers import BODY, Server

SECONDS_MAX = 10
SIZES = {"/16k": 16 * 1024, "/64k": 64 * 1024, "/1m": 1_000_000}


def wrong(server: Server, load: Load) -> str:
    """What is not as it must be, or nothing."""
    body = b"x" * load.posted
    try:
        connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=SECONDS_MAX)
        method = "POST" if body else "GET"
        connection.request(method, server.target or load.target, body or None)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer, {error}"
    if answer.status != 200:
        return f"answered {answer.status}"
    return "" if content == expected(load, body) else f"{len(content):,} bytes that are wrong"


def expected(load: Load, body: bytes) -> bytes:
    if load.target == "/echo":
        return body
    is_content = CONTENTS in load.needs and not load.mixed
    return b"x" * SIZES[load.target] if is_content else BODY
