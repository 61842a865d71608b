"""The result as tables for people, as Markdown, and as an object for JSON."""

from dataclasses import dataclass

from harness.table import align, markdown
from throughput.cpus import Pair
from throughput.rounds import Row

from .latencies import PERCENTS, Latencies
from .proxies import EPOLL, HAPROXY, LASTCALL, NGINX

# Of lastcall's cost, by io_uring and 64 connections.
RATIO_MAX = {NGINX: 1.0, HAPROXY: 1.1}
ADDED_MS_MAX = 0.2  # to the p99; or what a peer adds, where waking a processor takes longer
OURS = (LASTCALL, EPOLL)
PEERS = (NGINX, HAPROXY)


@dataclass(frozen=True)
class Result:
    pair: Pair
    rows: list[Row]
    latencies: Latencies

    @property
    def judged(self) -> Row:
        return self.rows[0]


def failures(result: Result) -> list[str]:
    """The goals that were missed."""
    row = result.judged
    missed = [
        f"{row.load.title}: lastcall takes {row.ratio(LASTCALL, peer):.2f} of {peer}'s, over {most}"
        for peer, most in RATIO_MAX.items()
        if peer in row.turns and row.ratio(LASTCALL, peer) > most
    ]
    latencies = result.latencies
    added = latencies.added(LASTCALL, 99)
    theirs = [latencies.added(peer, 99) for peer in PEERS if peer in latencies.proxies]
    most = max([ADDED_MS_MAX, *theirs])
    if added > most:
        missed.append(f"lastcall adds {added:.2f} ms to the p99, over {most:.2f}")
    return missed


def report(result: Result) -> str:
    head = ["load", "proxy", "CPU us/request", "requests/s", "user %"]
    lines = [
        [
            row.load.title,
            name,
            f"{row.cpu_us(name):.3f}",
            f"{row.per_second(name):,.0f}",
            f"{100 * row.user_share(name):.0f}",
        ]
        for row in result.rows
        for name in row.turns
    ]
    return f"{align([head, *lines])}\n\n{latency_table(result.latencies)}"


def latency_table(found: Latencies) -> str:
    head = ["load", "proxy", *(f"added to p{percent}, ms" for percent in PERCENTS)]
    lines = [
        [f"{found.rate:,}/s", name, *(f"{found.added(name, each):+.2f}" for each in PERCENTS)]
        for name in found.proxies
    ]
    return align([head, *lines])


def compact(result: Result) -> str:
    """Markdown: a peer a column of what lastcall costs beside it, and what is added to the p99."""
    peers = [name for name in PEERS if name in result.judged.turns]
    lines = [["CPU per proxied request", *(f"of {peer}'s" for peer in peers), "of io_uring's"]]
    for row in result.rows:
        for mine in OURS:
            cells = [spread(row, mine, peer) for peer in peers]
            beside = spread(row, mine, LASTCALL) if mine != LASTCALL else ""
            lines.append([f"{mine}, {row.load.title}", *cells, beside])
    found = result.latencies
    added = [[f"added at {found.rate:,}/s", *found.proxies]]
    for percent in PERCENTS:
        cells = [f"{found.added(name, percent):.2f} ms" for name in found.proxies]
        added.append([f"to the p{percent}", *cells])
    return f"{markdown(lines)}\n\n{markdown(added)}"


def spread(row: Row, mine: str, other: str) -> str:
    """The median of the rounds, and the least and the most."""
    ratios = row.ratios(mine, other)
    return f"{row.ratio(mine, other):.2f} ({min(ratios):.2f} – {max(ratios):.2f})"


def sample(result: Result) -> str:
    turns = next(iter(result.judged.turns.values()))
    return (
        f"Medians of {len(turns)} rounds of {turns[0].seconds} s, in brackets the least and the"
        f" most; `GET /`, {result.judged.request_bytes} bytes; one upstream for all, on the load's"
        f" CPU; {result.pair.describe()}."
    )


def as_object(result: Result) -> dict:
    return {
        "cpus": vars(result.pair),
        "rows": [row.as_object(name) for row in result.rows for name in row.turns],
        "latency_ms": result.latencies.ms,
    }
