"""redis-server as a child process, a client of it, and what can go wrong between it and us: a proxy
that cuts connections, a Redis that is none, a name server."""

import collections
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading
import unittest

from harness import clean_environment, die_with_parent, free_port, patience, wait_until

REDIS = shutil.which("redis-server")


class RedisError(Exception):
    """What Redis says behind a '-'."""


# ---- RESP, as much of it as is spoken here

def command_bytes(*words):
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def read_line(file):
    line = file.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError(f"cut after {line!r}")
    return line


def read_raw(file):
    """One reply or command, as it came."""
    line = read_line(file)
    size = int(line[1:]) if line[:1] in b"$*" else -1
    if line[:1] == b"$" and size >= 0:
        rest = file.read(size + 2)
        if len(rest) < size + 2:
            raise ConnectionError("cut in the middle")
        return line + rest
    if line[:1] == b"*":
        return line + b"".join(read_raw(file) for _ in range(size))
    return line


def read_reply(file):
    line = read_line(file)
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"-":
        raise RedisError(rest)
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == "-1" else file.read(int(rest) + 2)[:-2].decode()
    return [read_reply(file) for _ in range(int(rest))]


# ---- the server

class Redis:
    """A durable one on a port of its own in `folder`; `settings` are of its configuration."""

    def __init__(self, folder, **settings):
        if REDIS is None:
            raise unittest.SkipTest("no redis-server here: ./setup installs it")
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.password = settings.get("requirepass")
        self.settings = {"appendonly": "yes", "appendfsync": "always", "save": "",
                         "auto-aof-rewrite-percentage": "0"} | settings
        self.process = None

    def start(self, ready=True, **more):
        """Not from a thread that may end before it: the process would end with that."""
        options = [word for name, value in (self.settings | more).items()
                   for word in ("--" + name.replace("_", "-"), value)]
        self.process = subprocess.Popen(
            [REDIS, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
             "--logfile", "redis.log", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=clean_environment(), preexec_fn=die_with_parent)
        if ready:
            wait_until(self.answers, 10, "an answer of Redis")
        return self

    def answers(self):
        try:
            return self.command("PING") == "PONG"
        except (OSError, RedisError):
            return False

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), patience(10))
        file = connection.makefile("rb")
        if self.password:
            connection.sendall(command_bytes("AUTH", self.password))
            read_reply(file)
        return connection, file

    def command(self, *words, database=0):
        connection, file = self.connect()
        with connection, file:
            if database:
                connection.sendall(command_bytes("SELECT", database))
                read_reply(file)
            connection.sendall(command_bytes(*words))
            return read_reply(file)

    def value(self, key="counter", database=0):
        return int(self.command("GET", key, database=database) or 0)

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(patience(10))

    def restart(self, **more):
        """After SIGKILL, at once; whoever needs it ready waits."""
        self.kill()
        return self.start(ready=False, **more)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self):
        return (self.folder / "redis.log").read_text()


# ---- between the two

