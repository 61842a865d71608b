"""Slow clients hold every connection that the server may have, for a minute.

A liveness probe on the http port waits with the clients and has the pod restarted for it; on the
admin port, which counts in no limit, it does not.
"""

import sys
import time
from dataclasses import replace

from harness.processes import HarnessError
from harness.vegeta import Attack

from .. import places
from ..case import Case
from ..clusters import Cluster
from ..event import Event
from ..experiment import Done, Experiment
from ..plan import Plan
from ..runs import run_cases
from ..scope import Scope
from ..servers import LASTCALL, Shape
from ..standing import StandingCase

LIMIT, HOLDERS = 50, 60
HELD_SECONDS, LEAD_SECONDS = 60, 2
FULL_AFTER_SECONDS, LOOK_SECONDS = 5, 5
SECONDS = HELD_SECONDS + 15
LIVENESS = {"periodSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 3}  # 15 s of silence
FLAGS = (f"--max-connections={LIMIT}", f"--header-timeout={HELD_SECONDS + 30}s")
SHAPE = Shape(replicas=1, flags=FLAGS, liveness=LIVENESS)
ATTACK = Attack("get-one-shot", "GET", "/", b"", b"hello world", False, "GET, a connection each")


def hold(standing: StandingCase, event: Event) -> None:
    argv = [sys.executable, "-B", "-m", "cluster.holders", standing.url]
    argv += [str(HOLDERS), str(HELD_SECONDS)]
    holders = standing.children.start("holders", argv, cwd=places.LIB)
    time.sleep(FULL_AFTER_SECONDS)
    held: list[int | None] = []
    while True:
        count = connections(standing)
        if not holders.running():  # they may have ended before it was asked
            break
        held.append(count)
        time.sleep(LOOK_SECONDS)
    if holders.wait(LOOK_SECONDS) != 0 or LIMIT not in held:
        raise HarnessError(f"{HOLDERS} clients did not hold the {LIMIT} connections that there are")
    restarts = only(standing)["status"]["containerStatuses"][0]["restartCount"]
    told = ", ".join("?" if count is None else f"{count}" for count in held)
    event.notes.append(f"every {LOOK_SECONDS} s {told} connections of {LIMIT}: {restarts} restarts")
    if standing.shape.liveness == LIVENESS and not {*held} <= {LIMIT, None}:
        event.broken.append(f"the {LIMIT} connections were not held all the time")
    if restarts and standing.shape.liveness == LIVENESS:
        event.broken.append(f"{restarts} restarts by a probe on the admin port")
    if not restarts and standing.shape.liveness != LIVENESS:
        event.broken.append("a probe that waits with the clients restarted nothing")


def connections(standing: StandingCase) -> int | None:
    """Of the service; None while it cannot say."""
    try:
        return int(standing.metrics(only(standing)["metadata"]["name"])["connections_open"])
    except HarnessError:
        return None


def only(standing: StandingCase) -> dict:
    pods = standing.pods()
    if len(pods) != 1:
        raise HarnessError(f"{len(pods)} pods, not one")
    return pods[0]


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    on_http = replace(SHAPE, liveness=LIVENESS | {"httpGet": {"path": "/livez", "port": "http"}})
    plan = Plan("full", SECONDS, hold, (ATTACK,), LEAD_SECONDS, rate=2, exits_meant=(3,))
    for case in (
        Case(LASTCALL, SHAPE, "liveness on admin"),
        Case(LASTCALL, on_http, "liveness on http"),
    ):
        run_cases(cluster, scope, plan, [case], done)


# Who holds what is asked on the admin port, which a cluster's policy may deny.
EXPERIMENT = Experiment("full", "Slow clients hold all connections", False, run, needs_nodes=True)
