"""What is asked, a row of the result each: closed loops, steady rates, one who takes too much."""

from dataclasses import dataclass

from harness.network import LOOPBACK

# What a server must be able to do for a row; what each of the others can is in peers.py.
HELLO, CONTENTS, ECHO, UPLOAD = "hello", "contents", "echo", "upload"
CLOSES = "closes"  # a connection, where the client asks for it
MANY_IDLE = "many idle"
WAITS = "waits"  # for the turn's end, before it answers

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Load:
    """wrk in a closed loop. `floors`: they stand beside it, since they understand no request."""

    name: str
    title: str
    connections: int = 64
    pipelined: int = 1
    headers: tuple[str, ...] = ()
    target: str = "/"
    posted: int = 0  # bytes of content in each request
    needs: frozenset[str] = frozenset({HELLO})
    floors: bool = False
    closes_each: int = 0  # one of so many requests ends its connection; 0: none
    idle: int = 0  # connections that have had an answer, and ask nothing more
    mixed: bool = False  # of what MIXED in wrk.py has

    @property
    def of_sample(self) -> bool:
        """Asks for the hello alone: lastcall is the sample service, and not bench/service.cc."""
        return self.needs <= {HELLO, CLOSES, MANY_IDLE}

    def head(self, port: int) -> bytes:
        """Of a request as wrk sends it; of all of them but where they are mixed."""
        method = "POST" if self.posted else "GET"
        lines = [f"{method} {self.target} HTTP/1.1", f"Host: {LOOPBACK}:{port}", *self.headers]
        lines += [f"Content-Length: {self.posted}"] if self.posted else []
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()

    def request_bytes(self, port: int) -> int:
        return len(self.head(port)) + self.posted


# With Host 163 bytes where the port has four digits: the request of bench/request_cost.cc.
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64)",
    "Accept: text/html,*/*;q=0.8",
    "Accept-Language: en, de",
    "Connection: keep-alive",
)
CLOSE = ("Connection: close",)


def _post(name: str, title: str, size: int) -> Load:
    needs = frozenset({ECHO})
    return Load(name, f"POST {title}, echoed", target="/echo", posted=size, needs=needs)


def _get(name: str, title: str, target: str) -> Load:
    return Load(name, f"GET {title}", target=target, needs=frozenset({CONTENTS}))


KEEP_ALIVE = Load("keep-alive", "64 connections", floors=True)
MANY = Load("many", "1,024 connections", 1024, floors=True)
LOADS = (
    KEEP_ALIVE,
    MANY,
    Load("pipelined", "64 connections, pipelined x 16", pipelined=16, floors=True),
    Load(
        "browsers",
        "64 connections, pipelined x 16, a browser's head",
        pipelined=16,
        headers=BROWSER,
        floors=True,
    ),
    Load(
        "idle",
        "64 connections beside 10,000 idle",
        idle=10_000,
        needs=frozenset({HELLO, MANY_IDLE}),
        floors=True,
    ),
    Load("ten", "10 requests a connection", closes_each=10, needs=frozenset({HELLO, CLOSES})),
    Load(
        "one",
        "1 request a connection",
        headers=CLOSE,
        closes_each=1,
        needs=frozenset({HELLO, CLOSES}),
    ),
    _post("post-1k", "1 KiB", KIB),
    _post("post-64k", "64 KiB", 64 * KIB),
    _post("post-1m", "1 MiB", MIB),
    _get("get-16k", "16 KiB", "/16k"),
    _get("get-64k", "64 KiB", "/64k"),
    _get("get-1m", "1 MB", "/1m"),
    Load("mixed", "mixed: GET, POST 1 KiB", mixed=True, needs=frozenset({HELLO, CONTENTS, ECHO})),
)
# Beside no others: what a coroutine costs that has waited, of an answer that is made at once.
COROUTINES = Load(
    "coroutines",
    "64 connections, pipelined x 16, coroutines",
    pipelined=16,
    needs=frozenset({HELLO, WAITS}),
)


@dataclass(frozen=True)
class SteadyLoad:
    """Requests for the hello at a rate. `uploads`: connections that upload 1 MiB meanwhile."""

    name: str
    title: str
    rate: int
    connections: int = 64
    uploads: int = 0
    needs: frozenset[str] = frozenset({HELLO})

    @property
    def floors(self) -> bool:
        return not self.uploads

    @property
    def of_sample(self) -> bool:
        return not self.uploads


FIXED_RATE = SteadyLoad("fixed-rate", "1,000/s", 1000)
NEIGHBOUR = SteadyLoad(
    "neighbour", "500/s beside 64 uploads", 500, uploads=64, needs=frozenset({HELLO, UPLOAD})
)
STEADY_LOADS = (FIXED_RATE, NEIGHBOUR)
UPLOADS = Load("uploads", "64 uploads", NEIGHBOUR.uploads, target="/upload", posted=MIB)

# What one who pipelines far too much leaves to those who do not. He has two connections because
# wrk never ends where one has had more than a million answers a second.
GREEDY = Load("greedy", "two connections, pipelined x 1,000", 2, 1000)
OTHERS = KEEP_ALIVE

NAMES = tuple(each.name for each in (*LOADS, COROUTINES, *STEADY_LOADS, GREEDY))
