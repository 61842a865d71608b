"""The command line of bench/rollout."""

from dataclasses import dataclass

from harness import options, values
from harness.servers import Server, served_by
from harness.vegeta import ATTACKS, Attack

from .run import LEAD_SECONDS
from .servers import SERVERS

DRAIN_WINDOW_SECONDS = 5.0
REPLICA_SECONDS = 3.0  # what a replica takes beyond its window: start, health check, close
REPLICA_SECONDS_MIN = 1.5
TAIL_SECONDS = 2.0  # of load after the last exit, to show that all is well again
TAIL_SECONDS_MIN = 0.5

DESCRIPTION = """\
Restarts replicas behind HAProxy one by one while vegeta attacks, and counts what is lost.
Exits 0 when lastcall lost nothing and each --hard control lost something, else 1.
"""


@dataclass(frozen=True)
class Options(options.Restarts):
    servers: list[Server]
    attacks: list[Attack]
    rate: int
    seconds: float
    replicas: int
    drain_window: float


def parse(argv: list[str] | None = None) -> Options:
    parser = _parser()
    given = parser.parse_args(argv)
    try:
        seconds, drain_window = fit(given.duration, given.drain_window, given.replicas)
    except ValueError as error:
        parser.error(str(error))
    quick_servers, quick_attacks = ["hard", "drain"], ["post"]
    servers = given.variant or (quick_servers if given.quick else list(SERVERS))
    attacks = given.attack or (quick_attacks if given.quick else list(ATTACKS))
    return Options(
        servers=[served_by(SERVERS[name], given.io) for name in dict.fromkeys(servers)],
        attacks=[ATTACKS[name] for name in dict.fromkeys(attacks)],
        rate=given.rate,
        seconds=seconds,
        replicas=given.replicas,
        drain_window=drain_window,
        **parser.restarts(given),
    )


def fit(seconds: float | None, window: float | None, replicas: int) -> tuple[float, float]:
    """Duration and drain window that fit each other: what is not given follows what is.

    The load has to last longer than the rollout, or the end of it is not under load.
    """
    if seconds is None:
        window = DRAIN_WINDOW_SECONDS if window is None else window
        return LEAD_SECONDS + TAIL_SECONDS + replicas * (window + REPLICA_SECONDS), window
    room = (seconds - LEAD_SECONDS - TAIL_SECONDS_MIN) / replicas - REPLICA_SECONDS_MIN
    if window is None and room >= 1:
        return seconds, min(DRAIN_WINDOW_SECONDS, round(room, 1))
    wanted = 1 if window is None else window
    if wanted > room:
        needed = LEAD_SECONDS + TAIL_SECONDS_MIN + replicas * (wanted + REPLICA_SECONDS_MIN)
        raise ValueError(
            f"argument --duration: {seconds:g}s is too short to roll {replicas} replicas"
            f" with a drain window of {wanted:g}s: give at least {needed:g}s"
        )
    return seconds, wanted


def _parser() -> options.Parser:
    parser = options.Parser("rollout", DESCRIPTION)
    add = parser.add_argument
    add("--quick", action="store_true",
        help="lastcall and its --hard control, POST only; within a minute")
    parser.add_names("--variant", SERVERS, "only these servers")
    parser.add_names("--attack", ATTACKS, "only these kinds of load")
    add("--rate", type=values.whole(1, 20_000), default=1000, help="requests a second (1000)")
    _add_durations(add)
    add("--replicas", type=values.whole(1, 16), default=2, help="how many to restart (2)")
    parser.add_restarts()
    return parser


def _add_durations(add) -> None:
    add(
        "--duration",
        type=values.duration(1, 3600),
        metavar="DURATION",
        help="of the load in each rollout (long enough for the drain windows; 20s)",
    )
    add(
        "--drain-window",
        type=values.duration(0, 600),
        metavar="DURATION",
        help="between SIGTERM and the listener's end (5s, or what fits --duration)",
    )
