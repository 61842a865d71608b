"""What most experiments do: each variant once in the cluster, attacks on it, an event meanwhile."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.vegeta import ATTACKS, Attack

from .case import GO, HARD, LASTCALL, Shape
from .experiment import Done, Plan, Row, Variant
from .load import Load
from .trial import Action, Cluster, Event, Run, Trial, trial

LEAD_SECONDS = 3.0
LOST_ARE_NAMED = ("requests_cut", "queue_lost", "lost_after_fin", "jobs_unfinished")
TOGETHER_MODEST = 2  # where two processors have more to do: a proxy, many pods that start
TRIES_MAX = 2  # a run for which the machine was too slow is repeated once


@dataclass(frozen=True)
class Course:
    """What happens in each run of an experiment."""

    experiment: str
    seconds: float
    action: Action
    attacks: tuple[Attack, ...] = tuple(ATTACKS.values())
    lead: float = LEAD_SECONDS
    rate: int | None = None
    way: str = ""
    clients: int = 0  # in a closed loop, instead of a rate
    exact: bool = False  # not one request fewer than rate times seconds
    curls: int = 0  # so many in all, each a curl of its own; `seconds` is then the longest
    exits_meant: tuple[int, ...] = ()  # other than 0, and as it should be: nothing is judged
    refusals_meant: tuple[int, ...] = ()  # likewise, of pods that never were ready
    together: int = len(ATTACKS)  # attacks at the same time, upon the same event


def roll(standing: Trial, _event: Event) -> None:
    """The usual action."""
    standing.roll()


def usual(cluster: Cluster, shape: Shape, plan: Plan) -> list[Variant]:
    """lastcall, its control, and Go as everyone recommends it."""
    found = [Variant(LASTCALL, shape, must_lose=False), Variant(HARD, shape, must_lose=True)]
    if cluster.images.peer and not plan.quick:
        found.append(Variant(GO, shape))
    return found


def run_all(
    cluster: Cluster, plan: Plan, course: Course, variants: Iterable[Variant], done: Done
) -> None:
    for variant in plan.of(variants):
        with trial(cluster, variant.server, variant.shape) as standing:
            run_variant(standing, plan, course, variant, done)


def run_variant(
    standing: Trial, plan: Plan, course: Course, variant: Variant, done: Done, url: str = ""
) -> None:
    """`url`: of what stands before the pods; empty: their Service."""
    for attacks in groups(course, plan):
        rows = [row_of(course, plan, variant, attack) for attack in attacks]
        for _ in range(plan.repeat if variant.must_lose is False else 1):
            runs = run_valid(standing, plan, course, rows, url)
            for row, run in zip(rows, runs, strict=True):
                row.runs.append(run)
        done(rows)


def row_of(course: Course, plan: Plan, variant: Variant, attack: Attack) -> Row:
    is_loop = course.clients > 0
    rate = 0 if is_loop else course.rate or plan.rate
    return Row(course.experiment, variant, attack, is_loop, course.way, rate, course.seconds)


def groups(course: Course, plan: Plan) -> list[list[Attack]]:
    """Attacks of the same time: all of them, or those of --attack that there are."""
    found = [each for each in course.attacks if each.name in plan.attacks] or [*course.attacks]
    return [found[at : at + course.together] for at in range(0, len(found), course.together)]


def run_valid(standing: Trial, plan: Plan, course: Course, rows: list[Row], url: str) -> list[Run]:
    """Once more where the machine was too slow, unless a promise was broken: that may be why."""
    told: list[str] = []
    promised = rows[0].variant.must_lose is False
    for tries_left in reversed(range(TRIES_MAX)):
        runs = run_once(standing, plan, course, [row.attack for row in rows], url)
        event = runs[0].event
        reasons = [reason for run in runs for reason in run.invalid] + event.invalid
        lost = sum(run.tally.lost for run in runs)
        if not reasons or not tries_left or (promised and (lost or event.broken)):
            break
        told.append(f"a run before it was invalid: {'; '.join(reasons)}; {lost:,} were lost in it")
    event.notes += told
    return runs


def run_once(
    standing: Trial, plan: Plan, course: Course, attacks: list[Attack], url: str = ""
) -> list[Run]:
    rate = course.rate or plan.rate
    together = [
        Load(attack, rate, course.seconds, course.clients, course.curls, course.exact)
        for attack in attacks
    ]
    runs = standing.attack(together, course.lead, course.action, url)
    if standing.server is LASTCALL:
        judge(runs[0].event, sum(run.tally.lost for run in runs), course)
    return runs


def judge(event: Event, lost: int, course: Course) -> None:
    """lastcall's own account of its end must agree with what its clients saw."""
    for life in event.lives:
        refused = course.refusals_meant if life.ready_at is None else ()
        for container in life.containers:
            if container.exit_code in (*course.exits_meant, *refused):
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


def quickened(shape: Shape) -> Shape:
    """Half a minute instead of a whole one."""
    return replace(shape, window=5, lead=3, min_ready=1)
