"""An experiment as a picture: requests by the moment of their sending, and the pods beneath.

A panel an event. For each attack, upwards what was answered in slices of 100 ms, stacked by pod,
downwards what was lost; below, each pod's life as a bar in its own colour.
"""

import math
from dataclasses import dataclass

from harness.outcome import BIN_SECONDS, Tally
from harness.svg import ANSWERED, FAINT, GRID, HEAD, LOST, MARGIN
from harness.svg import head, line, rect, seconds_axis, text

from .event import Event
from .pods import Container, Life
from .row import Row

COLOURS = ("#3b82a0", "#7fb685", "#8e7cc3", "#d6a15c", "#5c9ead", "#b8727f", "#6b8f3c", "#4f6d9a")
STARTING, DRAINING, CLOSING = "#cbd2d9", "#f0b429", "#b7791f"
WIDTH, LEFT = 860, 150
TITLE, LABEL, UP, DOWN, POD, AXIS, GAP = 22, 20, 60, 30, 14, 22, 30
LOST_PIXELS_MIN, LOST_ROOM = 3, 8

LEGEND = (
    (rect(0, -9, 12, 10, ANSWERED), "answered, by pod", 134),
    (rect(0, -9, 12, 10, LOST), "lost", 62),
    (rect(0, -9, 12, 10, STARTING), "a pod starts", 104),
    (rect(0, -9, 12, 10, DRAINING), "drains", 72),
    (rect(0, -9, 12, 10, CLOSING), "closes", 72),
    (line(6, -11, 6, 3, FAINT, dashed=True), "what was done began", 150),
)


@dataclass(frozen=True)
class Scale:
    """From seconds to pixels, of one panel."""

    began_at: float
    seconds: float

    def x(self, seconds: float) -> float:
        return WIDTH * min(max(seconds / self.seconds, 0), 1)

    def at(self, moment: float) -> float:
        return self.x(moment - self.began_at)


def picture(title: str, subtitle: str, groups: list[list[Row]]) -> str:
    panels, y = [], float(HEAD)
    for rows in groups:
        drawn, height = panel(rows)
        panels.append(f"<g transform='translate({MARGIN} {y:.0f})'>{drawn}</g>")
        y += height + GAP
    top = head(LEFT + WIDTH + 2 * MARGIN, y + MARGIN, title, subtitle, LEGEND)
    return "\n".join([top, *panels, "</svg>\n"])


def panel(rows: list[Row]) -> tuple[str, float]:
    """Its text and its height. Of several events the one that lost most is shown."""
    worst = max(range(len(rows[0].runs)), key=lambda at: sum(r.runs[at].tally.lost for r in rows))
    tallies = [row.runs[worst].tally for row in rows]
    event = rows[0].events[worst]
    scale = scale_of(tallies)
    lives = [life for life in event.lives if lived(life, scale)]
    colours = {life.name: COLOURS[at % len(COLOURS)] for at, life in enumerate(lives)}
    through = f" · {rows[0].way}" if rows[0].way else ""
    parts = [text(0, 12, rows[0].title + through, "font-size='13' font-weight='600'")]
    y = TITLE
    for row, tally in zip(rows, tallies, strict=True):
        parts.append(strip(row, tally, scale, colours, y))
        y += LABEL + UP + DOWN
    parts.append(f"<g transform='translate({LEFT} {y})'>")
    parts += [life_bar(life, at, scale, colours[life.name]) for at, life in enumerate(lives)]
    height = POD * len(lives) + 6
    parts += [mark(event, scale, TITLE - y, height), seconds_axis(scale.seconds, scale.x, height)]
    return "\n".join([*parts, "</g>"]), y + height + AXIS


def scale_of(tallies: list[Tally]) -> Scale:
    began_at = min(tally.began_at for tally in tallies)
    bins = max(len(tally.bins) for tally in tallies)
    return Scale(began_at, max(bins * BIN_SECONDS, BIN_SECONDS))


