"""What became of one request, and of many.

A request is answered when its own complete and correct answer came. Anything else is lost,
and has a class; a retry that would have helped is not asked about.
"""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

ANSWERED = "answered"
REFUSED = "refused"
RESET = "reset"
EOF = "eof"
TIMEOUT = "timeout"
STATUS_5XX = "5xx"
WRONG = "wrong"  # an answer, but another status or another body than asked for
OTHER = "other"
HARNESS = "harness"  # the harness ran out of ports or files: the run is invalid
LOSSES = (REFUSED, RESET, EOF, TIMEOUT, STATUS_5XX, WRONG, OTHER, HARNESS)
HEADINGS = {EOF: "EOF"}  # where people read it

# The first match wins: an error may name both the call that failed and its time-out.
ERROR_CLASSES = (
    ("cannot assign requested address", HARNESS),
    ("address already in use", HARNESS),
    ("too many open files", HARNESS),
    ("no buffer space available", HARNESS),
    ("connection refused", REFUSED),
    ("connection reset", RESET),
    ("broken pipe", RESET),
    ("timeout", TIMEOUT),
    ("deadline exceeded", TIMEOUT),
    ("server closed idle connection", EOF),
    ("eof", EOF),
    ("malformed", WRONG),
)

BIN_SECONDS = 0.1


@dataclass(frozen=True)
class Result:
    """One request as the load generator saw it. Times in seconds; code 0 is no answer."""

    sent_at: float
    latency: float
    code: int
    error: str
    body: bytes
    server: str = ""  # who answered, where answers are signed


def classify(result: Result, expected: bytes | None) -> str:
    """ANSWERED or one of LOSSES. A body cut short comes with a good status and an error.

    `expected`: the body that the answer must have, None for any.
    """
    if result.code >= 500:
        return STATUS_5XX
    if result.code not in (0, 200):
        return WRONG
    if result.error:
        return classify_error(result.error)
    right = result.code == 200 and expected in (None, result.body)
    return ANSWERED if right else WRONG


def classify_error(error: str) -> str:
    lowered = error.lower()
    return next((name for text, name in ERROR_CLASSES if text in lowered), OTHER)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest rank: the smallest value that `percent` of all values do not exceed."""
    if not ordered:
        return math.nan
    rank = math.ceil(len(ordered) * percent / 100)
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def bound_of_none(count: int) -> float:
    """The largest rate of loss, at 95 %, that 0 lost of `count` is still compatible with."""
    return min(1.0, 3 / count) if count else 1.0


def most(count: int) -> str:
    """What 0 of `count` allows to say."""
    return f"at most {100 * bound_of_none(count):.2g} % at 95 %"


@dataclass
class Tally:
    """Requests counted: in all, by class of loss, and per BIN_SECONDS of their sending."""

    latencies: array = field(default_factory=lambda: array("d"))  # of the answered ones
    lost_by: Counter = field(default_factory=Counter)
    bins: list[list[int]] = field(default_factory=list)  # [answered, lost]
    began_at: float = 0.0  # Unix time of the first result's sending
    served: dict[str, list[int]] = field(default_factory=dict)  # answered per bin, by server

    @property
    def answered(self) -> int:
        return len(self.latencies)

    @property
    def lost(self) -> int:
        return self.lost_by.total()

    @property
    def requests(self) -> int:
        return self.answered + self.lost


def tally(results: Iterable[Result], expected: bytes | None) -> Tally:
    """Takes results one by one, in about the order of their sending: there may be millions."""
    counted = Tally()
    for result in results:
        counted.began_at = counted.began_at or result.sent_at
        verdict = classify(result, expected)
        index = max(0, int((result.sent_at - counted.began_at) / BIN_SECONDS))
        while len(counted.bins) <= index:
            counted.bins.append([0, 0])
        counted.bins[index][verdict != ANSWERED] += 1
        if verdict == ANSWERED:
            counted.latencies.append(result.latency)
            if result.server:
                served = counted.served.setdefault(result.server, [])
                served += [0] * (index + 1 - len(served))
                served[index] += 1
        else:
            counted.lost_by[verdict] += 1
    return counted
