"""Waiting for what takes its time."""

import time
from collections.abc import Iterator


def polls(seconds: float, pause: float) -> Iterator[None]:
    """Turns of a loop, `pause` seconds apart: the last one when `seconds` are over.

    for _ in polls(READY_SECONDS_MAX, POLL_SECONDS):
        if is_ready():
            return
    raise HarnessError(...)
    """
    deadline = time.monotonic() + seconds
    yield
    while time.monotonic() < deadline:
        time.sleep(pause)
        yield
