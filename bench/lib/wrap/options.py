"""The command line of bench/wrap."""

from dataclasses import dataclass, replace

from harness import options, values
from harness.vegeta import ATTACKS
from rollout.options import DRAIN_WINDOW_SECONDS

from .programs import PROGRAMS, WAYS, Program, Way

QUICK_PROGRAM, QUICK_ATTACK = "go-exit", "post"
QUICK_WINDOW_SECONDS = 3.0

DESCRIPTION = """\
Restarts programs that know nothing of it, bare and behind `lastcall --`, replica by replica behind
HAProxy while vegeta attacks, and counts what is lost. Exits 0 when nothing was lost behind lastcall
and each program lost something bare, else 1.
"""


@dataclass(frozen=True)
class Options(options.Restarts):
    programs: list[Program]
    ways: list[Way]
    attacks: list[str]  # names
    rate: int
    replicas: int
    drain_window: float


def parse(argv: list[str] | None = None) -> Options:
    parser = _parser()
    given = parser.parse_args(argv)
    programs = given.program or ([QUICK_PROGRAM] if given.quick else list(PROGRAMS))
    ways = given.way or (["bare", "lastcall"] if given.quick else list(WAYS))
    attacks = given.attack or ([QUICK_ATTACK] if given.quick else list(ATTACKS))
    window = given.drain_window
    if window is None:
        window = QUICK_WINDOW_SECONDS if given.quick else DRAIN_WINDOW_SECONDS
    return Options(
        programs=[PROGRAMS[name] for name in dict.fromkeys(programs)],
        ways=[served_by(WAYS[name], given.io) for name in dict.fromkeys(ways)],
        attacks=list(dict.fromkeys(attacks)),
        rate=given.rate,
        replicas=given.replicas,
        drain_window=window,
        **parser.restarts(given),
    )


def served_by(way: Way, engine: str | None) -> Way:
    """By this engine, unless it has one of its own."""
    if way.is_bare or way.flags or not engine:
        return way
    return replace(way, flags=("--io", engine))


def _parser() -> options.Parser:
    parser = options.Parser("wrap", DESCRIPTION)
    add = parser.add_argument
    quick = f"{QUICK_PROGRAM}, bare and behind lastcall, POST only; within a minute"
    add("--quick", action="store_true", help=quick)
    parser.add_names("--program", PROGRAMS, "only these")
    parser.add_names("--way", WAYS, "only started so")
    parser.add_names("--attack", ATTACKS, "only these kinds of load; all of them come at once")
    what = "requests a second of each attack (1000, and what Flask can do)"
    add("--rate", type=values.whole(1, 20_000), default=1000, help=what)
    what = "between SIGTERM and the listener's end (5s)"
    add("--drain-window", type=values.duration(0, 600), metavar="DURATION", help=what)
    add("--replicas", type=values.whole(1, 16), default=2, help="how many to restart (2)")
    parser.add_restarts()
    return parser
