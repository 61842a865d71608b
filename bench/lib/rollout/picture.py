"""The result as a picture: each rollout over time, in slices of 100 ms, as SVG.

A panel a row of the table. Upwards what was answered, downwards what was lost, both by the
moment the request was sent; a lost one is never too small to be seen. Each replica's drain, from
SIGTERM to exit, is a band. Panels of one server stand side by side, an attack each.
"""

from dataclasses import dataclass

from harness.outcome import BIN_SECONDS, HEADINGS, LOSSES
from harness.replica import Event
from harness.svg import ANSWERED, BAND, FAINT, GRID, HALO, HEAD, LOST, MARGIN, SIGNAL
from harness.svg import head, labels, line, rect, seconds_axis, text

from .row import Row

EXIT = "#1f2933"
GAP = 30  # between panels side by side
LEFT, TITLE, MARKS, BELOW = 46, 40, 30, 40  # around the plot of a panel
UP, DOWN = 84, 44  # heights of the two halves of the plot
LOST_PIXELS_MIN = 3
WIDE, NARROW = 860, 430  # widths of a plot: one attack, or several side by side


@dataclass(frozen=True)
class Scale:
    """From seconds and requests to pixels, the same for all panels."""

    width: float
    seconds: float
    answered_max: int
    lost_max: int

    def x(self, seconds: float) -> float:
        return self.width * min(max(seconds / self.seconds, 0), 1)

    def up(self, answered: int) -> float:
        return UP * answered / self.answered_max

    def down(self, lost: int) -> float:
        return max(DOWN * lost / self.lost_max, LOST_PIXELS_MIN) if lost else 0.0


def picture(rows: list[Row], subtitle: str) -> str:
    servers = list(dict.fromkeys(row.server.name for row in rows))
    attacks = list(dict.fromkeys(row.attack.name for row in rows))
    scale = _scale(rows, WIDE if len(attacks) == 1 else NARROW)
    step_x = LEFT + scale.width + GAP
    step_y = TITLE + MARKS + UP + DOWN + BELOW
    width = 2 * MARGIN + len(attacks) * step_x - GAP
    height = HEAD + len(servers) * step_y + MARGIN
    title = "A rolling restart under load: requests answered and lost"
    parts = [head(width, height, title, subtitle, LEGEND)]
    for row in rows:
        x = MARGIN + attacks.index(row.attack.name) * step_x
        y = HEAD + servers.index(row.server.name) * step_y
        parts.append(f"<g transform='translate({x:.0f} {y:.0f})'>{_panel(row, scale)}</g>")
    return "\n".join([*parts, "</svg>\n"])


def _scale(rows: list[Row], width: float) -> Scale:
    bins = [each for row in rows for each in row.worst.tally.bins]
    seconds = max((len(row.worst.tally.bins) * BIN_SECONDS for row in rows), default=0)
    return Scale(
        width=width,
        seconds=max(seconds, BIN_SECONDS),
        answered_max=max((answered for answered, _ in bins), default=0) or 1,
        lost_max=max((lost for _, lost in bins), default=0) or 1,
    )


LEGEND = (
    (rect(0, -9, 12, 10, ANSWERED), "answered", 90),
    (rect(0, -9, 12, 10, LOST), "lost", 62),
    (rect(0, -9, 12, 10, BAND), "a replica drains", 130),
    (line(6, -11, 6, 3, SIGNAL, 2), "SIGTERM", 84),
    (line(6, -11, 6, 3, EXIT, 1.5, dashed=True), "exit", 56),
)


def _panel(row: Row, scale: Scale) -> str:
    worst = row.worst
    title = f"{row.server.title} · {row.attack.title}"
    origin = f"<g transform='translate({LEFT} {TITLE + MARKS})'>"
    return "\n".join(
        [
            text(LEFT, 14, title, "font-size='13' font-weight='600'"),
            text(LEFT, 31, _summary(row), f"fill='{LOST if row.lost else FAINT}'"),
            origin,
            _bands(worst.events, worst.tally.began_at, scale),
            _axes(scale),
            _bars(worst.tally.bins, scale),
            _signals(worst.events, worst.tally.began_at, scale),
            "</g>",
        ]
    )


def _summary(row: Row) -> str:
    counts = [(HEADINGS.get(name, name), row.lost_by[name]) for name in LOSSES]
    lost_by = ", ".join(f"{name} {count:,}" for name, count in counts if count)
    many = f" in {len(row.runs)} rollouts, the worst shown" if len(row.runs) > 1 else ""
    lost = f"{row.lost:,} of {row.requests:,} lost{many}"
    return f"{lost}: {lost_by}" if lost_by else lost


def _bars(bins: list[list[int]], scale: Scale) -> str:
    """Two paths rather than a rectangle a slice: a tenth of the bytes."""
    answered, lost = [], []
    width = scale.x(BIN_SECONDS)
    for index, counts in enumerate(bins):
        x, high, low = scale.x(index * BIN_SECONDS), scale.up(counts[0]), scale.down(counts[1])
        if high:
            answered.append(f"M{x:.1f} {UP}v{-high:.1f}h{width:.2f}V{UP}z")
        if low:
            lost.append(f"M{x:.1f} {UP + 1}v{low:.1f}h{width:.2f}V{UP + 1}z")
    return (
        f"<g shape-rendering='crispEdges'><path d='{''.join(answered)}' fill='{ANSWERED}'/>"
        f"<path d='{''.join(lost)}' fill='{LOST}'/></g>"
    )


def _axes(scale: Scale) -> str:
    parts = []
    for count in (scale.answered_max, 0):
        y = UP - scale.up(count)
        parts.append(line(0, y, scale.width, y, GRID))
        parts.append(text(-6, y + 4, f"{count}", f"text-anchor='end' fill='{FAINT}'"))
    bottom = UP + DOWN + 1
    parts.append(text(-6, bottom + 3, f"{scale.lost_max}", f"text-anchor='end' fill='{LOST}'"))
    parts.append(line(0, bottom, scale.width, bottom, GRID))
    parts.append(seconds_axis(scale.seconds, scale.x, bottom))
    label = text(0, 0, "per 100 ms", f"font-size='11' fill='{FAINT}'")
    parts.append(f"<g transform='translate({8 - LEFT} {UP}) rotate(-90)'>{label}</g>")
    return "".join(parts)


def _bands(events: list[Event], began_at: float, scale: Scale) -> str:
    ends = {event.replica: event.at for event in events if event.kind == "exit"}
    parts = []
    for event in events:
        if event.kind == "SIGTERM" and event.replica in ends:
            x = scale.x(event.at - began_at)
            width = scale.x(ends[event.replica] - began_at) - x
            parts.append(rect(x, 0, width, UP + DOWN + 1, BAND))
    return "".join(parts)


def _signals(events: list[Event], began_at: float, scale: Scale) -> str:
    """The SIGTERMs are named in the upper row, the exits in the lower."""
    parts = []
    for kind, y, colour in (("SIGTERM", -19, SIGNAL), ("exit", -6, EXIT)):
        marks = [(scale.x(e.at - began_at), e.replica) for e in events if e.kind == kind]
        for x, _ in marks:
            parts.append(line(x, y + 3, x, UP + DOWN + 1, colour, 1.5, dashed=kind == "exit"))
        for x, label in labels(kind, marks):
            parts.append(text(x + 3, y, label, f"font-size='11' fill='{colour}' {HALO}"))
    return "".join(parts)
