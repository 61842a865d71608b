"""Runs of cases: each case stands in the cluster once, and is attacked as often as asked for."""

from collections.abc import Iterable

from harness.vegeta import Attack

from .case import Case
from .clusters import Cluster
from .event import Event, Run
from .experiment import Done
from .load import Load
from .plan import Plan
from .row import Row
from .scope import Scope
from .servers import GO, HARD, LASTCALL, Shape
from .standing import StandingCase, set_up

LOST_ARE_NAMED = ("requests_cut", "queue_lost", "lost_after_fin", "jobs_unfinished")
TRIES_MAX = 2  # a run for which the machine was too slow is repeated once


def usual(cluster: Cluster, shape: Shape, scope: Scope) -> list[Case]:
    """lastcall, its control, and Go as everyone recommends it."""
    found = [Case(LASTCALL, shape, must_lose=False), Case(HARD, shape, must_lose=True)]
    if cluster.images.peer and not scope.quick:
        found.append(Case(GO, shape))
    return found


def run_cases(
    cluster: Cluster, scope: Scope, plan: Plan, cases: Iterable[Case], done: Done
) -> None:
    for case in scope.of(cases):
        with set_up(cluster, case.server, case.shape) as standing:
            run_case(standing, scope, plan, case, done)


def run_case(
    standing: StandingCase, scope: Scope, plan: Plan, case: Case, done: Done, url: str = ""
) -> None:
    """`url`: of what stands before the pods; empty: their Service."""
    for attacks in groups(plan, scope):
        rows = [row_of(plan, scope, case, attack) for attack in attacks]
        for _ in range(scope.repeat if case.must_lose is False else 1):
            runs = run_valid(standing, scope, plan, rows, url)
            for row, run in zip(rows, runs, strict=True):
                row.runs.append(run)
        done(rows)


def row_of(plan: Plan, scope: Scope, case: Case, attack: Attack) -> Row:
    is_loop = plan.clients > 0
    rate = 0 if is_loop else plan.rate or scope.rate
    return Row(plan.experiment, case, attack, is_loop, plan.way, rate, plan.seconds)


def groups(plan: Plan, scope: Scope) -> list[list[Attack]]:
    """Attacks of the same time: all of them, or those of --attack that there are."""
    found = [each for each in plan.attacks if each.name in scope.attacks] or [*plan.attacks]
    return [found[at : at + plan.together] for at in range(0, len(found), plan.together)]


def run_valid(
    standing: StandingCase, scope: Scope, plan: Plan, rows: list[Row], url: str
) -> list[Run]:
    """Once more where the machine was too slow, unless a promise was broken: that may be why."""
    told: list[str] = []
    promised = rows[0].case.must_lose is False
    for tries_left in reversed(range(TRIES_MAX)):
        runs = run_once(standing, scope, plan, [row.attack for row in rows], url)
        event = runs[0].event
        reasons = [reason for run in runs for reason in run.invalid] + event.invalid
        lost = sum(run.tally.lost for run in runs)
        if not reasons or not tries_left or (promised and (lost or event.broken)):
            break
        told.append(f"a run before it was invalid: {'; '.join(reasons)}; {lost:,} were lost in it")
    event.notes += told
    return runs


def run_once(
    standing: StandingCase, scope: Scope, plan: Plan, attacks: list[Attack], url: str = ""
) -> list[Run]:
    rate = plan.rate or scope.rate
    together = [
        Load(attack, rate, plan.seconds, plan.clients, plan.curls, plan.exact)
        for attack in attacks
    ]
    runs = standing.attack(together, plan.lead, plan.action, url)
    if standing.server.drains:
        judge(runs[0].event, sum(run.tally.lost for run in runs), plan)
    return runs


def judge(event: Event, lost: int, plan: Plan) -> None:
    """lastcall's own account of its end must agree with what its clients saw."""
    for life in event.lives:
        refused = plan.refusals_meant if life.ready_at is None else ()
        for container in life.containers:
            if container.exit_code in (*plan.exits_meant, *refused):
                continue
            if container.exit_code is None:
                if life.gone or life.is_overdue(event.over_at):
                    event.broken.append(f"{life.name} was told to go, and its end was not seen")
                continue
            if container.exit_code != 0:
                event.broken.append(
                    f"{life.name} ended with exit code {container.exit_code}, not 0"
                )
            if not container.audit:
                event.broken.append(f"{life.name} left no audit")
            named = sum(container.audit.get(key, 0) for key in LOST_ARE_NAMED)
            if named and not lost:
                event.broken.append(f"{life.name} names {named} lost, its clients none")
