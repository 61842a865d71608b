"""The result as Markdown: what each program lost, bare and behind lastcall."""

from harness.outcome import most
from harness.table import bold, markdown

from .programs import PROGRAMS, WAYS, server_of
from .row import WrapRow

def compact(rows: list[WrapRow]) -> str:
    """A program a line, and a second one for what it counted; a way to start it a column."""
    known = {row.server.name for row in rows}
    ways = [
        way
        for way in WAYS.values()
        if any(server_of(program, way).name in known for program in PROGRAMS.values())
    ]
    lines = [["lost of those sent", *(way.title for way in ways)]]
    for program in PROGRAMS.values():
        mine = [[r for r in rows if r.server.name == server_of(program, way).name] for way in ways]
        if any(mine):
            lines.append([program.title, *(losses(each) for each in mine)])
        if program.counts and any(mine):
            lines.append(["of its answers, counted later", *(counts(each) for each in mine)])
    return markdown(lines)


def losses(rows: list[WrapRow]) -> str:
    """`390 · 391 · 388 of 60,000`: an attack a number, of what all of them sent."""
    if not rows:
        return ""
    lost = " · ".join(f"{row.lost:,}" for row in rows)
    sent = sum(row.requests for row in rows)
    return bold(f"{lost} of {sent:,}", rows[0].server.must_lose is False)


def counts(rows: list[WrapRow]) -> str:
    if not rows:
        return ""
    (row,) = rows
    return bold(f"{row.counted:,} of {row.answered:,}", row.server.must_lose is False)


def sample(rows: list[WrapRow]) -> str:
    """What `compact` is made of, and what it allows to say."""
    promised = [row for row in rows if row.server.must_lose is False]
    runs = max((len(row.runs) for row in promised), default=1)
    told = f"{runs} run{'s' if runs > 1 else ''} of each program behind lastcall, one bare."
    if promised and not any(row.lost for row in promised):
        count = sum(row.requests for row in promised)
        told += f" None of the {count:,} requests to programs behind lastcall lost: {most(count)}."
    return told
