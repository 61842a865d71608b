"""A 200 is a promise: `/incr` answers at once, and counts in Redis five seconds later.

Requests while an image's new tag is rolled out; then Redis says what became of them. Each is
counted exactly once, also when Redis restarts meanwhile. When Redis is away for longer than a pod
may live, the pod says which increments it could not keep, exits 3, and is not killed for it.
"""

import contextlib
import time
from dataclasses import dataclass, replace

from harness.build import ROOT
from harness.polls import polls
from harness.processes import HarnessError
from harness.vegeta import Attack

from .. import images, manifests
from ..case import Case
from ..clusters import Cluster
from ..commands import output
from ..event import Event, Run
from ..experiment import Done, Experiment
from ..kubectl import DEPLOYMENT, find
from ..plan import Plan
from ..row import Row
from ..runs import row_of, run_once
from ..scope import Scope
from ..servers import BARE, GO, HARD, LASTCALL, WRAPPED, Server, Shape
from ..standing import Action, StandingCase, set_up

REDIS_NAME = "lastcall-redis"
URL = f"redis://{REDIS_NAME}:6379"
KEY = "counter"
INCREMENTS = Attack("incr", "POST", "/incr", b"", None, True, "POST /incr, keep-alive")
JOB_SECONDS = 5  # of each increment, after its answer
EXACT_SECONDS_MAX = 30  # after the last answer, for the last increments
COUNT_POLL_SECONDS = 0.5
COUNTER_OF_GO = ("-counter", URL)  # the same option, spelled as Go spells it
SHAPE = Shape(flags=(f"--counter={URL}",))
# One that forgets its jobs is told to go when they are done.
BEHIND = Shape(timeout=5, flags=(f"--after-drain={JOB_SECONDS + 1}s",), command=COUNTER_OF_GO)
STATEFUL = f"statefulset/{REDIS_NAME}"


@dataclass(frozen=True)
class Way:
    """One plan of the experiment: how many, how long, and what happens to Redis."""

    name: str
    rate: int
    seconds: int
    lead: int
    redis: str = "up"  # or `restarts`, or `away`


WAYS = (
    Way("1,000 at 25/s", 25, 40, 20),
    Way("3,000 at 50/s", 50, 60, 20),
    Way("Redis restarts", 25, 40, 10, "restarts"),
    Way("Redis away", 25, 45, 5, "away"),
)
WAYS_OF = {
    LASTCALL.name: WAYS,
    HARD.name: WAYS[:3],
    GO.name: WAYS[:1],
    WRAPPED.name: (replace(WAYS[0], lead=8),),  # each pod works for six seconds more
    BARE.name: WAYS[:1],
}


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    try:
        for server in filter(scope.wants, (LASTCALL, HARD, GO, WRAPPED, BARE)):
            with set_up(cluster, server, shape_of(server), start_redis) as standing:
                for way in WAYS_OF[server.name]:
                    done([run_way(standing, scope, server, way)])
    finally:
        cluster.kubectl.delete(redis(cluster))


def shape_of(server: Server) -> Shape:
    if server.wraps:
        return BEHIND
    return SHAPE if server.is_lastcall else replace(SHAPE, flags=COUNTER_OF_GO)


def start_redis(cluster: Cluster) -> None:
    """Of the overlay, on our own image; before the pods, which ask for it when they start.

    One whose image an interrupted run has taken away goes first.
    """
    for pod in cluster.kubectl.pods(f"app.kubernetes.io/name={REDIS_NAME}"):
        if pod["spec"]["containers"][0]["image"] != images.REDIS:
            now = ("--grace-period=0", "--force")
            cluster.kubectl.run("delete", "pod", pod["metadata"]["name"], *now)
    cluster.kubectl.apply(redis(cluster))
    cluster.kubectl.run("rollout", "status", STATEFUL, "--timeout=60s", seconds=70)


def redis(cluster: Cluster) -> list[dict]:
    found = manifests.adapted(
        cluster.kubectl.kustomize(ROOT / "k8s/overlays/redis"), cluster.images
    )
    return [find(found, kind, REDIS_NAME) for kind in ("Service", "StatefulSet")]


