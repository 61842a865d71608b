"""Slow requests under way when their pod is deleted: 50 of 5 s at any moment.

Their connections are kept, and so go on to the pod after its address has left the Service: a
preStop hook alone does not help them. Not vegeta's: it would hide what --hard loses.
"""

from harness.vegeta import Attack

from ..clusters import Cluster
from ..event import Event
from ..experiment import Done, Experiment
from ..plan import Plan
from ..runs import run_cases, usual
from ..scope import Scope
from ..servers import Shape
from ..standing import StandingCase

SLOW_ANSWER = b'{"message": "Hello, World!"}'
ATTACK = Attack("slow", "GET", "/slow?ms=5000", b"", SLOW_ANSWER, True, "GET of 5 s, keep-alive")
CLIENTS, SECONDS, LEAD_SECONDS = 50, 22, 6
SHAPE = Shape(pre_stop=5, window=5, lead=3, timeout=6, grace=20)


def delete_one(standing: StandingCase, event: Event) -> None:
    name = sorted(standing.names())[0]
    standing.kubectl.run("delete", "pod", name, "--wait=false")
    standing.wait_until_gone({name})
    life = standing.life(name)
    took = (life.ended_at or 0) - (life.deleted_at or 0)
    event.notes.append(
        f"{name}: gone {took:.0f} s after its deletion, grace period {SHAPE.grace} s"
    )
    if not 0 < took < SHAPE.grace:
        event.broken.append(f"{name} took {took:.0f} s to end, its grace period is {SHAPE.grace} s")


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    plan = Plan(
        "in-flight", SECONDS, delete_one, attacks=(ATTACK,), lead=LEAD_SECONDS, clients=CLIENTS
    )
    run_cases(cluster, scope, plan, usual(cluster, SHAPE, scope), done)


EXPERIMENT = Experiment("in-flight", "Slow requests under way when a pod is deleted", True, run)
