"""What most experiments do: each variant once in the cluster, each attack upon it in turn."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from harness.vegeta import ATTACKS, Attack

from .case import GO, HARD, LASTCALL, Shape
from .experiment import Plan, Row, Variant
from .load import Load
from .trial import Action, Cluster, Run, Trial, trial

LEAD_SECONDS = 3.0
LOST_ARE_NAMED = ("requests_cut", "queue_lost", "lost_after_fin", "jobs_unfinished")


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
    exits_meant: tuple[int, ...] = ()  # other than 0, and as it should be: nothing is judged


def usual(cluster: Cluster, shape: Shape, plan: Plan) -> list[Variant]:
    """lastcall, its control, and Go as everyone recommends it."""
    found = [Variant(LASTCALL, shape, must_lose=False), Variant(HARD, shape, must_lose=True)]
    if cluster.images.peer and not plan.quick:
        found.append(Variant(GO, shape))
    return found


def run_all(
    cluster: Cluster,
    plan: Plan,
    course: Course,
    variants: Iterable[Variant],
    done: Callable[[Row], None],
) -> None:
    for variant in variants:
        with trial(cluster, variant.server, variant.shape) as standing:
            for attack in wanted(course.attacks, plan):
                row = Row(course.experiment, variant, attack, course.clients > 0, course.way)
                for _ in range(plan.repeat):
                    row.runs.append(run_once(standing, plan, course, attack))
                done(row)


def wanted(attacks: Iterable[Attack], plan: Plan) -> list[Attack]:
    """All of them, or those of --attack that there are."""
    found = list(attacks)
    return [each for each in found if each.name in plan.attacks] or found


def run_once(standing: Trial, plan: Plan, course: Course, attack: Attack, url: str = "") -> Run:
    load = Load(attack, course.rate or plan.rate, course.seconds, course.clients)
    run = standing.attack(load, course.lead, course.action, url)
    if standing.server is LASTCALL:
        judge(run, course.exits_meant)
    return run


def judge(run: Run, exits_meant: tuple[int, ...] = ()) -> None:
    """lastcall's own account of its end must agree with what its clients saw."""
    for life in run.lives:
        for container in life.containers:
            if container.exit_code is None or container.exit_code in exits_meant:
                continue
            if container.exit_code != 0:
                run.broken.append(f"{life.name} ended with exit code {container.exit_code}, not 0")
            if not container.audit:
                run.broken.append(f"{life.name} left no audit")
            named = sum(container.audit.get(key, 0) for key in LOST_ARE_NAMED)
            if named and not run.tally.lost:
                run.broken.append(f"{life.name} names {named} lost, its clients none")


def quickened(shape: Shape) -> Shape:
    """Half a minute instead of a whole one."""
    return replace(shape, window=5, lead=3, min_ready=1)
