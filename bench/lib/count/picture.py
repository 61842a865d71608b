"""The result as a picture: requests answered and jobs counted over time, as SVG.

A panel a row of the table. Two curves, of what was answered and of what Redis has counted; the
second follows the first by a job's delay, and at the end they meet or something is lost. Below,
the lives of both replicas, and of Redis with what chaos did to it.
"""

from dataclasses import dataclass
from itertools import accumulate

from harness.outcome import BIN_SECONDS
from harness.svg import ANSWERED, BAND, FAINT, GRID, HALO, HEAD, LOST, MARGIN, SIGNAL
from harness.svg import head, line, rect, seconds_axis, text

from .chaos import STARTED
from .replicas import NAMES
from .row import Row
from .run import Run

COUNTED, ALIVE = "#2f855a", "#bcd5df"
LEFT, TITLE, BELOW = 66, 40, 34  # around the plot of a panel
WIDTH, HEIGHT = 860, 150  # of the plot
LANE, LANE_STEP = 10, 16  # a life below it
LANES = HEIGHT + 8
REDIS = "redis"
BOTTOM = LANES + 3 * LANE_STEP

LEGEND = (
    (line(0, -4, 12, -4, ANSWERED, 2.5), "answered 200", 116),
    (line(0, -4, 12, -4, COUNTED, 2.5), "counted in Redis", 132),
    (rect(0, -9, 12, 10, ALIVE), "alive", 66),
    (line(6, -11, 6, 3, SIGNAL, 1.5, dashed=True), "SIGTERM", 84),
    (rect(0, -9, 12, 10, BAND), "drains, until its exit", 156),
    (line(6, -11, 6, 3, LOST, 1.5), "all connections to Redis cut", 210),
)


@dataclass(frozen=True)
class Scale:
    """From Unix time and counts to pixels. Time is the same for all panels."""

    began_at: float
    seconds: float
    count_max: int

    def x(self, at: float) -> float:
        return self.x_of_second(at - self.began_at)

    def x_of_second(self, second: float) -> float:
        return WIDTH * min(max(second / self.seconds, 0), 1)

    def y(self, count: int) -> float:
        return HEIGHT * (1 - count / self.count_max)


def picture(rows: list[Row], subtitle: str) -> str:
    step = TITLE + BOTTOM + BELOW
    width = 2 * MARGIN + LEFT + WIDTH
    title = "Exactly once through a rolling restart: requests answered and jobs counted"
    parts = [head(width, HEAD + len(rows) * step + MARGIN, title, subtitle, LEGEND)]
    seconds = max((_seconds(row.worst) for row in rows), default=1)
    for number, row in enumerate(rows):
        y = HEAD + number * step
        parts.append(f"<g transform='translate({MARGIN} {y})'>{_panel(row, seconds)}</g>")
    return "\n".join([*parts, "</svg>\n"])


def _seconds(run: Run) -> float:
    ends = [event.at for event in run.events] + [at for at, _ in run.samples]
    return max(1.0, max(ends, default=0) - run.tally.began_at)


def _panel(row: Row, seconds: float) -> str:
    run = row.worst
    scale = Scale(run.tally.began_at, seconds, max(run.sent, run.counted, 1))
    title = f"{row.server.title} · {row.experiment}"
    return "\n".join(
        [
            text(LEFT, 14, title, "font-size='13' font-weight='600'"),
            text(LEFT, 31, summary(row), f"fill='{FAINT if run.is_exact else LOST}'"),
            f"<g transform='translate({LEFT} {TITLE})'>",
            _drains(run, scale),
            _axes(scale),
            _curve(_answers(run), scale, ANSWERED),
            _curve(_counts(run, seconds), scale, COUNTED),
            _gap(run, scale),
            _lanes(run, scale),
            "</g>",
        ]
    )


def summary(row: Row) -> str:
    run = row.worst
    many = f", the worst of {len(row.runs)} runs, {row.exact} exact" if len(row.runs) > 1 else ""
    return f"{run.sent:,} sent, {run.answered:,} answered, {run.counted:,} counted{many}"


def _answers(run: Run) -> list[tuple[float, int]]:
    sums = accumulate(answered for answered, _ in run.tally.bins)
    began = run.tally.began_at
    return [(began, 0), *((began + n * BIN_SECONDS, sum_) for n, sum_ in enumerate(sums, start=1))]


