#!/usr/bin/env python3
"""The corpus of HTTP exchanges beside this file: its format, a checker, and a live run of it.

    check.py                            parse every text, validate it, print the count
    check.py --server 127.0.0.1:8080    also run each case against a server on this machine
             --cuts N --seed S          and N random two-way cuts of each, replayed by the seed
             --jobs N --only TEXT       N cases at a time; only cases whose file or name has TEXT
             --relayed                  it stands in front of another server: what that refuses need
                                        not close, and a content has no bound

The format, one topic a file:

    # a comment: the section or the row that the cases below it follow
    === a sentence naming the behaviour, unique within the file
    ! segments              optional: do not cut it, its segments are part of what is meant
    > GET / HTTP/1.1\\r\\n     bytes sent. The end of the line adds none
    >> abc                  starts a new segment, sent only once the server has gone silent
    < 200 keep              exactly one: the answers in order (1xx too), then the state

Escapes are \\r \\n \\t \\0 \\\\ \\xHH; \\{COUNT:TEXT} is TEXT (with escapes) COUNT times over.
An answer is a status and, if its body matters, the body in quotes: 200"abc". The empty body, 200"",
says that nothing follows the head, whatever its Content-Length: so each answer to HEAD is written.
The state after all bytes:
    keep    the connection is open and waits for the next request
    close   the last answer says Connection: close, and the server closes
    wait    the server is in the middle of a request, and stays silent
A slash parts alternatives, of an answer (400/501) and of the state (keep/close): any will do. One
thing is not said again in each case: 400, 413, 414, 431, 501 and 505 always close, nothing else
about the pairing is fixed. So `200"abc"/400 keep/close` is 200 with either state, or 400 and close.
"""

import argparse
import ipaddress
import pathlib
import random
import re
import select
import socket
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
STATES = {"keep", "close", "wait"}
ALWAYS_CLOSE = {400, 413, 414, 431, 501, 505}
COLUMNS_MAX = 100
LINES_MAX = 600
BYTE_BY_BYTE_MAX = 2000
ANSWER_SECONDS = 5.0
CLOSE_SECONDS = 3.0
SILENCE_SECONDS = 0.15
FOLLOW_UP = b"GET / HTTP/1.1\r\nHost: follow-up\r\nConnection: close\r\n\r\n"
SIMPLE = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|\{(\d+):([^{}]*)\}|([rnt0\\]))|([^\\])")
EXPECTED = re.compile(r'(\d{3}(?:"[^"]*")?(?:/\d{3}(?:"[^"]*")?)*)(?: |$)')
DATE = re.compile(rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|"
                  rb"Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT")


class Malformed(Exception):
    """The text breaks the format; says where."""


class Failed(Exception):
    """The server did not do what the case expects; says what it did."""


@dataclass
class Case:
    file: str
    line: int
    name: str
    uncut: bool = False
    segments: list = field(default_factory=list)    # of bytes
    answers: list = field(default_factory=list)     # of {status: body or None}, one per answer
    states: set = field(default_factory=set)

    def bytes(self):
        return b"".join(self.segments)


# Reading the texts.

def decode(text, nested=False):
    out, at = bytearray(), 0
    while at < len(text):
        m = ESCAPE.match(text, at)
        if not m:
            raise Malformed(f"bad escape at {text[at:at + 12]!r}")
        octet, count, repeated, simple, plain = m.groups()
        if octet:
            out.append(int(octet, 16))
        elif count:
            if nested:
                raise Malformed("a repetition inside a repetition")
            out += decode(repeated, nested=True) * int(count)
        else:
            out += SIMPLE[simple] if simple else plain.encode("ascii")
        at = m.end()
    return bytes(out)


def parse_expected(case, text):
    at = 0
    while m := EXPECTED.match(text, at):
        alternatives = {}
        for one in re.findall(r'\d{3}(?:"[^"]*")?', m[1]):
            status = int(one[:3])
            if status in alternatives or not 100 <= status <= 599:
                raise Malformed(f"bad or repeated status {one}")
            alternatives[status] = decode(one[4:-1]) if len(one) > 3 else None
        case.answers.append(alternatives)
        at = m.end()
    case.states = set(text[at:].split("/"))
    if not case.states <= STATES or len(case.states) != len(text[at:].split("/")):
        raise Malformed(f"state expected, not {text[at:]!r}")
    last = set(case.answers[-1]) if case.answers else set()
    if last and last <= ALWAYS_CLOSE and case.states != {"close"}:
        raise Malformed("an answer that always closes, but the state is not close")
    if "close" in case.states and not last:
        raise Malformed("closed without an answer")


def finish(case):
    if case and not case.states:
        raise Malformed(f"{case.name!r} has no '< ' line")
    if case and not case.bytes():
        raise Malformed(f"{case.name!r} sends nothing")


