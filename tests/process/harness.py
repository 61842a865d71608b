"""What the process tests share: the server as a child process, a plain blocking client, patience.

    LASTCALL_BINARY        the program under test (build/lastcall of this checkout)
    LASTCALL_SLOW          how much slower this build is than a plain one (1): patience only
    LASTCALL_ROUNDS_SCALE  share of the rounds of repeated tests (1)
    LASTCALL_SEED          the first seed of repeated tests, printed when one fails
"""

import ctypes
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build"
BINARY = os.environ.get("LASTCALL_BINARY") or str(BUILD / "lastcall")
SLOW = float(os.environ.get("LASTCALL_SLOW") or 1)
ROUNDS_SCALE = float(os.environ.get("LASTCALL_ROUNDS_SCALE") or 1)

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
# What a sanitizer or a CHECK says when it finds something. An exit code alone could hide it.
COMPLAINT = re.compile(r"Sanitizer|runtime error:|CHECK")


def patience(seconds):
    """How long to wait for something that should take `seconds` at most on a plain build."""
    return seconds * max(SLOW, 1)


def rounds(count):
    return max(1, round(count * ROUNDS_SCALE))


def first_seed():
    seed = os.environ.get("LASTCALL_SEED")
    return int(seed) if seed else random.SystemRandom().randrange(1 << 32)


def is_sanitized():
    return SLOW > 1


def die_with_parent():
    """For a child between fork and exec: nothing outlives the test that started it."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def wait_until(condition, seconds, what):
    """The first true value of `condition`; AssertionError when it has not come in time."""
    end = time.monotonic() + patience(seconds)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {patience(seconds):g} s: {what}")
        time.sleep(0.005)


def free_port():
    """A port that nobody had a moment ago, for programs whose log cannot be read."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The program, started with `options` on a free port of 127.0.0.1; killed when the block ends.

    Its stderr is read by a thread, so that it never fills; `stderr` takes it elsewhere. `preexec`
    runs in the child before exec.
    """

    def __init__(self, *options, command=None, listen="127.0.0.1:0", serving=True, preexec=None,
                 environment=None, stderr=subprocess.PIPE):
        if command is None:
            command = [BINARY, "--listen", listen, "--log-format", "json", "--termination-log",
                       "/dev/null/none"]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("LASTCALL_")}

        def before_exec():
            die_with_parent()
            if preexec is not None:
                preexec()

        self.lines = []
        self.changed = threading.Condition()
        self.ended_at = None
        self.process = subprocess.Popen(
            [*command, *map(str, options)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=stderr, preexec_fn=before_exec, env={**clean, **(environment or {})})
        self.reader = None
        if stderr == subprocess.PIPE:
            self.reader = threading.Thread(target=self._read, daemon=True)
            self.reader.start()
        self.port = None
        if serving:
            try:
                self.wait_for("serving")
                self.port = self._port_in("listening on ")
            except BaseException:
                self.stop()
                raise

    def _read(self):
        for raw in self.process.stderr:
            text = raw.decode("utf-8", "replace").rstrip("\n")
            try:
                line = json.loads(text)
            except ValueError:
                line = {"message": text}
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()
        with self.changed:
            self.lines.append({"message": "", "end": True})
            self.changed.notify_all()

    def _port_in(self, start):
        line = next(l for l in self.lines if l["message"].startswith(start))
        return int(re.search(r":(\d+)(,|$)", line["message"]).group(1))

    @property
    def pid(self):
        return self.process.pid

    @property
    def admin_port(self):
        return self._port_in("health paths and metrics on ")

    def find(self, text):
        with self.changed:
            return [line for line in self.lines if text in line["message"]]

    def wait_for(self, text, seconds=10):
        """The first log line with `text` in it, once it has come."""
        end = time.monotonic() + patience(seconds)
        with self.changed:
            while True:
                for line in self.lines:
                    if text in line["message"]:
                        return line
                over = self.lines and self.lines[-1].get("end")
                if over or not self.changed.wait(max(0, end - time.monotonic())):
                    raise AssertionError(f"no line with '{text}' came:\n{self.story()}")

    def signal(self, number):
        """Sends it, and returns when: on CLOCK_MONOTONIC, the server's clock too."""
        now = time.monotonic()
        self.process.send_signal(number)
        return now

    def terminate(self):
        return self.signal(signal.SIGTERM)

    def is_alive(self):
        return self.process.poll() is None

    def wait(self, seconds=15):
        """The exit code, when it has ended by itself."""
        try:
            code = self.process.wait(patience(seconds))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it has not ended in {patience(seconds):g} s:\n"
                                 f"{self.story()}") from None
        self.ended_at = time.monotonic()
        if self.reader is not None:
            self.reader.join(patience(5))
        if any(COMPLAINT.search(line["message"]) for line in self.lines):
            raise AssertionError(f"it complained:\n{self.story()}")
        return code

    def audit(self):
        """The members of the last line."""
        lines = self.find("audit:")
        if not lines:
            raise AssertionError(f"no audit line:\n{self.story()}")
        return lines[-1]

    def story(self):
        """What it wrote, for messages."""
        with self.changed:
            text = "\n".join(f"    {l.get('time', '')} {l['message']}" for l in self.lines)
        return f"  exit code {self.process.poll()}, stderr:\n{text}"

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.reader is not None:
            self.reader.join(5)
            self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # ---- what the kernel knows of it

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        pages = int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def thread_names(self):
        names = []
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            try:
                names.append((task / "comm").read_text().strip())
            except OSError:  # it ended meanwhile
                pass
        return names

    def metrics(self, port=None):
        with Client(port or self.port) as client:
            text = client.get("/metrics").body.decode()
        return {name.removeprefix("lastcall_"): int(value)
                for name, value in re.findall(r"^(\w+) (\d+)$", text, re.M)}