def _counts(run: Run, seconds: float) -> list[tuple[float, int]]:
    return [*run.samples, (run.tally.began_at + seconds, run.counted)]


def _curve(points: list[tuple[float, int]], scale: Scale, colour: str) -> str:
    """Drawn as steps, and only where the count changes."""
    path = [f"M{scale.x(points[0][0]):.1f} {scale.y(points[0][1]):.1f}"]
    for (_, before), (at, count) in zip(points, points[1:], strict=False):
        if count != before:
            path.append(f"H{scale.x(at):.1f}V{scale.y(count):.1f}")
    path.append(f"H{WIDTH}")
    return f"<path d='{''.join(path)}' fill='none' stroke='{colour}' stroke-width='1.8'/>"


def _gap(run: Run, scale: Scale) -> str:
    """The two curves at the end, if they have not met."""
    if run.difference == 0:
        return ""
    high, low = sorted((scale.y(run.counted), scale.y(run.answered)))
    words = f"{abs(run.difference):,} counted too {'few' if run.difference < 0 else 'many'}"
    end = f"text-anchor='end' fill='{LOST}' font-weight='600' {HALO}"
    mark = line(WIDTH, high, WIDTH, max(low, high + 3), LOST, 4)
    return mark + text(WIDTH - 8, HEIGHT - 10, words, end)


def _axes(scale: Scale) -> str:
    parts = []
    for count in (scale.count_max, 0):
        y = scale.y(count)
        parts.append(line(0, y, WIDTH, y, GRID))
        parts.append(text(-6, y + 4, f"{count:,}", f"text-anchor='end' fill='{FAINT}'"))
    parts.append(line(0, BOTTOM, WIDTH, BOTTOM, GRID))
    parts.append(seconds_axis(scale.seconds, scale.x_of_second, BOTTOM))
    return "".join(parts)


def _drains(run: Run, scale: Scale) -> str:
    spans = (span for name in NAMES for span in _spans(run, name))
    return "".join(
        _span(scale, began, ended, 0, HEIGHT, BAND)
        for began, ended, kind in spans
        if kind == "SIGTERM"
    )


def _lanes(run: Run, scale: Scale) -> str:
    parts = []
    for number, name in enumerate(NAMES):
        y = LANES + number * LANE_STEP
        parts.append(_name(y, name))
        for began, ended, kind in _spans(run, name):
            colour = BAND if kind == "SIGTERM" else ALIVE
            parts.append(_span(scale, began, ended, y, LANE, colour))
            if kind == "SIGTERM":
                x = scale.x(began)
                parts.append(line(x, 0, x, LANES, SIGNAL, dashed=True))
                parts.append(line(x, y, x, y + LANE, SIGNAL, 2))
    return "".join([*parts, _redis(run, scale, LANES + len(NAMES) * LANE_STEP)])


def _spans(run: Run, name: str) -> list[tuple[float, float, str]]:
    """The replica's life, cut where something happened: from, to, what it began with."""
    events = [event for event in run.events if event.replica == name]
    following = zip(events, events[1:], strict=False)
    return [(a.at, b.at, a.kind) for a, b in following if a.kind != "exit"]


def _redis(run: Run, scale: Scale, y: float) -> str:
    parts = [_name(y, REDIS)]
    alive_since = scale.began_at
    for deed in run.deeds:
        if deed.kind == STARTED:
            alive_since = deed.at
        elif deed.is_restart:
            parts.append(_span(scale, alive_since, deed.at, y, LANE, ALIVE))
    parts.append(_span(scale, alive_since, scale.began_at + scale.seconds, y, LANE, ALIVE))
    label = f"font-size='10' font-weight='600' fill='{LOST}' {HALO}"
    cuts = [scale.x(d.at) for d in run.deeds if d.kind != STARTED and not d.is_restart]
    restarts = [deed for deed in run.deeds if deed.is_restart]
    parts += (line(x, y, x, y + LANE, LOST, 1.5) for x in cuts)
    parts += (text(scale.x(deed.at) + 2, y + 9, deed.kind, label) for deed in restarts)
    return "".join(parts)


def _name(y: float, name: str) -> str:
    return text(-6, y + 9, name, f"text-anchor='end' font-size='11' fill='{FAINT}'")


def _span(
    scale: Scale, began: float, ended: float, y: float, height: float, colour: str
) -> str:
    return rect(scale.x(began), y, scale.x(ended) - scale.x(began), height, colour)
