"""What else can happen to a counter: Redis is restarted, and its connections are cut."""

import signal
import time

from harness.processes import HarnessError

from .actors import Actor, until, until_time
from .redis import READY_SECONDS_MAX, Redis
from .schedule import CUT_UNANSWERED, Deed, Schedule

STOP_SECONDS_MAX = 10
STARTED = "started"


class Chaos:
    def __init__(self, redis: Redis, schedule: Schedule):
        self._redis = redis
        self._away = schedule.away
        self._deeds = schedule.deeds()
        self.done: list[Deed] = []  # by Unix time

    def act(self, began: float) -> Actor:
        for deed in self._deeds:
            yield from until_time(began + deed.at)
            self._note(deed.kind)
            if deed.is_restart:
                yield from self._restart(signal.Signals[deed.kind])
            else:
                self._cut(deed)

    def _restart(self, number: signal.Signals) -> Actor:
        back_at = time.monotonic() + self._away
        self._redis.signal(number)
        yield from until(self._redis.is_gone, STOP_SECONDS_MAX, "redis did not end")
        yield from until_time(back_at)
        self._redis.start()
        yield from until(self._redis.is_answering, READY_SECONDS_MAX, "redis does not answer")
        self._note(STARTED)

    def _cut(self, deed: Deed) -> None:
        """Takes 0.3 s, in which no other actor has a turn."""
        try:
            if deed.kind == CUT_UNANSWERED:
                self._redis.cut_unanswered()
            else:
                self._redis.cut_unread()
        except OSError as error:
            raise HarnessError(f"redis could not be told to cut connections: {error}") from error

    def _note(self, kind: str) -> None:
        self.done.append(Deed(time.time(), kind))