class Acceptor:
    """Each connection to `port` is served by `serve(socket)` in a thread of its own."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = set()
        self.stopping = False
        self.accepted = 0

    def start(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.sockets.add(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        try:
            self.serve(peer)
        except (OSError, ValueError):  # it went, or is closed already
            pass
        finally:
            peer.close()
            self.sockets.discard(peer)

    def stop(self):
        self.stopping = True
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept
        self.listener.close()
        for peer in list(self.sockets):
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class CuttingProxy(Acceptor):
    """Passes commands to Redis and replies back, and cuts each connection at one of FATES.

    `fates`, when given, are taken one after the other for each command, None: all is passed on.
    Otherwise they are chosen at random, a cut for every second command or so.
    """

    FATES = ["at once", "before the command", "in the command", "after the command",
             "before the reply", "in the reply", "after the reply", "late"]
    LATE_SECONDS = 0.15

    def __init__(self, redis, seed, fates=None):
        super().__init__()
        self.redis = redis
        self.rng = random.Random(seed)
        self.fates = None if fates is None else collections.deque(fates)
        self.lock = threading.Lock()
        self.cuts = collections.Counter()
        self.cutting = True
        self.start()

    def fate(self):
        with self.lock:
            if not self.cutting:
                return None
            if self.fates is not None:
                return self.fates.popleft() if self.fates else None
            return self.rng.choice(self.FATES) if self.rng.random() < 0.5 else None

    def share(self, data):
        with self.lock:
            return data[:self.rng.randrange(1, len(data))]

    def cut(self, fate):
        with self.lock:
            self.cuts[fate] += 1

    def serve(self, peer):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        upstream, replies = self.redis.connect()
        with upstream, replies, peer.makefile("rb") as commands:
            while True:
                fate = self.fate()
                if fate == "at once":
                    break
                command = read_raw(commands)
                if fate == "before the command":
                    break
                if fate == "in the command":
                    upstream.sendall(self.share(command))
                    break
                if fate == "late":
                    # Gone for the client; what it sent arrives when it has long asked again.
                    self.cut(fate)
                    peer.shutdown(socket.SHUT_RDWR)
                    threading.Event().wait(self.LATE_SECONDS)
                    upstream.sendall(command)
                    read_raw(replies)
                    return
                upstream.sendall(command)
                if fate == "after the command":
                    break
                reply = read_raw(replies)
                if fate == "before the reply":
                    break
                peer.sendall(reply if fate != "in the reply" else self.share(reply))
                if fate is not None:
                    break
        self.cut(fate)


class FakeRedis(Acceptor):
    """Speaks no RESP, or bad RESP: after each command it sends `says`, or calls it."""

    def __init__(self, says):
        super().__init__()
        self.says = says
        self.asked = 0
        self.start()

    def serve(self, peer):
        if self.says is None:  # closes without a word
            return
        with peer.makefile("rb") as commands:
            while True:
                read_raw(commands)
                self.asked += 1
                if callable(self.says):
                    self.says(peer)
                else:
                    peer.sendall(self.says)


# ---- names

class NameServer:
    """Answers questions for A records on port 53 of 127.0.0.1: `addresses`, or that there is no such
    name ([]), or not at all (None)."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.asked = 0
        self.stopping = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0.05)  # how soon it sees that it is to stop
        try:
            self.socket.bind(("127.0.0.1", 53))
        except OSError as error:
            self.socket.close()
            raise unittest.SkipTest(f"port 53 is not ours: {error}") from None
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while not self.stopping:
            try:
                question, peer = self.socket.recvfrom(2048)
            except TimeoutError:
                continue
            self.asked += 1
            if self.addresses is not None:
                self.socket.sendto(self._answer(question), peer)

    def _answer(self, question):
        """RFC 1035 section 4. AAAA records there are none."""
        end = question.index(b"\0", 12) + 5
        (kind,) = struct.unpack(">H", question[end - 4:end - 2])
        found = self.addresses if kind == 1 else []
        code = 0 if self.addresses else 3  # NXDOMAIN
        header = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(found), 0, 0)
        records = b"".join(struct.pack(">HHHIH", 0xC00C, 1, 1, 0, 4) + socket.inet_aton(a)
                           for a in found)
        return header + question[12:end] + records

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.socket.close()


def asks_name_server_here(folder, libc):
    """A preexec function: the child's /etc/resolv.conf names 127.0.0.1, and /etc/hosts only that."""
    files = {"/etc/resolv.conf": "nameserver 127.0.0.1\n", "/etc/hosts": "127.0.0.1 localhost\n"}
    mounts = []
    for path, text in files.items():
        own = pathlib.Path(folder, os.path.basename(path))
        own.write_text(text)
        mounts.append((str(own).encode(), os.path.realpath(path).encode()))

    def preexec():
        clone_newns, ms_bind, ms_rec, ms_private = 0x20000, 0x1000, 0x4000, 1 << 18
        if libc.unshare(clone_newns) != 0:
            os._exit(97)
        libc.mount(None, b"/", None, ms_rec | ms_private, None)
        for own, path in mounts:
            if libc.mount(own, path, None, ms_bind, None) != 0:
                os._exit(96)
    return preexec