class Answer:
    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields
        self.body = body

    @property
    def closes(self):
        return self.fields.get("connection", "").lower() == "close"


def parse_answer(data):
    """The first answer in `data` and how many bytes it takes; None while it is incomplete."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    lines = bytes(data[:end]).decode("latin-1").split("\r\n")
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    size = int(fields.get("content-length", 0))
    if len(data) < end + 4 + size:
        return None
    body = bytes(data[end + 4:end + 4 + size])
    return Answer(int(lines[0].split()[1]), fields, body), end + 4 + size


class Client:
    """One connection, blocking, with a timeout: for tests that do one thing after another."""

    def __init__(self, port, seconds=10, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(patience(seconds))
        self.data = bytearray()
        try:
            self.socket.connect(("127.0.0.1", port))
        except BaseException:
            self.socket.close()
            raise
        self.name = "{}:{}".format(*self.socket.getsockname())  # as the server's log has it

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, path, method="GET", body=b"", fields=""):
        size = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
        self.send(f"{method} {path} HTTP/1.1\r\nHost: test\r\n{fields}{size}\r\n".encode() + body)

    def answer(self):
        while True:
            parsed = parse_answer(self.data)
            if parsed is not None:
                del self.data[:parsed[1]]
                return parsed[0]
            more = self.socket.recv(1 << 16)
            if not more:
                raise ConnectionError(f"EOF in the middle of an answer: {bytes(self.data)!r}")
            self.data += more

    def get(self, path, fields=""):
        self.ask(path, fields=fields)
        return self.answer()

    def eof_at(self):
        """When the server's FIN came; nothing else may come before it."""
        more = self.socket.recv(1 << 16)
        if more or self.data:
            raise AssertionError(f"bytes where an EOF was due: {bytes(self.data) + more!r}")
        return time.monotonic()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def get(port, path, seconds=10):
    """One request on a connection of its own."""
    with Client(port, seconds) as client:
        return client.get(path, "Connection: close\r\n")


def is_refused(port):
    try:
        Client(port).close()
    except ConnectionRefusedError:
        return True
    return False


class TestCase(unittest.TestCase):
    def start(self, *options, **settings):
        server = Server(*options, **settings)
        self.addCleanup(server.stop)
        return server

    def client(self, port, **settings):
        client = Client(port, **settings)
        self.addCleanup(client.close)
        return client

    def assert_ends(self, server, code, seconds=15):
        """It ends by itself with `code`; the audit (if it got so far as to write one)."""
        got = server.wait(seconds)
        self.assertEqual(got, code, f"the exit code is {got}, not {code}:\n{server.story()}")
        audit = server.find("audit:")
        if not audit:
            return None
        if code != 143:
            self.assertEqual(audit[-1]["exit"], code, "the audit names another exit code")
            self.assertEqual(audit[-1]["operations_outstanding"], 0, server.story())
        return audit[-1]
