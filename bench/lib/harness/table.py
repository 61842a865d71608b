"""Rows as text: in columns that align for a terminal, or as Markdown."""

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


def markdown(lines: list[list[str]]) -> str:
    """The first line is the head."""
    head, *others = ("".join(f" {cell} |" if cell else " |" for cell in each) for each in lines)
    return "\n".join(f"|{each}" for each in (head, "---|" * len(lines[0]), *others))


def bold(text: str, is_bold: bool = True) -> str:
    return f"**{text}**" if is_bold and text else text


def finite(value: float) -> float | None:
    """JSON has no NaN: without an answer there is no latency."""
    return round(value, 3) if math.isfinite(value) else None
