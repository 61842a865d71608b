"""One replica, the default strategy, a node port: requests in a loop, a connection each, while
`kubectl set env` brings a new pod. `/alive` and `/ready` are watched beside it.

With --full the loop is 100,000 `curl`s long, and new pods come until it ends.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

from harness.vegeta import Attack

from ..clusters import Cluster
from ..event import Event
from ..experiment import Done, Experiment
from ..kubectl import DEPLOYMENT, NAME, find
from ..load import Load, Running
from ..places import NODES
from ..plan import Plan
from ..runs import run_case, usual
from ..scope import Scope
from ..servers import HARD, LASTCALL, Shape
from ..standing import Action, StandingCase, set_up

LEAD_SECONDS = 5
CLIENTS = 4  # one alone may happen to ask nothing in the instant that a control is gone
SECONDS, WATCHED_SECONDS = 40, 30
CURLS, CURLS_SECONDS_MAX = 100_000, 3_600
LOOP = Attack("loop", "GET", "/", b"", b"hello world", False, "GET in a loop, a connection each")
SHAPE = Shape(replicas=1, service={"type": "NodePort"})
WATCHED = ("/alive", "/ready")
WATCHED_RATE = 10


def change_once(standing: StandingCase, event: Event) -> None:
    """The new pod, and the two health paths as somebody outside sees them."""
    began, old = time.time(), standing.names()
    watchers = {path: watch(standing, path) for path in WATCHED if standing.server is LASTCALL}
    standing.kubectl.run("set", "env", DEPLOYMENT, f"VERSION={sorted(old)[0]}")
    standing.wait_until_rolled_out(60)
    standing.wait_until_gone(old)
    if standing.under_load():
        event.seconds = max(event.seconds, time.time() - began)
    for path, watcher in watchers.items():
        watcher.wait()
        seen = watcher.tally()
        event.notes.append(f"{path}: {seen.lost:,} of {seen.requests:,} not 200")
        if path == "/alive" and seen.lost:
            event.broken.append(f"/alive failed {seen.lost:,} times")


def change_on_and_on(standing: StandingCase, event: Event) -> None:
    changes = 0
    while standing.under_load():
        change_once(standing, event)
        changes += 1
    event.notes.append(f"{changes} new pods, one after another")


def watch(standing: StandingCase, path: str) -> Running:
    folder = tempfile.mkdtemp(dir=standing.folder)
    attack = replace(LOOP, name=path.strip("/"), path=path, expected=b"OK")
    load = Load(attack, WATCHED_RATE, WATCHED_SECONDS)
    vegeta = standing.cluster.vegeta
    return load.start(vegeta, standing.children, Path(folder), node_address(standing))


def node_address(standing: StandingCase) -> str:
    if standing.cluster.address:  # --address: it is one already
        return standing.url
    spec = find(standing.kubectl.objects("get", "service", NAME), "Service")["spec"]
    return f"http://{NODES[0].address}:{spec['ports'][0]['nodePort']}"


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    for case in scope.of(usual(cluster, SHAPE, scope)):
        # One change may happen to come when the control is already out of rotation.
        action = change_on_and_on if case.server is HARD else change_once
        plan = plan_of(action, SECONDS)
        if scope.full and case.server is LASTCALL:
            plan = plan_of(change_on_and_on, CURLS_SECONDS_MAX, CURLS)
        with set_up(cluster, case.server, case.shape) as standing:
            run_case(standing, scope, plan, case, done, node_address(standing))


def plan_of(action: Action, seconds: float, curls: int = 0) -> Plan:
    return Plan(
        "one-replica", seconds, action, (LOOP,), LEAD_SECONDS, way="node port",
        clients=CLIENTS, curls=curls,
    )  # fmt: skip


EXPERIMENT = Experiment("one-replica", "One replica behind a node port", False, run)
