"""An experiment as a picture: requests by the moment of their sending, and the pods beneath.

A panel a row. Upwards what was answered in slices of 100 ms, downwards what was lost; below, each
pod's life as a bar: starting, ready, told to go, gone.
"""

from dataclasses import dataclass

from harness.outcome import BIN_SECONDS
from harness.svg import ANSWERED, FAINT, GRID, HEAD, LOST, MARGIN
from harness.svg import head, line, rect, seconds_axis, text

from .experiment import Row
from .pods import Life
from .trial import Run

STARTING, READY, LEAVING = "#cbd2d9", "#8fc1a9", "#f0b429"
WIDTH, LEFT = 860, 150
TITLE, UP, DOWN, POD, AXIS, GAP = 40, 70, 30, 14, 22, 30
LOST_PIXELS_MIN = 3


@dataclass(frozen=True)
class Scale:
    """From seconds and requests to pixels, of one panel."""

    began_at: float
    seconds: float
    answered_max: int
    lost_max: int

    def x(self, seconds: float) -> float:
        return WIDTH * min(max(seconds / self.seconds, 0), 1)

    def at(self, moment: float) -> float:
        return self.x(moment - self.began_at)


LEGEND = (
    (rect(0, -9, 12, 10, ANSWERED), "answered", 90),
    (rect(0, -9, 12, 10, LOST), "lost", 62),
    (rect(0, -9, 12, 10, STARTING), "a pod starts", 104),
    (rect(0, -9, 12, 10, READY), "is ready", 80),
    (rect(0, -9, 12, 10, LEAVING), "was told to go", 116),
    (line(6, -11, 6, 3, FAINT, dashed=True), "what was done began", 150),
)


def picture(title: str, subtitle: str, rows: list[Row]) -> str:
    panels, y = [], float(HEAD)
    for row in rows:
        drawn, height = panel(row)
        panels.append(f"<g transform='translate({MARGIN} {y:.0f})'>{drawn}</g>")
        y += height + GAP
    top = head(LEFT + WIDTH + 2 * MARGIN, y + MARGIN, title, subtitle, LEGEND)
    return "\n".join([top, *panels, "</svg>\n"])


def panel(row: Row) -> tuple[str, float]:
    """Its text and its height. Of several runs the worst is shown."""
    run = row.worst
    scale = scale_of(run)
    through = f" · {row.way}" if row.way else ""
    title = f"{row.title}{through} · {row.attack.title}"
    lost = f"{row.lost:,} of {row.requests:,} lost"
    if row.lost:
        lost += ": " + ", ".join(f"{name} {count:,}" for name, count in row.lost_by.items())
    lives = [life for life in run.lives if lived(life, scale)]
    parts = [
        text(0, 12, title, "font-size='13' font-weight='600'"),
        text(0, 29, lost, f"fill='{LOST if row.lost else FAINT}'"),
        f"<g transform='translate({LEFT} {TITLE})'>{bars(run.tally.bins, scale)}",
        axes(scale),
        mark(scale.at(run.action_at), len(lives)),
        *(life_bar(life, number, scale) for number, life in enumerate(lives)),
        seconds_axis(scale.seconds, scale.x, UP + DOWN + POD * len(lives) + 6),
        "</g>",
    ]
    return "\n".join(parts), TITLE + UP + DOWN + POD * len(lives) + 6 + AXIS


def scale_of(run: Run) -> Scale:
    bins = run.tally.bins
    return Scale(
        began_at=run.tally.began_at,
        seconds=max(len(bins) * BIN_SECONDS, BIN_SECONDS),
        answered_max=max((answered for answered, _ in bins), default=0) or 1,
        lost_max=max((lost for _, lost in bins), default=0) or 1,
    )


def bars(bins: list[list[int]], scale: Scale) -> str:
    answered, lost = [], []
    width = scale.x(BIN_SECONDS)
    for index, (good, bad) in enumerate(bins):
        x = scale.x(index * BIN_SECONDS)
        if good:
            answered.append(
                f"M{x:.1f} {UP}v{-UP * good / scale.answered_max:.1f}h{width:.2f}V{UP}z"
            )
        if bad:
            height = max(DOWN * bad / scale.lost_max, LOST_PIXELS_MIN)
            lost.append(f"M{x:.1f} {UP + 1}v{height:.1f}h{width:.2f}V{UP + 1}z")
    return (
        f"<g shape-rendering='crispEdges'><path d='{''.join(answered)}' fill='{ANSWERED}'/>"
        f"<path d='{''.join(lost)}' fill='{LOST}'/></g>"
    )


def axes(scale: Scale) -> str:
    ends = f"text-anchor='end' fill='{FAINT}'"
    return (
        text(-6, 10, f"{scale.answered_max}", ends)
        + text(-6, UP + 4, "0 per 100 ms", ends)
        + line(0, UP, WIDTH, UP, GRID)
        + text(-6, UP + DOWN, f"{scale.lost_max}", f"text-anchor='end' fill='{LOST}'")
    )


def mark(x: float, lives: int) -> str:
    """The moment of the action."""
    return line(x, -4, x, UP + DOWN + POD * lives + 4, FAINT, dashed=True)


def lived(life: Life, scale: Scale) -> bool:
    return life.created_at < scale.began_at + scale.seconds and (
        life.ended_at is None or life.ended_at > scale.began_at
    )


def life_bar(life: Life, number: int, scale: Scale) -> str:
    y = UP + DOWN + 6 + POD * number
    end = scale.began_at + scale.seconds if life.ended_at is None else life.ended_at
    leaving = min(life.deleted_at or end, end)
    ready = min(life.ready_at or leaving, leaving)
    spans = ((life.created_at, ready, STARTING), (ready, leaving, READY), (leaving, end, LEAVING))
    parts = [text(-6, y + 9, life.name[-14:], f"text-anchor='end' fill='{FAINT}' font-size='11'")]
    for begin, finish, colour in spans:
        x = scale.at(begin)
        if (width := scale.at(finish) - x) > 0:
            parts.append(rect(x, y, width, POD - 4, colour))
    return "".join(parts)