def run_way(standing: StandingCase, scope: Scope, server: Server, way: Way) -> Row:
    # Judged by what is counted; of requests the control may lose few enough to lose none.
    case = Case(server, shape_of(server), must_lose=False if server.drains else None)
    exits_meant = (3,) if way.redis == "away" else ()
    plan = Plan(
        "counter",
        way.seconds,
        act(way),
        (INCREMENTS,),
        way.lead,
        way.rate,
        exits_meant=exits_meant,
        exact=True,
        way=way.name,
    )
    row = row_of(plan, scope, case, INCREMENTS)
    for _ in range(scope.repeat if case.must_lose is False else 1):
        ask_redis(standing, "SET", KEY, "0")
        (run,) = run_once(standing, scope, plan, [INCREMENTS])
        if way.redis == "away":
            judge_away(standing, run)
        else:
            judge_count(standing, server, run)
        row.runs.append(run)
    return row


def act(way: Way) -> Action:
    def change(standing: StandingCase, _event: Event) -> None:
        if way.redis == "away":
            change_redis(standing, f"{images.REDIS}-away")
        old = standing.names()
        deployment = find(standing.kubectl.objects("get", DEPLOYMENT), "Deployment")
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        image = f"{container['name']}={images.other(container['image'])}"
        standing.kubectl.run("set", "image", DEPLOYMENT, image)
        if way.redis == "restarts":
            time.sleep(JOB_SECONDS)
            ask_redis(standing, "SHUTDOWN")
        standing.wait_until_rolled_out(60)
        standing.wait_until_gone(old)

    return change


def change_redis(standing: StandingCase, image: str) -> None:
    """To an image that there is not, and Redis is away; its volume stays, which is the pod's."""
    change = {"spec": {"containers": [{"name": "redis", "image": image}]}}
    standing.kubectl.patch("pod", f"{REDIS_NAME}-0", change)
    standing.wait_until_ready(f"{REDIS_NAME}-0", image == images.REDIS)


def ask_redis(standing: StandingCase, *command: str) -> str:
    service = find(standing.kubectl.objects("get", "service", REDIS_NAME), "Service", REDIS_NAME)
    return output(["redis-cli", "-h", service["spec"]["clusterIP"], *command], 10).strip()


def judge_count(standing: StandingCase, server: Server, run: Run) -> None:
    event, promised = run.event, run.tally.answered
    patience = EXACT_SECONDS_MAX if server.drains else JOB_SECONDS
    counted = wait_for_count(standing, promised, patience)
    event.counted = counted
    event.notes.append(f"{promised:,} answered, {counted:,} counted")
    if server.drains and counted != promised:
        event.broken.append(f"{promised:,} were promised and {counted:,} counted")
    if server in (HARD, BARE) and counted >= promised:
        event.broken.append("the control counted all that it had answered")


def wait_for_count(standing: StandingCase, count: int, seconds: float = EXACT_SECONDS_MAX) -> int:
    """What Redis has, some seconds after it has `count`: whatever comes twice has come by then."""
    for _ in polls(seconds, COUNT_POLL_SECONDS):
        with contextlib.suppress(HarnessError):  # it is starting
            if counter(standing) >= count:
                break
    time.sleep(JOB_SECONDS)
    return counter(standing)


def counter(standing: StandingCase) -> int:
    said = ask_redis(standing, "GET", KEY)
    if not said.isdecimal():
        raise HarnessError(f"Redis does not say what it has counted: {said or 'nothing'}")
    return int(said)


def judge_away(standing: StandingCase, run: Run) -> None:
    """Exit 3 with the jobs named, and what was not named is counted when Redis is back."""
    change_redis(standing, images.REDIS)
    standing.kubectl.run("rollout", "status", STATEFUL, "--timeout=60s", seconds=70)
    event, promised, named = run.event, run.tally.answered, 0
    for life in event.lives:
        for container in life.containers:
            if container.exit_code is None:
                continue
            mine = container.audit.get("jobs_unfinished", 0)
            named += mine
            if mine and f"unfinished=incr:{mine}:" not in container.last_words:
                event.broken.append(f"the log of {life.name} does not name its {mine} jobs")
            event.notes.append(f"{life.name}: exit {container.exit_code}, {mine} jobs named")
            if container.exit_code != (3 if mine else 0):  # 137: killed before it could say
                event.broken.append(
                    f"{life.name} named {mine} jobs and ended {container.exit_code}"
                )
    if not named:
        event.broken.append("Redis was away, and no pod named a job that it could not keep")
    counted = wait_for_count(standing, promised - named)
    event.counted, event.named = counted, named
    event.notes.append(f"{promised:,} answered, {named:,} named as not kept, {counted:,} counted")
    # Redis may have counted one and died before it said so: that one is named and counted.
    if not promised - named <= counted <= promised:
        event.broken.append(f"{promised:,} were promised, {named:,} named, {counted:,} counted")


EXPERIMENT = Experiment("counter", "Increments after their answers", False, run, needs_nodes=True)
