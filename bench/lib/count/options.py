"""The command line of bench/count."""

from dataclasses import dataclass, replace

from harness import options, values
from harness.servers import Server, served_by

from .schedule import Schedule, fit
from .servers import SERVERS

REQUESTS, QUICK_REQUESTS, RATE = 1000, 200, 25
QUICK_SERVERS = ("hard", "drain")

DESCRIPTION = """\
Restarts both replicas behind HAProxy in turn while vegeta asks for /incr, whose job adds 1 to a
counter in Redis some seconds after the answer. Exits 0 when lastcall answered every request and
counted each answer exactly once, and the --hard control lost some; else 1.

    bench/count                              1,000 requests at 25/s
    bench/count --requests 3000 --rate 50    3,000
    bench/count --requests 30000 --rate 500  30,000
    bench/count --chaos                      Redis restarts too, its connections are cut
    bench/count --write                      both, without chaos and with it: eight minutes
"""


@dataclass(frozen=True)
class Options(options.Restarts):
    servers: list[Server]
    schedule: Schedule

    @property
    def schedules(self) -> list[Schedule]:
        """The table that --write writes has a column without chaos and one with it."""
        if not self.write:
            return [self.schedule]
        return [replace(self.schedule, chaos=chaos) for chaos in (False, True)]


def parse(argv: list[str] | None = None) -> Options:
    parser = _parser()
    given = parser.parse_args(argv)
    requests = given.requests or (QUICK_REQUESTS if given.quick else REQUESTS)
    try:
        window, delay = fit(requests / given.rate, given.drain_window, given.job_delay)
    except ValueError as error:
        parser.error(str(error))
    servers = given.variant or (QUICK_SERVERS if given.quick else SERVERS)
    return Options(
        servers=[served_by(SERVERS[name], given.io) for name in dict.fromkeys(servers)],
        schedule=Schedule(requests, given.rate, window, delay, given.chaos),
        **parser.restarts(given),
    )


def _parser() -> options.Parser:
    parser = options.Parser("count", DESCRIPTION)
    add = parser.add_argument
    add("--quick", action="store_true", help="lastcall only, 200 requests; within a minute")
    add("--chaos", action="store_true", help="Redis is restarted too, and its connections cut")
    parser.add_names("--variant", SERVERS, "only these servers")
    add("--requests", type=values.whole(1, 10_000_000), metavar="N", help="to send (1000)")
    rate = values.whole(1, 20_000)
    add("--rate", type=rate, default=RATE, metavar="N", help=f"requests a second ({RATE})")
    duration = values.duration(0.1, 600)
    add("--drain-window", type=duration, metavar="DURATION", help="5s, or what fits the load")
    add("--job-delay", type=duration, metavar="DURATION", help="5s, or what fits the load")
    parser.add_restarts()
    return parser
