"""A program for the tests to stand in front of, unaware of it: HTTP on PORT (or at UNIX_SOCKET), by
Python's own server. What it is to do otherwise stands in its arguments: python3 wrapped_app.py …

    --start-after SECONDS     listens later
    --on-term CODE|ignore|SECONDS:CODE   what SIGTERM does (1:0 is: a second later, exit 0)
    --events PATH             what happened, a line each: NAME SECONDS, on CLOCK_MONOTONIC

GET /            hello                     GET /slow?ms=N      the same, N ms later
GET /fields      what it was asked with    GET /env         its environment, as JSON
GET /status         /proc/self/status and limits
GET /exit?code=N ends at once              GET /kill?signal=N  by a signal
GET /orphan      leaves a process behind   GET /daemonize      goes on in a process of its own
GET /chunks?n=N&ms=M   N chunks, M ms apart   GET /bytes?n=N   N bytes
POST /           what was posted           POST /count         how many bytes that were
"""

import ctypes
import http.server
import json
import os
import pathlib
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse

PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # nothing outlives a test
OPTIONS = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
BLOCK = b"x" * (1 << 16)


def note(event):
    if "--events" in OPTIONS:
        with open(OPTIONS["--events"], "a", encoding="ascii") as file:
            file.write(f"{event} {time.monotonic()}\n")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, *_):
        pass

    def answer(self, body=b"hello", status=200):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        getattr(self, "get_" + url.path[1:].replace("/", "_"), self.answer_missing)(**query)
        note("answered")

    def answer_missing(self, **_):
        self.answer(b"none", 404)

    def get_(self):
        self.answer()

    def get_slow(self, ms):
        time.sleep(int(ms) / 1000)
        self.answer()

    def get_fields(self):
        self.answer("".join(f"{name}: {value}\n" for name, value in self.headers.items()).encode())

    def get_env(self):
        self.answer(json.dumps(dict(os.environ)).encode())

    def get_status(self):
        read = pathlib.Path("/proc/self")
        session = f"Session: {os.getsid(0) == os.getpid()}\n"
        text = (read / "status").read_text() + (read / "limits").read_text() + session
        self.answer(text.encode())

    def get_exit(self, code):
        note("exits")
        os._exit(int(code))

    def get_kill(self, signal):  # noqa: A002
        os.kill(os.getpid(), int(signal))
        time.sleep(10)

    def get_orphan(self, heeds="yes"):
        shell = "sleep 60" if heeds == "yes" else "trap '' TERM; while :; do sleep 1; done"
        child = subprocess.Popen(["setsid", "sh", "-c", shell], stdout=subprocess.DEVNULL)
        self.answer(str(child.pid).encode())

    def get_zombies(self, n):
        for _ in range(int(n)):
            subprocess.run(["sh", "-c", "(exec true) & exit 0"], check=True)
        self.answer()

    def get_daemonize(self):
        self.answer()
        self.wfile.flush()
        subprocess.Popen(["setsid", "sleep", "60"], stdout=subprocess.DEVNULL)
        os._exit(0)

    def get_chunks(self, n, ms):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i in range(int(n)):
            piece = f"data: {i}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()
            time.sleep(int(ms) / 1000)
        self.wfile.write(b"0\r\n\r\n")

    def get_bytes(self, n):
        self.send_response(200)
        self.send_header("Content-Length", n)
        self.end_headers()
        left = int(n)
        while left > 0:
            left -= self.wfile.write(BLOCK[:min(left, len(BLOCK))])

    def pieces(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length", 0))
        while left > 0:
            piece = self.rfile.read(min(left, len(BLOCK)))
            left -= len(piece)
            yield piece

    def do_POST(self):
        if self.path == "/count":
            self.answer(str(sum(map(len, self.pieces()))).encode())
        else:
            self.answer(b"".join(self.pieces()))
        note("posted")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):
        pass


class UnixServer(Server):
    address_family = socket.AF_UNIX

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0

    def get_request(self):
        request, _ = self.socket.accept()
        return request, ("unix", 0)


def on_term(*_):
    note("term")
    what = OPTIONS.get("--on-term", "0:143")
    if what == "ignore":
        return
    seconds, _, code = what.rpartition(":")
    threading.Timer(float(seconds or 0), os._exit, [int(code)]).start()


def main():
    note("started")
    signal.signal(signal.SIGTERM, on_term)
    for name in ("HUP", "USR1", "USR2", "WINCH", "INT", "QUIT"):
        signal.signal(getattr(signal, "SIG" + name), lambda *_, name=name: note(name))
    time.sleep(float(OPTIONS.get("--start-after", 0)))
    if path := os.environ.get("UNIX_SOCKET"):
        server = UnixServer(path, Handler)
    else:
        server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
    note("listens")
    server.serve_forever()


if __name__ == "__main__":
    main()
