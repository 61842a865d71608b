"""Every HTTP text through `lastcall -- COMMAND`: what the command gets is one request a connection,
and three parsers of three kinds read the same in it: a strict one, gunicorn's, and Python's own."""

import contextlib
import http.client
import io
import re
import socket
import sys
import threading
from dataclasses import dataclass, field

from harness import BUILD, HERE, free_port, wait_until
from wrapped import WrappedTestCase

sys.path.insert(0, str(HERE.parent / "http"))
sys.path += map(str, (BUILD / "python").glob("lib/python3*/site-packages"))  # ./setup makes it

import check
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST_LINE = re.compile(TOKEN + rb" [!-~]+ HTTP/1\.1")
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
CHUNK = re.compile(rb"([0-9a-f]+)\r\n")
ANSWERED_BY = re.compile(rb"\r\nX-Witness: ([0-9]+)\r\n")
FRAMING = (b"content-length", b"transfer-encoding")
SECONDS_MAX = 10


class Ambiguous(Exception):
    """Somebody may read this in another way; says what."""


class Incomplete(Exception):
    """So far it is well."""


@dataclass
class Read:
    """What one parser has understood."""
    method: bytes
    target: bytes
    fields: list
    content: bytes
    size: int = 0  # of it all

    def meaning(self):
        return self.method, self.target, sorted(self.fields), self.content


def read_strictly(data):
    """One request from the beginning of `data`, where there are no two ways to read it."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        raise Incomplete
    line, *lines = data[:end].split(b"\r\n")
    if not REQUEST_LINE.fullmatch(line):
        raise Ambiguous(line)
    fields = []
    for each in lines:
        if not (match := FIELD.fullmatch(each)):
            raise Ambiguous(each)
        fields.append((match[1].lower(), match[2].strip(b" \t")))
    names = [name.replace(b"_", b"-") for name, _ in fields]
    if names.count(b"host") != 1 or sum(map(names.count, FRAMING)) > 1:
        raise Ambiguous(names)
    given = dict(fields)
    method, target, _ = line.split(b" ")
    content, at = read_content(data, end + 4, given)
    return Read(method, target, fields, content, at)


def read_content(data, at, fields):
    if (length := fields.get(b"content-length")) is not None:
        if not length.isdigit():
            raise Ambiguous(length)
        if len(data) - at < int(length):
            raise Incomplete
        return data[at:at + int(length)], at + int(length)
    if (coding := fields.get(b"transfer-encoding")) is None:
        return b"", at
    if coding != b"chunked":
        raise Ambiguous(coding)
    content = b""
    while True:
        if (line_end := data.find(b"\r\n", at)) < 0:
            raise Incomplete
        if not (match := CHUNK.fullmatch(data[at:line_end + 2])):
            raise Ambiguous(data[at:line_end + 2])
        size, at = int(match[1], 16), line_end + 2
        if size == 0:
            break
        if len(data) < at + size + 2:
            raise Incomplete
        if data[at + size:at + size + 2] != b"\r\n":
            raise Ambiguous(data[at + size:at + size + 2])
        content, at = content + data[at:at + size], at + size + 2
    while (line_end := data.find(b"\r\n", at)) != at:  # trailers
        if line_end < 0:
            raise Incomplete
        if not FIELD.fullmatch(data[at:line_end]):
            raise Ambiguous(data[at:line_end])
        at = line_end + 2
    return content, at + 2


# The others. Nothing: it refuses this.

def read_as_gunicorn(data):
    """Fields with underscores it drops."""
    try:
        request = next(RequestParser(Config(), iter([data]), ("127.0.0.1", 1)))
        content = request.body.read()
    except ParseException:
        return None
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1"))
              for name, value in request.headers]
    return Read(request.method.encode(), request.uri.encode("latin-1"), fields, content)


def read_as_http_server(data):
    """By Python's own, which knows no chunks."""
    stream = io.BytesIO(data)
    method, target, _ = stream.readline().split()
    try:
        message = http.client.parse_headers(stream)
    except http.client.HTTPException:
        return None
    fields = [(name.lower().encode("latin-1"), value.strip(" \t").encode("latin-1"))
              for name, value in message.items()]
    return Read(method, target, fields, stream.read(int(message.get("Content-Length", 0))))


