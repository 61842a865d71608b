"""The results as a table for people, as Markdown, and as objects for JSON."""

from harness.table import align, bold, markdown

from .result import Result


def table(results: list[Result]) -> str:
    head = ["listener closed by", "sample", "connected", "lost", "reset", "EOF", "per close"]
    head += ["refused", "hung", "late", "seconds"]
    return align([head, *map(cells, results)])


def cells(result: Result) -> list[str]:
    counts = (result.connected, result.lost, result.reset, result.cut)
    late = result.accepted_after_unlisten + result.accepted_in_sweep
    return [
        result.title,
        f"{result.closes:,} closes",
        *(f"{count:,}" for count in counts),
        f"{result.lost / result.closes:.2f}",
        f"{result.refused:,}",
        f"{result.timed_out:,}",
        f"{late:,}" if result.way == "unlisten" else ".",
        f"{result.seconds:.0f}",
    ]


def compact(results: list[Result]) -> str:
    """Markdown: who had connected and was lost all the same."""
    first = results[0]
    what = f"{first.closes:,} closes under {first.listeners * first.clients} clients by"
    lines = [[what, "connected", "then lost"]]
    for each in results:
        cells = [each.title, f"{each.connected:,}", f"{each.lost:,}"]
        lines.append([bold(cell, each.way == "unlisten") for cell in cells])
    return markdown(lines)


def as_object(result: Result) -> dict:
    derived = {"title": result.title, "connected": result.connected, "lost": result.lost}
    return derived | vars(result) | {"broken_promises": result.broken_promises()}