def strip(row: Row, tally: Tally, scale: Scale, colours: dict[str, str], y: float) -> str:
    lost = f"{row.attack.title} · {tally.lost:,} of {tally.requests:,} lost"
    if tally.lost:
        lost += ": " + ", ".join(f"{name} {count:,}" for name, count in tally.lost_by.items())
    if len(row.runs) > 1:
        lost += f" (the worst of {len(row.runs)} runs)"
    answered_max = height_of(tally)
    lost_max = max((count for _, count in tally.bins), default=0) or 1
    end = "text-anchor='end'"
    return "\n".join(
        [
            text(0, y + 12, lost, f"fill='{LOST if tally.lost else FAINT}'"),
            f"<g transform='translate({LEFT} {y + LABEL})'>",
            "<g shape-rendering='crispEdges'>",
            *stack(tally, scale, colours, UP / answered_max),
            losses(tally, scale, (DOWN - LOST_ROOM) / lost_max),
            "</g>",
            text(-6, 10, f"{answered_max}", f"{end} fill='{FAINT}'"),
            text(-6, UP + 4, "0 per 100 ms", f"{end} fill='{FAINT}'"),
            line(0, UP, WIDTH, UP, GRID),
            text(-6, UP + DOWN - LOST_ROOM, f"{lost_max}", f"{end} fill='{LOST}'")
            if tally.lost
            else "",
            "</g>",
        ]
    )


def height_of(tally: Tally) -> int:
    """Twice the average at most: what waited comes in spikes, which would flatten all else."""
    highest = max((answered for answered, _ in tally.bins), default=0)
    return max(1, min(highest, 2 * math.ceil(tally.answered / max(len(tally.bins), 1))))


def stack(tally: Tally, scale: Scale, colours: dict[str, str], pixels: float) -> list[str]:
    """Areas behind each other: the hindmost is all that was answered, whoever it was."""
    heights = [answered for answered, _ in tally.bins]
    areas = [area(heights, scale, pixels, ANSWERED)]
    for pod, colour in reversed(colours.items()):
        if pod in tally.served:
            areas.append(area(heights, scale, pixels, colour))
            for at, count in enumerate(tally.served[pod]):
                heights[at] -= count
    return areas


def area(heights: list[int], scale: Scale, pixels: float, colour: str) -> str:
    """A flight of steps, in whole pixels and as few as there are."""
    path, level = [f"M0 {UP}"], 0
    for at, height in enumerate(heights):
        if (step := min(round(height * pixels), UP)) != level:
            path.append(f"H{scale.x(at * BIN_SECONDS):.1f}V{UP - step}")
            level = step
    path.append(f"H{scale.x(len(heights) * BIN_SECONDS):.1f}V{UP}z")
    return f"<path d='{''.join(path)}' fill='{colour}'/>"


def losses(tally: Tally, scale: Scale, pixels: float) -> str:
    width, path = scale.x(BIN_SECONDS), []
    for at, (_, lost) in enumerate(tally.bins):
        if lost:
            height = max(lost * pixels, LOST_PIXELS_MIN)
            x = scale.x(at * BIN_SECONDS)
            path.append(f"M{x:.1f} {UP + 1}v{height:.1f}h{width:.2f}V{UP + 1}z")
    return f"<path d='{''.join(path)}' fill='{LOST}'/>" if path else ""


def mark(event: Event, scale: Scale, top: float, bottom: float) -> str:
    x = scale.at(event.at)
    return line(x, top, x, bottom, FAINT, dashed=True)


def lived(life: Life, scale: Scale) -> bool:
    return life.created_at < scale.began_at + scale.seconds and (
        life.ended_at is None or life.ended_at > scale.began_at
    )


def life_bar(life: Life, number: int, scale: Scale, colour: str) -> str:
    y = 6 + POD * number
    parts = [text(-6, y + 9, life.name[-14:], f"text-anchor='end' fill='{FAINT}' font-size='11'")]
    for begin, end, filled in phases(life, scale.began_at + scale.seconds, colour):
        x = scale.at(begin)
        if (width := scale.at(end) - x) > 0:
            parts.append(rect(x, y, width, POD - 4, filled))
    return "".join(parts)


def phases(life: Life, now: float, colour: str) -> list[tuple[float, float, str]]:
    """Of each run of its container: it starts, serves, drains, closes."""
    found = []
    for number, container in enumerate(life.containers or [Container(life.created_at)]):
        begin = container.started_at if number else life.created_at
        end = container.ended_at or now
        draining = leaving = min(life.deleted_at or end, end)
        if container.ended_at and container.audit:
            closing_ms = sum(
                container.audit.get(f"{each}_ms", 0) for each in ("settling", "closing")
            )
            leaving = max(end - closing_ms / 1000, begin)
            draining = max(leaving - container.audit.get("draining_ms", 0) / 1000, begin)
        elif life.deleted_at:
            leaving = end
        ready = begin if number else min(life.ready_at or draining, draining)
        found += [
            (begin, ready, STARTING),
            (ready, draining, colour),
            (draining, leaving, DRAINING),
            (leaving, end, CLOSING),
        ]
    return found
