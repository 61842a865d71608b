"""Ten rollouts in a row, the next begun before the last has ended; one of a version that never
gets ready. Whoever serves goes on serving."""

import time

from ..case import Case
from ..clusters import Cluster
from ..event import Event, since
from ..experiment import Done, Experiment
from ..kubectl import DEPLOYMENT
from ..plan import Plan
from ..runs import run_cases
from ..scope import Scope
from ..servers import LASTCALL, Shape
from ..standing import StandingCase

SECONDS, LEAD_SECONDS = 90, 3
ROLLOUTS, BROKEN = 10, 5  # the fifth never gets ready
STEP_SECONDS = 4
REFUSED = 2  # the exit code of a bad option
BROKEN_LEVEL, GOOD_LEVEL = "nonsense", "info"


def roll_ten_times(standing: StandingCase, event: Event) -> None:
    ended_early = 0
    for number in range(1, ROLLOUTS + 1):
        ended_early += number > 1 and has_ended(standing)
        level = BROKEN_LEVEL if number == BROKEN else GOOD_LEVEL
        values = (f"ROLLOUT={number}", f"LASTCALL_LOG_LEVEL={level}")
        standing.kubectl.run("set", "env", DEPLOYMENT, *values)
        time.sleep(STEP_SECONDS)
    standing.wait_until_rolled_out(60)
    standing.wait_until_gone(standing.names() - standing.staying())
    lives = since(standing.watch.lives(), event.at)
    event.notes.append(f"{ROLLOUTS} rollouts, {STEP_SECONDS} s apart; {len(lives)} pods in all")
    if ended_early:
        event.broken.append(f"{ended_early} rollouts had ended when the next was begun")
    if not any(REFUSED in life.exit_codes for life in lives):
        event.broken.append("the version that never gets ready was never started")


def has_ended(standing: StandingCase) -> bool:
    (deployment,) = standing.kubectl.objects("get", DEPLOYMENT)
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    counts = (status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas"))
    return all(count == wanted for count in counts)


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    case = Case(LASTCALL, Shape(), must_lose=False)
    plan = Plan(
        "crash-loop", SECONDS, roll_ten_times, lead=LEAD_SECONDS, refusals_meant=(REFUSED,)
    )
    run_cases(cluster, scope, plan, [case], done)


EXPERIMENT = Experiment("crash-loop", "Ten rollouts in a row, one of them broken", False, run)
