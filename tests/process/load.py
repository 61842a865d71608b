"""Clients that count precisely: one thread, non-blocking sockets, and a signal at a chosen moment.

Each client is a closed loop of its own kind (KINDS). What it saw goes into a Tally; what it counts
as a loss follows the rules of HTTP/1.1:

  lost         sent on an open connection, and no complete answer of its own came
  refused      ECONNREFUSED: nothing was sent, always safe to try again. Counted apart
  unprocessed  sent behind a request whose answer said close: the client knows, and may try again
  nothing      a FIN on a connection where the client had asked for nothing: it looks before it
               sends, as any client must, so that only a FIN that crosses its request is a loss
"""

import collections
import errno
import heapq
import random
import selectors
import signal
import socket
import time
from dataclasses import dataclass, field

from harness import Server, parse_answer, patience

HELLO = b"hello world"
SLOW_BODY = b'{"message": "Hello, World!"}'
# A client that has been idle longer than this opens a new connection, as pools do: the server may
# half-close a connection that is silent when its listener has settled, 50 ms after un-listen.
IDLE_SECONDS = 0.04


@dataclass
class Tally:
    connected: int = 0
    sent: int = 0
    answered: int = 0
    unprocessed: int = 0
    told_to_close: int = 0
    refused_at: list = field(default_factory=list)  # instants of time.monotonic()
    idle_eof_at: list = field(default_factory=list)  # of FINs where nothing was asked
    close_at: list = field(default_factory=list)    # of answers that said close by themselves
    losses: list = field(default_factory=list)
    wrong: list = field(default_factory=list)
    signaled_at: float = 0.0


def request(method, path, body=b"", close=False):
    fields = "Connection: close\r\n" if close else ""
    if method == "POST":
        fields += f"Content-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: load\r\n{fields}\r\n".encode() + body


# ---- the kinds: each returns a batch, [(bytes, the body to expect)], and whether it is the last
# of its connection

def keep_alive_get(rng, _):
    return [(request("GET", "/"), HELLO)], False


def keep_alive_post(rng, token):
    body = token * rng.randrange(1, 300)
    return [(request("POST", "/echo", body), body)], False


def one_shot_get(rng, _):
    return [(request("GET", "/", close=True), HELLO)], True


def one_shot_post(rng, token):
    return [(request("POST", "/echo", token, close=True), token)], True


def pipelined(rng, token):
    # Below one receive buffer together, so that no answer says close in the middle of a batch.
    batch = []
    for n in range(rng.randrange(2, 9)):
        body = token + b"%d" % n
        batch.append((request("POST", "/echo", body), body) if n % 2 else
                     (request("GET", "/"), HELLO))
    return batch, False


def slow(rng, _):
    return [(request("GET", f"/slow?ms={rng.randrange(1, 150)}"), SLOW_BODY)], False


KINDS = [keep_alive_get, keep_alive_post, one_shot_get, one_shot_post, pipelined, slow]