def parse_line(cases, case, line, where):
    """Takes one line; returns the case that is now open."""
    if line.startswith("=== "):
        finish(case)
        cases.append(Case(where[0], where[1], line[4:]))
        return cases[-1]
    if not line or line == "#" or line.startswith("# "):
        return case
    if not case or case.states:
        raise Malformed("a line outside of a case")
    if line == "! segments" and not case.segments:
        case.uncut = True
    elif line.startswith(">> "):
        if not case.uncut or not case.segments:
            raise Malformed("'>> ' needs '! segments' and a first segment")
        case.segments.append(decode(line[3:]))
    elif line.startswith("> "):
        case.segments = case.segments or [b""]
        case.segments[-1] += decode(line[2:])
    elif line.startswith("< "):
        parse_expected(case, line[2:])
    else:
        raise Malformed(f"no such line: {line[:20]!r}")
    return case


def parse_file(path):
    cases, case, number = [], None, 0
    try:
        lines = path.read_bytes().decode("ascii").split("\n")
        if lines.pop() != "":
            raise Malformed("the last line has no end")
        if len(lines) > LINES_MAX:
            raise Malformed(f"more than {LINES_MAX} lines")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX or line != line.rstrip():
                raise Malformed(f"more than {COLUMNS_MAX} columns, or a trailing space")
            case = parse_line(cases, case, line, (path.name, number))
        finish(case)
        names = [c.name for c in cases]
        if twice := {n for n in names if names.count(n) > 1}:
            raise Malformed(f"names used twice: {sorted(twice)}")
        if not cases:
            raise Malformed("no case")
    except (Malformed, UnicodeDecodeError) as error:
        raise Malformed(f"{path.name}:{number}: {error}") from None
    return cases


# Running a case.

class Client:
    """One connection. What was received and not yet taken as an answer stays in `buffer`."""

    def __init__(self, server, relayed=False):
        family, address = server
        self.relayed = relayed
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(address)
        self.buffer, self.ended = b"", False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A reset, so that thousands of runs leave no port in TIME_WAIT behind.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionResetError:
            raise Failed("reset while sending") from None
        except BrokenPipeError:
            raise Failed("closed while sending, without lingering") from None
        except TimeoutError:
            raise Failed("the server stopped reading") from None

    def receive(self, seconds):
        """Waits for more; false when there is none: the time is up, or the stream has ended."""
        if self.ended or not select.select([self.socket], [], [], max(seconds, 0))[0]:
            return False
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            raise Failed(f"reset after {self.buffer[:200]!r}") from None
        self.ended = not data
        self.buffer += data
        return bool(data)

    def until(self, done, what):
        deadline = time.monotonic() + ANSWER_SECONDS
        while not done():
            if not self.receive(deadline - time.monotonic()):
                how = "closed" if self.ended else "silent"
                raise Failed(f"{how}, waiting for {what}; received {self.buffer[:200]!r}")

    def take(self, count):
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def chunked(self):
        body = b""
        while True:
            self.until(lambda: b"\r\n" in self.buffer, "a chunk size")
            size = int(self.take(self.buffer.index(b"\r\n") + 2).split(b";")[0], 16)
            self.until(lambda: len(self.buffer) >= size + 2, "a chunk")
            body += self.take(size + 2)[:-2]
            if size == 0:
                return body

    def answer(self, expected):
        """Reads one answer, checks what holds for every one; returns its status and fields."""
        self.until(lambda: b"\r\n\r\n" in self.buffer, f"an answer {sorted(expected)}")
        line, *lines = self.take(self.buffer.index(b"\r\n\r\n") + 4)[:-4].split(b"\r\n")
        if not re.fullmatch(rb"HTTP/1\.[01] [1-5]\d\d [\t -~]*", line):
            raise Failed(f"status line {line!r}")
        status, fields = int(line[9:12]), {}
        for one in lines:
            if not (m := re.fullmatch(rb"([!#-'*+\-.^-z|~0-9A-Z]+):[ \t]*(.*?)[ \t]*", one)):
                raise Failed(f"field line {one!r}")
            if m[1].lower() in fields:
                raise Failed(f"field {m[1]!r} twice")
            fields[m[1].lower()] = m[2]
        if status not in expected:
            raise Failed(f"{status} instead of {'/'.join(map(str, expected))}: {line!r}")
        check_fields(status, fields, self.relayed)
        body = self.body(status, fields, expected[status])
        if expected[status] not in (None, body):
            raise Failed(f"{status} with the body {body[:60]!r}, not {expected[status]!r}")
        return status, fields

    def body(self, status, fields, expected):
        if status < 200 or status == 204 or expected == b"":
            return b""
        if b"transfer-encoding" in fields:
            return self.chunked()
        size = int(fields[b"content-length"])
        self.until(lambda: len(self.buffer) >= size, f"{size} bytes of body")
        return self.take(size)


