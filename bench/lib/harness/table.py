"""Rows as text: in columns that align for a terminal."""

import math


def align(lines: list[list[str]]) -> str:
    """The first two columns are names, to the left; the others are numbers."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def line(cells: list[str]) -> str:
        padded = (
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(lines[0]), rule, *map(line, lines[1:])])


def finite(value: float) -> float | None:
    """JSON has no NaN: without an answer there is no latency."""
    return round(value, 3) if math.isfinite(value) else None
