"""Less time than the drain needs: a grace period cut by hand, and options that do not add up.

Of the first nobody tells the process, so it cannot know that it has to hurry: it is killed with the
requests of 5 s that it has, and what it was waiting for is what its log said in its last second.
"""

import re

from harness.vegeta import ATTACKS

from ..case import Case
from ..clusters import Cluster
from ..event import Event
from ..experiment import Done, Experiment
from ..kubectl import DEPLOYMENT
from ..plan import Plan
from ..runs import run_cases
from ..scope import Scope
from ..servers import LASTCALL, Shape
from ..standing import StandingCase
from . import in_flight

SECONDS, LEAD_SECONDS = 30, 4
HAND_SECONDS = 5  # `kubectl delete --grace-period`: nobody tells the process of it
REFUSAL_SECONDS_MAX = 30
KILLED, REFUSED = 137, 2
ARGUMENTS = "/spec/template/spec/containers/0/args"


def delete_in_haste(standing: StandingCase, event: Event) -> None:
    name = sorted(standing.names())[0]
    grace = f"--grace-period={HAND_SECONDS}"
    standing.kubectl.run("delete", "pod", name, grace, "--wait=false")
    standing.wait_until_gone({name})
    life = standing.life(name)
    took = (life.ended_at or 0) - (life.deleted_at or 0)
    event.notes.append(f"{name}: exit {life.exit_codes}, {took:.0f} s after its deletion")
    words = standing.watch.log(name, 0).splitlines() or ["nothing"]
    event.notes.append(f"the last line of its log: {words[-1]}")
    if not re.search("draining: waiting for [1-9][0-9]* requests", words[-1]):
        event.broken.append(f"the log of {name} does not say what was cut while it drained")
    if life.exit_codes != [KILLED]:
        event.broken.append(f"{name} ended with {life.exit_codes}, not {KILLED}")


def ask_too_much(standing: StandingCase, event: Event) -> None:
    """A window that the grace period does not hold: the new pod says so, the old ones serve on."""
    flags = [flag for flag in arguments(standing) if not flag.startswith("--drain-window")]
    flags.append("--drain-window=60s")
    change = [{"op": "replace", "path": ARGUMENTS, "value": flags}]
    standing.kubectl.patch("deployment", "lastcall", change)
    message = standing.wait_for_ends(REFUSED, REFUSAL_SECONDS_MAX)
    event.notes.append(f"the new pod's status: {message}")
    if "grace-period" not in message:
        event.broken.append("the pod's status does not say which number to change")
    standing.kubectl.run("rollout", "undo", DEPLOYMENT)
    standing.wait_until_rolled_out(60)


def arguments(standing: StandingCase) -> list[str]:
    (deployment,) = standing.kubectl.objects("get", DEPLOYMENT)
    return deployment["spec"]["template"]["spec"]["containers"][0]["args"]


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    hasty = Plan(
        "too-short", SECONDS, delete_in_haste, (in_flight.ATTACK,), LEAD_SECONDS,
        way="delete --grace-period=5", clients=in_flight.CLIENTS, exits_meant=(KILLED,),
    )  # fmt: skip
    wanting = Plan(
        "too-short", SECONDS, ask_too_much, (ATTACKS["post"],), LEAD_SECONDS,
        way="window 60 s, grace 30 s", refusals_meant=(REFUSED,),
    )  # fmt: skip
    run_cases(cluster, scope, hasty, [Case(LASTCALL, Shape())], done)
    run_cases(cluster, scope, wanting, [Case(LASTCALL, Shape(), must_lose=False)], done)


EXPERIMENT = Experiment("too-short", "Less time than the drain needs", False, run)
