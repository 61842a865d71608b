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


def by_server(corner: str, columns: dict[str, str], rows: list, column_of, cell) -> str:
    """Markdown: a server a line, a column for each key of `columns` under its title.

    `column_of` tells the key of a row, `cell` what stands there; a promise is bold.
    """
    lines = [[corner, *columns.values()]]
    for name in dict.fromkeys(row.server.name for row in rows):
        mine = {column_of(row): row for row in rows if row.server.name == name}
        server = next(iter(mine.values())).server
        cells = [server.title, *(cell(mine[key]) if key in mine else "" for key in columns)]
        lines.append([bold(each, server.must_lose is False) for each in cells])
    return markdown(lines)