def check_fields(status, fields, relayed=False):
    framed = b"content-length" in fields, b"transfer-encoding" in fields
    if status < 200 or status == 204:
        if any(framed):
            raise Failed(f"{status} with a Content-Length or Transfer-Encoding")
    elif sum(framed) != 1 or (status >= 400 and not framed[0]):
        raise Failed(f"{status} without the one framing field it needs")
    if framed[0] and not re.fullmatch(rb"\d+", fields[b"content-length"]):
        raise Failed(f"Content-Length {fields[b'content-length']!r}")
    if status >= 200 and not DATE.fullmatch(fields.get(b"date", b"")):
        raise Failed(f"{status} without a Date")
    if status == 405 and b"allow" not in fields:
        raise Failed("405 without Allow")
    if status in ALWAYS_CLOSE and not says_close(fields) and not relayed:
        raise Failed(f"{status} without Connection: close")


def says_close(fields):
    return b"close" in [t.strip().lower() for t in fields.get(b"connection", b"").split(b",")]


def check_state(client, case, status, last):
    """`last` is the last final answer's fields, None if there was none."""
    if last is not None and says_close(last):
        if "close" not in case.states:
            raise Failed(f"says close instead of {'/'.join(sorted(case.states))}")
        while client.receive(CLOSE_SECONDS):
            pass
        if not client.ended:
            raise Failed("said close, and did not within 3 s")
    elif "keep" in case.states:
        client.send(FOLLOW_UP)
        client.answer({200: b"hello world"})
        while client.receive(CLOSE_SECONDS):
            pass
    elif "wait" in case.states:
        if client.receive(SILENCE_SECONDS) or client.ended:
            raise Failed("does not wait: " + ("closed" if client.ended else "answered"))
    elif not (client.relayed and status in ALWAYS_CLOSE):
        raise Failed("the last answer does not say close")
    if client.buffer:
        raise Failed(f"more than expected: {client.buffer[:200]!r}")


def run(server, case, pieces, pause):
    """Sends the pieces `pause` seconds apart; None: segments, each once the server is silent."""
    with Client(*server) as client:
        for number, piece in enumerate(pieces):
            if number and pause is None:
                while client.receive(SILENCE_SECONDS):
                    pass
            elif number and pause:
                time.sleep(pause)
            client.send(piece)
        status, last = None, None
        for expected in case.answers:
            status, fields = client.answer(expected)
            last = fields if status >= 200 else last
        check_state(client, case, status, last)


def ways_to_feed(case, cuts, seed):
    """Yields (how, pieces, pause)."""
    if case.uncut:
        yield "in segments", case.segments, None
        return
    data = case.bytes()
    yield "whole", [data], 0
    if len(data) <= BYTE_BY_BYTE_MAX:
        yield "byte by byte", [data[i:i + 1] for i in range(len(data))], 0
    chance = random.Random(f"{seed} {case.file} {case.name}")
    for at in sorted(chance.sample(range(1, len(data)), min(cuts, len(data) - 1))):
        yield f"cut at {at}", [data[:at], data[at:]], 0.002


def run_case(server, case, cuts, seed):
    """Returns what failed, a line each."""
    failures = []
    for how, pieces, pause in ways_to_feed(case, cuts, seed):
        try:
            run(server, case, pieces, pause)
        except (Failed, OSError) as error:
            failures.append(f"{case.file}:{case.line}: {case.name} ({how}): {error}")
    return failures


def loopback(text):
    """HOST:PORT as (family, address). Any host that is not this machine is refused."""
    host, _, port = text.rpartition(":")
    host = {"localhost": "127.0.0.1"}.get(host, host.strip("[]"))
    try:
        address = ipaddress.ip_address(host)
        if not address.is_loopback:
            raise ValueError
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        return family, (str(address), int(port))
    except ValueError:
        raise argparse.ArgumentTypeError("a loopback HOST:PORT, such as 127.0.0.1:8080") from None


# Of a server that answers by itself: the one behind gets a Host more, and may have methods of its
# own.
OF_ORIGIN = {"100 fields in HTTP/1.0 without Host", "an unknown method ends the connection"}


def is_of_origin(case):
    return case.name in OF_ORIGIN or (bool(case.answers) and set(case.answers[-1]) == {413})


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=loopback, metavar="HOST:PORT", help="run it live")
    parser.add_argument("--cuts", type=int, default=0, metavar="N", help="random two-way cuts")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="where to cut (1)")
    parser.add_argument("--jobs", type=int, default=16, metavar="N", help="cases at a time (16)")
    parser.add_argument("--only", default="", metavar="TEXT", help="a part of the file or name")
    parser.add_argument("--relayed", action="store_true", help="it forwards to another server")
    return parser.parse_args()


def main():
    given = options()
    try:
        parsed = [parse_file(path) for path in sorted(HERE.glob("*.txt"))]
    except Malformed as error:
        print(error)
        return 1
    cases = [c for cs in parsed for c in cs if given.only in f"{c.file} {c.name}"
             and not (given.relayed and is_of_origin(c))]
    print(f"{len(cases)} cases in {len(parsed)} files")
    if not given.server:
        return 0
    with ThreadPoolExecutor(given.jobs) as pool:
        results = list(pool.map(
            lambda case: run_case((given.server, given.relayed), case, given.cuts, given.seed),
            cases))
    for line in (line for lines in results for line in lines):
        print(line)
    failed = sum(bool(lines) for lines in results)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
