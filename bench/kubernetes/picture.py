"""An experiment as a picture: requests by the moment of their sending, and the pods beneath.

A panel a row. Upwards what was answered in slices of 100 ms, downwards what was lost; below, each
pod's life as a bar: starting, ready, told to go, gone.
"""

from dataclasses import dataclass
from html import escape

from harness.outcome import BIN_SECONDS

from .experiment import Row
from .pods import Life
from .trial import Run

INK, FAINT, GRID, PAPER = "#1f2933", "#616e7c", "#e4e7eb", "#ffffff"
ANSWERED, LOST = "#3b82a0", "#d64545"
STARTING, READY, LEAVING = "#cbd2d9", "#8fc1a9", "#f0b429"
FONT = "font-family='system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif'"
WIDTH, LEFT, MARGIN, HEAD = 860, 150, 28, 78
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


def picture(title: str, rows: list[Row]) -> str:
    panels, y = [], float(HEAD)
    for row in rows:
        text, height = panel(row)
        panels.append(f"<g transform='translate({MARGIN} {y:.0f})'>{text}</g>")
        y += height + GAP
    width, height = LEFT + WIDTH + 2 * MARGIN, y + MARGIN
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height:.0f}'"
        f" width='{width}' height='{height:.0f}' {FONT} font-size='12' fill='{INK}'>"
        f"<title>{escape(title)}</title><rect width='100%' height='100%' fill='{PAPER}'/>"
    )
    heading = words(MARGIN, 36, title, "font-size='20' font-weight='600'")
    return "\n".join([head, heading, legend(), *panels, "</svg>\n"])


def legend() -> str:
    entries = ((ANSWERED, "answered"), (LOST, "lost"), (STARTING, "pod starts"))
    entries += ((READY, "ready"), (LEAVING, "told to go"))
    parts, x = [], float(MARGIN)
    for colour, name in entries:
        parts += [box(x, 50, 12, 10, colour), words(x + 18, 59, name)]
        x += 40 + 7 * len(name)
    return "".join(parts)


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
        words(0, 12, title, "font-size='13' font-weight='600'"),
        words(0, 29, lost, f"fill='{LOST if row.lost else FAINT}'"),
        f"<g transform='translate({LEFT} {TITLE})'>{bars(run.tally.bins, scale)}",
        axes(scale),
        mark(scale.at(run.action_at), len(lives)),
        *(life_bar(life, number, scale) for number, life in enumerate(lives)),
        seconds_axis(scale, UP + DOWN + POD * len(lives) + 6),
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
            answered.append(f"M{x:.1f} {UP}v{-UP * good / scale.answered_max:.1f}h{width:.2f}V{UP}z")
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
        words(-6, 10, f"{scale.answered_max}", ends)
        + words(-6, UP + 4, "0 per 100 ms", ends)
        + stroke(0, UP, WIDTH, UP, GRID)
        + words(-6, UP + DOWN, f"{scale.lost_max}", f"text-anchor='end' fill='{LOST}'")
    )


def mark(x: float, lives: int) -> str:
    """The moment of the action."""
    return stroke(x, -4, x, UP + DOWN + POD * lives + 4, FAINT, " stroke-dasharray='4 3'")


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
    parts = [words(-6, y + 9, life.name[-14:], f"text-anchor='end' fill='{FAINT}' font-size='11'")]
    for begin, finish, colour in spans:
        x = scale.at(begin)
        if (width := scale.at(finish) - x) > 0:
            parts.append(box(x, y, width, POD - 4, colour))
    return "".join(parts)


def seconds_axis(scale: Scale, y: float) -> str:
    every = next((s for s in (1, 2, 5, 10, 20, 60) if scale.seconds / s <= 13), 600)
    parts = []
    for second in range(0, int(scale.seconds + 0.001) + 1, every):
        x = scale.x(second)
        parts.append(stroke(x, y, x, y + 4, FAINT))
        parts.append(words(x, y + 17, f"{second} s", f"text-anchor='middle' fill='{FAINT}'"))
    return "".join(parts)


def words(x: float, y: float, text: str, attributes: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {attributes}>{escape(text)}</text>"


def box(x: float, y: float, width: float, height: float, fill: str) -> str:
    size = f"width='{width:.1f}' height='{height:.1f}'"
    return f"<rect x='{x:.1f}' y='{y:.1f}' {size} fill='{fill}'/>"


def stroke(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    ends = f"x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}'"
    return f"<line {ends} stroke='{colour}'{more}/>"
