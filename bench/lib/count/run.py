"""One run: a restart of servers whose answers have work to do. START HERE; harness/run.py has
the words.

    vegeta --/incr--> HAProxy --> two replicas --each answer's job, later--> Redis

1. Redis, the replicas and the proxy are started; then vegeta, which sends its exact number;
2. one replica is restarted in place (SIGTERM, wait for its end, start it again), then the other;
   chaos meanwhile restarts Redis and cuts its connections;
3. when vegeta has all its answers, both replicas are ended, as ever by SIGTERM;
4. the counter is read from Redis itself.

Exactly once is: the counter is the number of answers.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness import outcome
from harness import run as common
from harness.network import free_ports
from harness.processes import Children
from harness.replica import Event
from harness.servers import Binaries, Server
from harness.vegeta import Attack, Vegeta

from .actors import Actor, play, until, until_time
from .chaos import Chaos
from .redis import Redis
from .replicas import NAMES, Replicas
from .schedule import Deed, Schedule
from .servers import ENDS_AT_ONCE

# POST: Go's client never sends one again by itself, as it would a GET.
INCR = Attack("incr", "POST", "/incr", b"", None, True, "POST /incr")
SAMPLE_EVERY_SECONDS = 0.2
SETTLE_SECONDS = 2.0  # beyond a job's delay, for servers that do not wait for their jobs
LATE_SECONDS_MAX = 2.0  # how much longer than planned the load may last


@dataclass(kw_only=True)
class Run(common.Run):
    counted: int
    samples: list[tuple[float, int]]  # of the counter: Unix time and value
    deeds: list[Deed]  # done to Redis, by Unix time

    @property
    def sent(self) -> int:
        return self.tally.requests

    @property
    def answered(self) -> int:
        return self.tally.answered

    @property
    def difference(self) -> int:
        """Below 0: answers that were never counted. Above: some were counted twice."""
        return self.counted - self.answered

    @property
    def is_exact(self) -> bool:
        return self.sent == self.answered == self.counted


def run(binaries: Binaries, schedule: Schedule, server: Server) -> Run:
    """Everything it starts and writes is gone when it returns or raises."""
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as name,
        Children(Path(name)) as children,
    ):
        folder = Path(name)
        redis = Redis(children, folder, free_ports(1)[0])
        redis.wait_until_answering()
        replicas = Replicas(server, binaries, schedule, redis.url, children, folder)
        load = Vegeta(
            binaries.vegeta,
            children,
            folder,
            INCR,
            f"http://127.0.0.1:{replicas.port}",
            schedule.rate,
            schedule.seconds,
            exact=True,
        )
        return _run(schedule, server, redis, replicas, load)


def _run(
    schedule: Schedule, server: Server, redis: Redis, replicas: Replicas, load: Vegeta
) -> Run:
    chaos = Chaos(redis, schedule)
    samples: list[tuple[float, int]] = []
    began = time.monotonic()
    script = _script(schedule, server, replicas, load, began)
    play([script, chaos.act(began)], background=[_sample(redis, samples)])
    tally = outcome.tally(load.results(), INCR.expected)
    proxy_losses = replicas.proxy.losses()
    return Run(
        tally=tally,
        counted=redis.counted(),
        samples=samples,
        events=replicas.events,
        departures=replicas.departures,
        deeds=chaos.done,
        proxy_losses=proxy_losses,
        invalid=[
            *common.machine_failures(tally, proxy_losses, load),
            *untimely(schedule, tally, replicas.events),
        ],
    )


def _script(
    schedule: Schedule, server: Server, replicas: Replicas, load: Vegeta, began: float
) -> Actor:
    for name, at in zip(NAMES, schedule.restarts, strict=True):
        yield from until_time(began + at)
        yield from replicas.restart(name)
    yield from until(load.has_ended, load.seconds_max, "vegeta goes on")
    load.wait()
    if server.name in ENDS_AT_ONCE:  # so that only what the restarts cost is missing
        yield from until_time(time.monotonic() + schedule.job_delay + SETTLE_SECONDS)
    yield from replicas.end(*NAMES)


def _sample(redis: Redis, samples: list[tuple[float, int]]) -> Actor:
    while True:
        at = time.time()
        if (value := redis.sample()) is not None:
            samples.append((at, value))
        yield from until_time(time.monotonic() + SAMPLE_EVERY_SECONDS)


def untimely(schedule: Schedule, tally: outcome.Tally, events: list[Event]) -> list[str]:
    """Why a run proves nothing: the load and the restarts missed each other."""
    reasons = []
    seconds = len(tally.bins) * outcome.BIN_SECONDS
    if seconds > schedule.seconds + LATE_SECONDS_MAX:
        reasons.append(f"the load took {seconds:.0f} s: the machine is too slow")
    terms = [event.at for event in events if event.kind == "SIGTERM"][: len(NAMES)]
    late = max(terms) + schedule.drain_window - (tally.began_at + seconds)
    if late > 0:
        reasons.append(f"the last drain window ended {late:.1f} s after the load")
    return reasons