class LoadClient:
    """One closed loop: connect, ask, read, think; a new connection when the old one is over."""

    def __init__(self, load, kind, number):
        self.load = load
        self.kind = kind
        self.name = f"{kind.__name__} {number}"
        self.token = b"<%d>" % number
        self.asked = 0
        self.socket = None
        self.over = False
        # Half of them wait for the server's FIN after an announced close, as RFC 9112 section 9.6
        # lets them; the others close at once.
        self.waits_for_eof = number % 2 == 0

    def connect(self):
        if self.load.is_over():
            self.end()
            return
        self.data = bytearray()
        self.out = b""
        self.expected = collections.deque()
        self.last = False       # no further request on this connection
        self.idle_since = None  # the last answer's instant while nothing is asked
        self.connecting = True
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = self.socket.connect_ex(("127.0.0.1", self.load.port))
        if error not in (0, errno.EINPROGRESS):
            self.on_connected(error)
            return
        self.load.selector.register(self.socket, selectors.EVENT_WRITE, self)

    def on_event(self, events):
        if self.connecting:
            self.on_connected(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            return
        if events & selectors.EVENT_WRITE:
            self.flush()
        if events & selectors.EVENT_READ and self.socket is not None:
            self.on_readable()

    def on_connected(self, error):
        self.connecting = False
        tally = self.load.tally
        if error == errno.ECONNREFUSED:
            tally.refused_at.append(time.monotonic())
            self.end()
            return
        if error:
            tally.losses.append(f"{self.name}: connect: {errno.errorcode.get(error, error)}")
            self.end()
            return
        # A port that nobody listens on any more can be our own: TCP's simultaneous open.
        if self.socket.getsockname() == self.socket.getpeername():
            tally.refused_at.append(time.monotonic())
            self.end()
            return
        tally.connected += 1
        self.load.selector.modify(self.socket, selectors.EVENT_READ, self)
        hesitates = self.load.rng.random() < 0.05
        if hesitates:  # a fresh connection counts as a request in flight for 3 s
            self.load.after(self.load.rng.random() * 0.3, self.ask, self.socket)
        else:
            self.ask()

    def ask(self):
        tally = self.load.tally
        idle = 0 if self.idle_since is None else time.monotonic() - self.idle_since
        if self.load.reconnects and idle > IDLE_SECONDS:
            self.reconnect()
            return
        if self.has_news():
            self.on_readable()
            return
        batch, self.last = self.kind(self.load.rng, self.token + b"%d" % self.asked)
        self.asked += 1
        self.idle_since = None
        self.out = b"".join(data for data, _ in batch)
        self.expected.extend(body for _, body in batch)
        tally.sent += len(batch)
        self.flush()

    def has_news(self):
        """What came while nothing was asked: a FIN that this busy machine has not read yet."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def flush(self):
        try:
            sent = self.socket.send(self.out)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.lose(errno.errorcode.get(error.errno, str(error)))
            return
        self.out = self.out[sent:]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.out else 0)
        self.load.selector.modify(self.socket, wanted, self)

    def on_readable(self):
        try:
            more = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            self.lose(errno.errorcode.get(error.errno, str(error)))
            return
        if not more:
            self.on_eof()
            return
        self.data += more
        while self.expected:
            parsed = parse_answer(self.data)
            if parsed is None:
                return
            del self.data[:parsed[1]]
            if self.on_answer(parsed[0]):
                return
        if self.data:
            self.load.tally.wrong.append(f"{self.name}: bytes nobody asked for: {self.data!r}")
            self.reconnect()
            return
        self.idle_since = time.monotonic()
        self.load.after(self.load.rng.random() * self.load.think, self.ask, self.socket)

    def on_answer(self, answer):
        """True when the connection is over, or will be."""
        tally = self.load.tally
        body = self.expected.popleft()
        if answer.status == 200 and answer.body == body:
            tally.answered += 1
        else:
            tally.wrong.append(f"{self.name}: {answer.status} {answer.body!r}, not {body!r}")
        if not answer.closes:
            return False
        if not (self.last and not self.expected):
            tally.told_to_close += 1
            tally.close_at.append(time.monotonic())
        tally.unprocessed += len(self.expected)
        self.expected.clear()
        self.last = True
        self.idle_since = None
        if not self.waits_for_eof:
            self.reconnect()
        return True

    def on_eof(self):
        if self.expected:
            self.lose("EOF" + (" in the middle of an answer" if self.data else ""))
        else:
            if self.idle_since is not None:
                self.load.tally.idle_eof_at.append(time.monotonic())
            elif not self.last:
                self.load.tally.losses.append(f"{self.name}: EOF before its first byte")
            self.reconnect()

    def lose(self, how):
        now = time.monotonic() - self.load.tally.signaled_at
        when = f", {now * 1000:.0f} ms after the signal" if self.load.tally.signaled_at else ""
        what = f"{len(self.expected)} unanswered" if self.expected else "after the last answer"
        # A reset where nothing was asked destroys nothing, but no server of ours sends one.
        for _ in range(max(1, len(self.expected))):
            self.load.tally.losses.append(f"{self.name}: {how}, {what}{when}")
        self.reconnect()

    def reconnect(self):
        self.drop()
        if self.load.reconnects:
            self.load.after(self.load.rng.random() * self.load.think, self.connect)
        else:
            self.end()

    def drop(self):
        if self.socket is None:
            return
        try:
            self.load.selector.unregister(self.socket)
        except KeyError:  # refused at once: it was never registered
            pass
        self.socket.close()
        self.socket = None

    def end(self):
        self.drop()
        if not self.over:
            self.over = True
            self.load.running -= 1


class Load:
    """`kinds`, one client each, against `server`; a signal after `signal_after` seconds."""

    def __init__(self, server, kinds, rng, signal_after, number=signal.SIGTERM, think=0.004,
                 reconnects=True):
        self.server = server
        self.port = server.port
        self.rng = rng
        self.think = think
        self.reconnects = reconnects
        self.selector = selectors.DefaultSelector()
        self.timers = []
        self.tick = 0
        self.tally = Tally()
        self.clients = [LoadClient(self, kind, n) for n, kind in enumerate(kinds)]
        self.running = len(self.clients)
        for client in self.clients:
            self.after(rng.random() * think, client.connect)
        if signal_after is not None:
            self.after(signal_after, lambda: self.send_signal(number))

    def send_signal(self, number):
        # Before it is sent: whatever the server does because of it comes later.
        self.tally.signaled_at = time.monotonic()
        self.server.process.send_signal(number)

    def after(self, seconds, call, only_on=None):
        """Unless the connection `only_on` has gone by then."""
        self.tick += 1
        heapq.heappush(self.timers, (time.monotonic() + seconds, self.tick, call, only_on))

    def is_over(self):
        """No new connection long after the first was refused: the port may be another's by then.

        The server lives for at least 50 ms after un-listen, so that those in between still try.
        """
        refused = self.tally.refused_at
        return bool(refused) and time.monotonic() > refused[0] + 0.02

    def run(self, seconds=30):
        end = time.monotonic() + patience(seconds)
        try:
            while self.running > 0:
                self.step()
                if time.monotonic() > end:
                    self.tally.losses += [f"{c.name}: still waits for {len(c.expected)} answers"
                                          for c in self.clients if not c.over]
                    break
        finally:
            for client in self.clients:
                client.drop()
            self.selector.close()
        return self.tally

    def step(self):
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            _, _, call, only_on = heapq.heappop(self.timers)
            client = getattr(call, "__self__", None)
            if only_on is None or client.socket is only_on:
                call()
        wait = self.timers[0][0] - time.monotonic() if self.timers else 0.1
        for key, events in self.selector.select(max(0, min(wait, 0.1))):
            if key.data.socket is key.fileobj:  # not closed by an event before it
                key.data.on_event(events)


# ---- a round: one server, one load, one signal, and what is wrong with how it ended

WINDOW_MS = 200
SETTLE_MS = 50  # at least, after un-listen


@dataclass
class Round:
    seed: int
    problems: list
    tally: Tally
    audit: dict


def run_round(seed, workers=None, hard=False):
    """Deterministic in what is chosen, not in what the scheduler makes of it."""
    rng = random.Random(seed)
    workers = workers or 1 + seed % 2
    kinds = KINDS * 4
    options = ["--workers", workers, "--drain-window", f"{WINDOW_MS}ms", "--shutdown-timeout",
               "5s", *(["--hard"] if hard else [])]
    tally, audit, problems = Tally(), {}, []
    with Server(*options) as server:
        try:
            tally = Load(server, kinds, rng, signal_after=rng.random() * 0.3).run()
            code = server.wait()
            if not hard:
                audit = server.audit()
                problems = judge(tally, audit, code)
        except AssertionError as error:
            problems = [*tally.losses, str(error)]
        if problems:
            problems.append(f"seed {seed}, {workers} workers; again: LASTCALL_SEED={seed} "
                            f"LASTCALL_ROUNDS_SCALE=0.001\n  {tally}\n{server.story()}")
    return Round(seed, problems, tally, audit)


def judge(tally, audit, code):
    """What was lost, and where the audit and the clients disagree."""
    problems = [*tally.losses, *tally.wrong]

    def expect(what, got, wanted):
        if got != wanted:
            problems.append(f"{what}: {got}, not {wanted}")

    expect("the exit code", code, 0)
    expect("the audit's exit code", audit["exit"], 0)
    expect("requests answered", audit["requests_answered"], tally.answered)
    expect("requests received", audit["requests_received"], tally.answered)
    expect("answered by the clients' count", tally.answered + tally.unprocessed, tally.sent)
    expect("connections accepted", audit["connections_accepted"], tally.connected)
    for name in ("requests_undelivered", "requests_cut", "requests_rejected", "partial_cut",
                 "queue_lost", "lost_after_fin", "forced_closes", "operations_outstanding"):
        expect(name, audit[name], 0)
    # The server's clock has whole milliseconds.
    early = [at for at in tally.refused_at
             if at < tally.signaled_at + (WINDOW_MS - 2) / 1000]
    if early:
        problems.append(f"{len(early)} refused before un-listen")
    early = [at for at in tally.idle_eof_at
             if at < tally.signaled_at + (WINDOW_MS + SETTLE_MS - 2) / 1000]
    if early:
        problems.append(f"{len(early)} idle connections closed before the listener had settled")
    return problems
