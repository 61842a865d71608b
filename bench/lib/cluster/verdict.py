"""What the rows of a run of the command prove, or fail to."""

from collections import Counter
from collections.abc import Iterator

from harness import program
from harness.sums import PERCENTS

from .case import Case
from .experiments import ALL
from .row import INVALID, Row, common_problems
from .servers import BARE, GO, HARD

RATIO_MAX = {"p99": 1.5, "max": 3.0}  # of Go's latency in the same run; two equal rows differ so
PUBLISHED_MS = {"p99": 26.2, "max": 178}  # with a delay of 5 s; a maximum is one request of 60,000


def judged(case: Case, problems: list[str]) -> list[str]:
    """A row that is only shown may be one for which the machine was too slow: it says so itself."""
    if case.must_lose is not None or case.server in (HARD, BARE):
        return problems
    return [each for each in problems if not each.startswith(INVALID)]


def compared(groups: list[list[Row]]) -> Iterator[tuple[Row, Row]]:
    """lastcall's rows with Go's of the same run, where an experiment is about latencies."""
    alone = {(r.experiment, r.way, r.attack.name, r.title): r for (r, *more) in groups if not more}
    for (name, *where, _), mine in alone.items():
        theirs = alone.get((name, *where, GO.title))
        if mine.way != ALL[name].compared or mine.case.must_lose is not False or theirs is None:
            continue
        yield mine, theirs


def ratios(mine: Row, theirs: Row) -> dict[str, float]:
    return {key: mine.typical[key] / theirs.typical[key] for key in PERCENTS}


def compare(groups: list[list[Row]]) -> list[str]:
    """Latencies beside Go's: those that are worse than noise."""
    worse = []
    for mine, theirs in compared(groups):
        found, where = ratios(mine, theirs), f"{mine.experiment}, {mine.label}"
        told = ", ".join(f"{key} {ratio:.2f}" for key, ratio in found.items())
        print(f"{where}: latency / Go's: {told}.")
        bad = [f"Go's row beside it is {each}" for each in theirs.problems()]
        for key, most in RATIO_MAX.items():
            if found[key] > most and mine.typical[key] * 1000 > PUBLISHED_MS[key]:
                bad.append(f"{key} is {found[key]:.2f} of Go's: over {most:g} is no noise")
        worse += [f"{where}: {each}" for each in bad]
    return worse


def verdict(groups: list[list[Row]], failures: list[str]) -> int:
    """`failures`: experiments that could not be done."""
    for rows in groups:
        for row in rows:
            if bound := row.bound():
                print(f"{row.experiment}, {row.label}: {bound}.")
            if row.strays:
                print(f"{row.experiment}, {row.label}: {row.strays} of them were led to no pod.")
            found = judged(row.case, row.problems())
            failures += [f"{row.experiment}, {row.label}: {each}" for each in found]
        found = judged(rows[0].case, common_problems(rows))
        failures += [f"{rows[0].experiment}, {rows[0].title}: {each}" for each in found]
    if not groups and not failures:
        failures.append("nothing was measured: no experiment here has such a server")
    return program.verdict(failures, judgement([row for rows in groups for row in rows]))


def idle_controls(rows: list[Row]) -> list[str]:
    """A control must lose, by one attack at least: whatever saw it lose nothing proves nothing."""
    lost: Counter[str] = Counter()
    for row in rows:
        if row.is_judge:
            lost[f"{row.experiment} {row.way}".strip() + f", {row.title}"] += row.lost_by_server
    return [f"{name}: lost nothing, which proves nothing" for name in lost if not lost[name]]


def judgement(rows: list[Row]) -> str:
    """What is well if nothing failed."""
    judges = [row for row in rows if row.is_judge]
    for row in judges:
        if not row.lost_by_server:  # by other attacks it did
            print(f"{row.experiment}, {row.label}: lost nothing, which proves nothing.")
    if all(row.case.must_lose is not False or row.can_hide for row in rows):
        return "nothing was judged"
    beside = "each control lost something" if judges else "without a control"
    excused = sum(row.strays for row in rows if row.case.must_lose is False)
    but = f", but for {excused} that no rule of the nodes led to a pod" if excused else ""
    return f"what must lose nothing lost nothing{but}; {beside}"