@dataclass
class Heard:
    """What came by one connection, to its end."""
    data: bytes = b""
    request: Read | None = None
    refused: str = ""


@dataclass
class Witness:
    """A command's place: takes what is sent there, and answers what it has understood."""
    heard: list = field(default_factory=list)
    open: int = 0

    def __post_init__(self):
        self.socket = socket.create_server(("127.0.0.1", free_port()), backlog=64)
        self.address = "{}:{}".format(*self.socket.getsockname())
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:  # closed
                return
            self.open += 1
            heard = Heard()
            self.heard.append(heard)
            number = len(self.heard) - 1
            threading.Thread(target=self.listen, args=(client, heard, number), daemon=True).start()

    def listen(self, client, heard, number):
        with client, contextlib.suppress(OSError):
            client.settimeout(SECONDS_MAX)
            while more := client.recv(1 << 16):
                heard.data += more
                if heard.request is None and not heard.refused:
                    self.answer(client, heard, number)
        self.open -= 1

    @staticmethod
    def answer(client, heard, number):
        try:
            heard.request = read_strictly(heard.data)
        except Ambiguous as error:
            heard.refused = f"{error} in {heard.data[:300]!r}"
            client.sendall(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except Incomplete:
            if b"\r\nexpect:" in heard.data.lower() and heard.data.endswith(b"\r\n\r\n"):
                client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        else:
            client.sendall(f"HTTP/1.1 200 OK\r\nX-Witness: {number}\r\nContent-Length: 0\r\n\r\n"
                           .encode())


def send(port, data):
    """All of the answers to it."""
    answers = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while more := client.recv(1 << 16):
                answers += more
    return answers


class Smuggling(WrappedTestCase):
    def test_no_text_is_read_by_a_command_as_anything_but_what_is_answered(self):
        witness = Witness()
        self.addCleanup(witness.socket.close)
        server = self.wrap("--upstream-keep-alive", "0s", upstream=witness.address,
                           command=[sys.executable, "-c", "import time; time.sleep(600)"])
        passed = compared = 0
        for path in sorted((HERE.parent / "http").glob("*.txt")):
            for case in check.parse_file(path):
                before = len(witness.heard)
                answers = send(server.port, case.bytes())
                wait_until(lambda: witness.open == 0, 10, "the command's connections end")
                heard = witness.heard[before:]
                where = f"{case.file}:{case.line}: {case.name}"
                self.assertEqual([each.refused for each in heard if each.refused], [], where)
                whole = [before + at for at, each in enumerate(heard) if each.request]
                answered = [int(number) for number in ANSWERED_BY.findall(answers)]
                self.assertEqual(answered, whole, where)
                for each in heard:
                    if each.request:
                        compared += self.compare(each, where)
                        passed += 1
        self.assertGreater(passed, 1000)
        self.assertGreater(compared, passed)  # one other parser at least has read most of them

    def compare(self, heard, where):
        """How many other parsers have read it."""
        mine = heard.request
        self.assertEqual(len(heard.data), mine.size, f"{where}: more than one request")
        chunked = (b"transfer-encoding", b"chunked") in mine.fields
        theirs = read_as_gunicorn(heard.data)
        count = 0
        if theirs:
            known = [each for each in mine.fields if b"_" not in each[0]]
            without = Read(mine.method, mine.target, known, mine.content)
            self.assertEqual(theirs.meaning(), without.meaning(), f"{where}: gunicorn")
            count += 1
        other = None if chunked else read_as_http_server(heard.data)
        if other:
            self.assertEqual(other.meaning(), mine.meaning(), f"{where}: http.server")
            count += 1
        return count


class Oracle(WrappedTestCase):
    """What it must see."""

    def test_what_can_be_read_in_two_ways_is_told(self):
        head = b"POST / HTTP/1.1\r\nHost: a\r\n"
        for fields in (b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                       b"Content-Length: 1\r\nContent_Length: 2\r\n\r\nab",
                       b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
                       b"Transfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\n\r\n",
                       b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
                       b"X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                       b"X: a\r\n folded\r\n\r\n", b"Host: b\r\n\r\n"):
            with self.assertRaises(Ambiguous, msg=fields):
                read_strictly(head + fields)
        whole = head + b"Content-Length: 1\r\n\r\na"
        self.assertEqual(read_strictly(whole + b"GET / HTTP/1.1\r\n").size, len(whole))
