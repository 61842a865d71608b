"""One replica, the default strategy, a node port: requests in a loop, a connection each, while
`kubectl set env` brings a new pod. `/alive` and `/ready` are watched beside it."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.vegeta import Attack

from ..case import GO_EXIT, HARD, LASTCALL, NAME, Shape
from ..experiment import Experiment, Plan, Row, Variant
from ..kubectl import find
from ..load import Load
from ..places import NODES
from ..runner import Course, run_once
from ..trial import DEPLOYMENT, Cluster, Run, Trial, trial

LEAD_SECONDS = 5
CLIENTS = 4  # one alone may happen to ask nothing in the instant that a control is gone
SECONDS, FULL_SECONDS = 40, 240  # by far more than 100,000 requests in the latter
LOOP = Attack("loop", "GET", "/", b"", b"hello world", False, "GET in a loop, a connection each")
SHAPE = Shape(replicas=1, service={"type": "NodePort"})
WATCHED = ("/alive", "/ready")


def change(standing: Trial, run: Run) -> None:
    """The new pod, and the two health paths as somebody outside sees them."""
    old = standing.names()
    watchers = {path: watch(standing, path) for path in WATCHED} if is_lastcall(standing) else {}
    standing.kubectl.run("set", "env", DEPLOYMENT, f"VERSION={sorted(old)[0]}")
    standing.wait_until_rolled_out(60)
    standing.wait_until_gone(old)
    run.action_seconds = time.time() - run.action_at
    for path, (watcher, _folder) in watchers.items():
        watcher.wait()
        seen = watcher.tally()
        run.notes.append(f"{path}: {seen.lost:,} of {seen.requests:,} not 200")
        if path == "/alive" and seen.lost:
            run.broken.append(f"/alive failed {seen.lost:,} times")


def is_lastcall(standing: Trial) -> bool:
    return standing.server is LASTCALL


def watch(standing: Trial, path: str):
    folder = tempfile.mkdtemp(dir=standing.folder)
    attack = replace(LOOP, path=path, expected=b"OK")
    load = Load(attack, 10, SECONDS - 2 * LEAD_SECONDS)
    vegeta = standing.cluster.vegeta
    return load.start(vegeta, standing.children, Path(folder), node_address(standing)), folder


def node_address(standing: Trial) -> str:
    spec = find(standing.kubectl.objects("get", "service", NAME), "Service")["spec"]
    return f"http://{NODES[0].address}:{spec['ports'][0]['nodePort']}"


def run(cluster: Cluster, plan: Plan, done: Callable[[Row], None]) -> None:
    seconds = FULL_SECONDS if plan.full else SECONDS
    course = Course("one-replica", seconds, change, (LOOP,), LEAD_SECONDS, clients=CLIENTS)
    for variant in (
        Variant(LASTCALL, SHAPE, must_lose=False),
        Variant(HARD, SHAPE, must_lose=True),
        Variant(GO_EXIT, SHAPE),
    ):
        with trial(cluster, variant.server, variant.shape) as standing:
            row = Row("one-replica", variant, LOOP, True, "node port")
            for _ in range(plan.repeat):
                url = node_address(standing)
                row.runs.append(run_once(standing, plan, course, LOOP, url))
            done(row)


EXPERIMENT = Experiment(
    "one-replica", "One replica behind a node port", False, run, needs_nodes=True
)
