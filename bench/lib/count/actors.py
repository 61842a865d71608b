"""Several things at once, in one thread: the harness has no other (harness/processes.py says why).

An actor is a generator that yields whenever it waits. Each gets a turn every 10 ms.
"""

import time
from collections.abc import Callable, Iterator

from harness.processes import HarnessError

Actor = Iterator[None]
TURN_SECONDS = 0.01
ENDED = object()


def play(actors: list[Actor], background: list[Actor]) -> None:
    """Until all of `actors` have ended. Those in the `background` are then left where they are."""
    while actors:
        actors = _turn(actors)
        background = _turn(background)
        time.sleep(TURN_SECONDS)


def _turn(actors: list[Actor]) -> list[Actor]:
    return [actor for actor in actors if next(actor, ENDED) is not ENDED]


def until(reached: Callable[[], bool], seconds: float, otherwise: str) -> Actor:
    """`otherwise`: what is the matter when it takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise HarnessError(f"{otherwise} after {seconds:g} s")
        yield


def until_time(at: float) -> Actor:
    """`at`: of the monotonic clock."""
    while time.monotonic() < at:
        yield
