"""When what is done to the servers and to Redis, in seconds of the load. Pure."""

import math
import signal
from dataclasses import dataclass

from harness.servers import Timing

DEFAULT_SECONDS = 5.0  # of the drain window, and of a job's delay
FITTED_SECONDS_MIN = 1.2  # the proxy takes a second to see that a replica drains
LEAD_SECONDS_MIN = 1.0  # of load before the first SIGTERM
LEAD_SECONDS_MAX = 8.0
RETURN_SECONDS = 0.5  # from a replica's start to the proxy's seeing it
TAIL_SECONDS = 0.5  # of load after the last exit

SHUTDOWN_SECONDS = 10.0  # for jobs after the drain window, beyond their delay
SHUTDOWN_SECONDS_OF_CHAOS = 20.0

CUT_EVERY_SECONDS = 1.5
AWAY_SECONDS = 1.5  # how long Redis is gone, before it is started again
CALM_SECONDS = 0.5  # without a cut, before and after

SIGKILL, SIGTERM = signal.SIGKILL.name, signal.SIGTERM.name
CUT_UNREAD = "cut, commands unread"
CUT_UNANSWERED = "cut, answers unsent"


@dataclass(frozen=True)
class Deed:
    """Something done to Redis: SIGKILL or SIGTERM and a new start, or a cut."""

    at: float
    kind: str

    @property
    def is_restart(self) -> bool:
        return self.kind in (SIGKILL, SIGTERM)


@dataclass(frozen=True)
class Schedule:
    requests: int
    rate: int
    drain_window: float
    job_delay: float
    chaos: bool

    @property
    def seconds(self) -> float:
        return self.requests / self.rate

    @property
    def timing(self) -> Timing:
        shutdown = SHUTDOWN_SECONDS_OF_CHAOS if self.chaos else SHUTDOWN_SECONDS
        return Timing(self.drain_window, shutdown + self.job_delay)

    @property
    def restarts(self) -> tuple[float, float]:
        """The SIGTERMs of the two replicas; the second waits until the first is back."""
        drain = self.drain_window + self.job_delay
        room = self.seconds - 2 * drain - RETURN_SECONDS - TAIL_SECONDS
        first = min(max(LEAD_SECONDS_MIN, self.seconds / 5), LEAD_SECONDS_MAX, room)
        return first, first + drain + RETURN_SECONDS

    @property
    def away(self) -> float:
        """How long Redis is gone in a restart: less than a job's delay."""
        return min(AWAY_SECONDS, 0.6 * self.job_delay)

    def deeds(self) -> list[Deed]:
        """What chaos does, in its order. Redis restarts in the midst of each replica's drain."""
        if not self.chaos:
            return []
        first, second = self.restarts
        restarts = [
            Deed(first + 0.4 * self.drain_window, SIGKILL),  # jobs come due, and new ones come
            Deed(second + 0.9 * self.drain_window, SIGTERM),  # away when the listener ends
        ]
        return sorted([*restarts, *self._cuts(restarts)], key=lambda deed: deed.at)

    def _cuts(self, restarts: list[Deed]) -> list[Deed]:
        cuts, at = [], CUT_EVERY_SECONDS / 2
        while at < self.seconds + self.drain_window:
            if all(self._is_calm(at, restart) for restart in restarts):
                kind = CUT_UNREAD if len(cuts) % 2 else CUT_UNANSWERED
                cuts.append(Deed(at, kind))
            at += CUT_EVERY_SECONDS
        return cuts

    def _is_calm(self, at: float, restart: Deed) -> bool:
        return not restart.at - CALM_SECONDS < at < restart.at + self.away + CALM_SECONDS

    def describe(self) -> str:
        return (
            f"{self.requests:,} requests at {self.rate}/s ({self.seconds:g} s), drain window"
            f" {self.drain_window:g} s, each job {self.job_delay:g} s"
        )


def seconds_needed(drain_window: float, job_delay: float) -> float:
    drains = 2 * (drain_window + job_delay)
    return LEAD_SECONDS_MIN + drains + RETURN_SECONDS + TAIL_SECONDS


def fit(seconds: float, drain_window: float | None, job_delay: float | None) -> tuple[float, float]:
    """Window and delay such that both restarts are under load: what is not given gives way."""
    given = [each for each in (drain_window, job_delay) if each is not None]
    free = max(1, 2 - len(given))
    each = (seconds - seconds_needed(sum(given), 0)) / 2 / free
    fitting = max(FITTED_SECONDS_MIN, min(DEFAULT_SECONDS, math.floor(10 * each) / 10))
    window = fitting if drain_window is None else drain_window
    delay = fitting if job_delay is None else job_delay
    if seconds < seconds_needed(window, delay):
        raise ValueError(
            f"a load of {seconds:g}s is too short for two restarts with a drain window of"
            f" {window:g}s and jobs of {delay:g}s: it must last {seconds_needed(window, delay):g}s"
        )
    return window, delay
