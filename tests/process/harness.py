"""What the process tests share: the server as a child process, a plain blocking client, patience.

    LASTCALL_BINARY        the program under test (build/lastcall of this checkout)
    LASTCALL_SLOW          how much slower this build is than a plain one (1): patience only
    LASTCALL_ROUNDS_SCALE  share of the rounds of repeated tests (1)
    LASTCALL_IO            what the servers serve by: io_uring or epoll (what they choose)
    LASTCALL_SEED          the first seed of repeated tests, printed when one fails
"""

import ctypes
import fcntl
import json
import os
import pathlib
import random
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build"
BINARY = os.environ.get("LASTCALL_BINARY") or str(BUILD / "lastcall")
SLOW = float(os.environ.get("LASTCALL_SLOW") or 1)
ENGINE = {"LASTCALL_IO": os.environ["LASTCALL_IO"]} if os.environ.get("LASTCALL_IO") else {}
ROUNDS_SCALE = float(os.environ.get("LASTCALL_ROUNDS_SCALE") or 1)

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
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


def is_uring_denied():
    """As tests/run has found out."""
    return bool(os.environ.get("LASTCALL_URING_DENIED"))


def may(capability):
    """Whether this process has it (capabilities(7)): root in a container has not all of them."""
    number = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}[capability]
    status = pathlib.Path("/proc/self/status").read_text()
    return bool(int(re.search(r"^CapEff:\s+(\w+)$", status, re.MULTILINE)[1], 16) >> number & 1)


def is_sanitized():
    return SLOW > 1


def clean_environment(**more):
    """Ours without what the program would take for its options."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LASTCALL_")}
    return kept | ENGINE | more


def die_with_parent():
    """For a child between fork and exec: nothing outlives the test that started it. And it heeds
    the signals that we may have been told to ignore, as a shell's background job is."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def enter_new_network():
    """This thread, and what it starts, in a network of its own: a loopback that nobody else uses.

    False where that is not permitted. Tests run side by side: one's sockets in TIME_WAIT would be
    read by another's server when its listener settles, and one's ports could be another's.
    """
    if LIBC.unshare(CLONE_NEWNET) != 0:
        return False
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
    return True


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

        def before_exec():
            die_with_parent()
            if preexec is not None:
                preexec()

        self.lines = []
        self.changed = threading.Condition()
        self.ended_at = None
        self.process = subprocess.Popen(
            [*command, *map(str, options)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=stderr, preexec_fn=before_exec, env=clean_environment(**(environment or {})))
        self.reader = None
        if stderr == subprocess.PIPE:
            self.reader = threading.Thread(target=self._read, daemon=True)
            self.reader.start()
        self.port = None
        if serving:
            try:
                self.wait_for("serving", ends_with=True)
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
        line = next(each for each in self.lines if each["message"].startswith(start))
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

    def wait_for(self, text, seconds=10, ends_with=False):
        """The first log line with `text` in it, or at its end, once it has come."""
        end = time.monotonic() + patience(seconds)
        with self.changed:
            while True:
                for line in self.lines:
                    message = line["message"]
                    if message.endswith(text) if ends_with else text in message:
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
        self.check_no_complaint()
        return code

    def check_no_complaint(self):
        if any(COMPLAINT.search(line["message"]) for line in self.lines):
            raise AssertionError(f"it complained:\n{self.story()}")

    def audit(self):
        """The members of the last line."""
        lines = self.find("audit:")
        if not lines:
            raise AssertionError(f"no audit line:\n{self.story()}")
        return lines[-1]

    def story(self):
        """What it wrote, for messages."""
        with self.changed:
            text = "\n".join(f"    {each.get('time', '')} {each['message']}" for each in self.lines)
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

    def stat(self):
        """/proc/PID/stat from its third field on (proc(5))."""
        return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()

    def state(self):
        return self.stat()[0]

    def cpu_seconds(self):
        fields = self.stat()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self):
        """What it has touched of its own; pages of its program file come and go by themselves."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024

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


def full_pipe(test):
    """The end to write to of a pipe with not a byte of room, that nobody reads."""
    reader, writer = os.pipe()
    test.addCleanup(os.close, reader)
    test.addCleanup(os.close, writer)
    flags = fcntl.fcntl(writer, fcntl.F_GETFL)
    fcntl.fcntl(writer, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    for size in (1 << 16, 1):
        while True:
            try:
                os.write(writer, b"x" * size)
            except BlockingIOError:
                break
    fcntl.fcntl(writer, fcntl.F_SETFL, flags)
    return writer


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

    def readable(self, seconds):
        """Whether bytes, an EOF or a reset have come, or come within that time."""
        return bool(self.data or select.select([self.socket], [], [], seconds)[0])

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
        self.addCleanup(server.check_no_complaint)  # the cause of whatever the client saw
        self.addCleanup(server.stop)
        return server

    def client(self, port, **settings):
        client = Client(port, **settings)
        self.addCleanup(client.close)
        return client

    def assert_ends(self, server, code, seconds=15, audited=True):
        """It ends by itself with `code`; its audit, which says the same."""
        got = server.wait(seconds)
        self.assertEqual(got, code, f"the exit code is {got}, not {code}:\n{server.story()}")
        if not audited:
            self.assertEqual(server.find("audit:"), [])
            return None
        audit = server.audit()
        self.assertEqual(audit["exit"], code, "the audit names another exit code")
        self.assertEqual(audit["operations_outstanding"], 0, server.story())
        return audit
