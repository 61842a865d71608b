"""What the pictures have in common: colours, the head with its legend, lines, rectangles, text."""

from collections.abc import Callable, Iterable
from html import escape

INK, FAINT, GRID, PAPER = "#1f2933", "#616e7c", "#e4e7eb", "#ffffff"
ANSWERED, LOST, BAND, SIGNAL = "#3b82a0", "#d64545", "#fdf0cd", "#b7791f"
FONT = "font-family='system-ui, -apple-system, Segoe UI, DejaVu Sans, sans-serif'"
HALO = f"stroke='{PAPER}' stroke-width='3' paint-order='stroke'"  # text legible over lines

MARGIN = 28
HEAD = 108  # title, what was run, legend
LETTER_PIXELS = 6.5
TICKS_MAX = 13


def head(
    width: float,
    height: float,
    title: str,
    subtitle: str,
    legend: Iterable[tuple[str, str, int]],
) -> str:
    """Opens the picture. `legend`: a mark, its label, and the pixels that both need."""
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}'"
            f" width='{width:.0f}' height='{height:.0f}' {FONT} font-size='12' fill='{INK}'>",
            f"<title>{escape(title)}</title>",
            f"<rect width='100%' height='100%' fill='{PAPER}'/>",
            text(MARGIN, 40, title, "font-size='20' font-weight='600'"),
            text(MARGIN, 62, subtitle, f"fill='{FAINT}'"),
            f"<g transform='translate({MARGIN} 86)'>{_legend(legend)}</g>",
        ]
    )


def _legend(entries: Iterable[tuple[str, str, int]]) -> str:
    parts, x = [], 0
    for mark, label, width in entries:
        parts.append(f"<g transform='translate({x} 0)'>{mark}{text(18, 0, label)}</g>")
        x += width
    return "".join(parts)


def seconds_axis(seconds: float, to_x: Callable[[float], float], bottom: float) -> str:
    parts = []
    steps = (1, 2, 5, 10, 20, 60, 600)
    every = next(s for s in steps if seconds / s <= TICKS_MAX or s == steps[-1])
    for second in range(0, int(seconds + 0.001) + 1, every):
        x = to_x(second)
        parts.append(line(x, bottom, x, bottom + 4, FAINT))
        parts.append(text(x, bottom + 17, f"{second} s", f"text-anchor='middle' fill='{FAINT}'"))
    return "".join(parts)


def labels(kind: str, marks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """One label for marks so close to each other that theirs would overlap."""
    merged: list[tuple[float, str]] = []
    for x, replica in marks:
        if merged and x < merged[-1][0] + LETTER_PIXELS * (len(merged[-1][1]) + 1):
            merged[-1] = (merged[-1][0], f"{merged[-1][1]}, {replica}")
        else:
            merged.append((x, f"{kind} {replica}"))
    return merged


def text(x: float, y: float, words: str, attributes: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {attributes}>{escape(words)}</text>"


def rect(x: float, y: float, width: float, height: float, fill: str) -> str:
    size = f"width='{width:.1f}' height='{height:.1f}'"
    return f"<rect x='{x:.1f}' y='{y:.1f}' {size} fill='{fill}'/>"


def line(x1, y1, x2, y2, colour: str, width: float = 1, dashed: bool = False) -> str:
    dash = " stroke-dasharray='4 3'" if dashed else ""
    ends = f"x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}'"
    return f"<line {ends} stroke='{colour}' stroke-width='{width}'{dash}/>"
