"""`lastcall -- COMMAND`, over real sockets: what goes to the command, and what comes back."""

import concurrent.futures
import http.client
import pathlib
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from harness import (BUILD, HERE, Client, die_with_parent, first_seed, get, is_sanitized,
                     parse_answer, patience, rounds, wait_until)
from wrapped import WrappedTestCase

PYTHON = BUILD / "python" / "bin" / "python"  # with packages: ./setup makes it
GIGABYTE = 1 << 30
MEMORY_MAX = 64 << 20


def closes_at(answer, count):
    """A command that answers each connection's first request with `count` bytes of `answer`."""
    return [sys.executable, "-B", "-c", f"""
import os, socket
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=512)
count, answer = int({str(count)!r}), {answer!r}
while True:
    client, _ = server.accept()
    data = b""
    while b"\\r\\n\\r\\n" not in data:
        more = client.recv(65536)
        if not more:
            break
        data += more
    if data:
        size = int(data.split(b" ")[1][1:] or count)
        client.sendall(answer[:size])
    client.close()
"""]


class WhoAsks(WrappedTestCase):
    PROXY = ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n"
             "Forwarded: for=6.6.6.6;proto=https\r\n")

    def told(self, server, fields):
        with Client(server.port) as client:
            client.send(f"GET /fields HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
            lines = client.answer().body.decode().splitlines()
        return dict(line.split(": ", 1) for line in lines)

    def test_is_said_by_a_trusted_proxy_and_by_nobody_else(self):
        told = self.told(self.wrap(), self.PROXY)
        self.assertEqual(told["X-Forwarded-For"], "127.0.0.1")
        self.assertEqual(told["X-Forwarded-Proto"], "http")
        self.assertNotIn("Forwarded", told)
        told = self.told(self.wrap("--trusted-proxies", "127.0.0.0/8"), self.PROXY)
        self.assertEqual(told["X-Forwarded-For"], "6.6.6.6, 127.0.0.1")
        self.assertEqual(told["X-Forwarded-Proto"], "https")
        self.assertEqual(told["Forwarded"], "for=6.6.6.6;proto=https")

    def test_what_its_connection_names_was_for_us_alone(self):
        server = self.wrap("--trusted-proxies", "127.0.0.0/8")
        named = "Connection: keep-alive, x-forwarded-for ,FORWARDED\r\n"
        told = self.told(server, named + self.PROXY)
        self.assertEqual(told["X-Forwarded-For"], "127.0.0.1")
        self.assertEqual(told["X-Forwarded-Proto"], "https")
        self.assertNotIn("Forwarded", told)


    def test_a_client_that_nobody_can_name_is_not_passed_on(self):
        command = [sys.executable, "-B", "-c", """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass
    def do_POST(self):
        with open(sys.argv[1], "a") as said:
            print(self.headers["X-Forwarded-For"], file=said)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""]
        with tempfile.NamedTemporaryFile("r") as said:
            server = self.wrap(command=[*command, said.name])
            request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
            for _ in range(50):
                with socket.create_connection(("127.0.0.1", server.port)) as client:
                    client.sendall(request)
                    gone = struct.pack("ii", 1, 0)  # a reset: who that was is not known any more
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, gone)
            with Client(server.port) as client:
                client.send(request)
                self.assertEqual(client.answer().status, 200)
            server.terminate()
            self.assert_ends(server, 0)
            self.assertEqual(set(said.read().split("\n")[:-1]), {"127.0.0.1"})


class Bounds(WrappedTestCase):
    def status(self, server, size, chunked=False):
        head = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        content = b"x" * size
        with Client(server.port) as client:
            client.send(f"POST /count HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode())
            client.send(b"%x\r\n%b\r\n0\r\n\r\n" % (size, content) if chunked else content)
            return client.answer().status

    def test_a_content_has_none_unless_one_is_given(self):
        size = 3 << 20
        self.assertEqual(self.status(self.wrap(), size), 200)
        bounded = self.wrap("--max-body-bytes", "128KiB")
        for chunked in (False, True):
            self.assertEqual(self.status(bounded, 100 << 10, chunked), 200)
            self.assertEqual(self.status(bounded, 130 << 10, chunked), 413)


class Hostile(WrappedTestCase):
    def test_an_answer_that_ends_at_any_byte_is_whole_or_not_one(self):
        for answer, whole_from in [
                (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", None),
                (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                 None),
                # Nothing but the FIN ends this one, so any of it is all of it.
                (b"HTTP/1.1 200 OK\r\n\r\nhello", len(b"HTTP/1.1 200 OK\r\n\r\n"))]:
            server = self.wrap(command=closes_at(answer, 0))
            for count in range(1, len(answer) + 1):
                whole = count >= (whole_from or len(answer))
                connection = http.client.HTTPConnection("127.0.0.1", server.port,
                                                        timeout=patience(10))
                try:
                    connection.request("GET", f"/{count}")
                    response = connection.getresponse()
                    body, status = response.read(), response.status
                except (http.client.HTTPException, ConnectionError):
                    body, status = b"", 0
                connection.close()
                where = f"{count} bytes of {answer!r}: {status} {body!r}"
                if whole:
                    self.assertEqual((status, body), (200, answer[whole_from or -5:count]
                                                      if whole_from else b"hello"), where)
                else:
                    self.assertIn(status, (0, 502), where)
            server.terminate()
            self.assert_ends(server, 0)

    def test_a_command_that_closes_kept_connections_at_random_loses_no_get(self):
        seed = first_seed()
        command = [sys.executable, "-B", "-c", f"""
import os, random, socket, threading, time
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=512)
chance = random.Random({seed})
def serve(client):
    data = b""
    while True:
        while b"\\r\\n\\r\\n" not in data:
            more = client.recv(65536)
            if not more:
                return client.close()
            data += more
        head, _, data = data.partition(b"\\r\\n\\r\\n")
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello")
        if chance.random() < 0.3:
            time.sleep(chance.random() / 500)
            return client.close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""]
        server = self.wrap(command=command)

        def asks(_):
            with Client(server.port) as client:
                return [client.get("/").status for _ in range(rounds(300))]

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            statuses = [status for one in pool.map(asks, range(4)) for status in one]
        self.assertEqual({status: statuses.count(status) for status in set(statuses)},
                         {200: len(statuses)}, f"LASTCALL_SEED={seed}")
        server.terminate()
        self.assert_ends(server, 0)


class LargeContents(WrappedTestCase):
    def memory_while(self, server, done):
        most = 0
        while not done():
            most = max(most, server.memory_bytes())
            time.sleep(0.02)
        return most

    @unittest.skipIf(is_sanitized(), "a sanitizer's memory is its own")
    def test_a_gigabyte_either_way_holds_a_few_buffers(self):
        server = self.wrap()
        size = GIGABYTE if rounds(10) == 10 else GIGABYTE // 16
        results = {}

        def uploads(chunked):
            piece = b"x" * (1 << 20)
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.settimeout(patience(60))
                framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
                client.sendall(f"POST /count HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n".encode())
                for _ in range(size // len(piece)):
                    client.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                if chunked:
                    client.sendall(b"0\r\n\r\n")
                data = b""
                while parse_answer(data) is None:
                    data += client.recv(65536)
                results[f"up {chunked}"] = int(parse_answer(data)[0].body)

        def downloads():
            count = 0
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=patience(60))
            connection.request("GET", f"/bytes?n={size}")
            response = connection.getresponse()
            while piece := response.read(1 << 20):
                count += len(piece)
                time.sleep(0.0005)  # slower than the command
            results["down"] = count
            connection.close()

        for name, what, arguments in (("up False", uploads, [False]), ("up True", uploads, [True]),
                                      ("down", downloads, [])):
            thread = threading.Thread(target=what, args=arguments)
            thread.start()
            most = self.memory_while(server, lambda thread=thread: not thread.is_alive())
            thread.join()
            self.assertEqual(results.get(name), size)
            self.assertLess(most, MEMORY_MAX, name)
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["requests_answered"], 3)

    def test_a_client_that_does_not_read_does_not_hold_a_small_answer_of_the_commands(self):
        server = self.wrap()
        with Client(server.port, receive_buffer=4096) as slow:
            slow.ask("/bytes?n=60000")
            wait_until(lambda: server.event("answered"), 5, "the command has given it all")
            self.assertEqual(len(slow.answer().body), 60000)


class Targets(WrappedTestCase):
    def test_of_an_absolute_form_the_command_gets_its_own(self):
        command = [sys.executable, "-B", "-c", """
import os, socket
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    client, _ = server.accept()
    line = client.recv(65536).split(b"\\r\\n")[0]
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(line), line))
    client.close()
"""]
        server = self.wrap(command=command)
        for method, target, seen in [("OPTIONS", "http://b", "*"), ("OPTIONS", "http://b/", "/"),
                                     ("GET", "http://b?q", "/?q"), ("OPTIONS", "*", "*")]:
            with Client(server.port) as client:
                client.ask(target, method)
                self.assertEqual(client.answer().body, f"{method} {seen} HTTP/1.1".encode())


class Streams(WrappedTestCase):
    def test_events_come_as_they_are_sent(self):
        server = self.wrap()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=patience(10))
        connection.request("GET", "/chunks?n=5&ms=200")
        response = connection.getresponse()
        times = []
        for number in range(5):
            self.assertEqual(response.read(len("data: 0\n\n")), f"data: {number}\n\n".encode())
            times.append(time.monotonic())
        self.assertGreater(times[-1] - times[0], 0.6)
        self.assertEqual(response.read(), b"")
        connection.close()

    def test_a_stream_in_a_drain_comes_to_its_end(self):
        server = self.wrap(window="200ms")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=patience(10))
        connection.request("GET", "/chunks?n=10&ms=100")
        response = connection.getresponse()
        server.terminate()
        self.assertEqual(response.read().count(b"data: "), 10)
        connection.close()
        self.assert_ends(server, 0)


class WebSockets(WrappedTestCase):
    SERVER = """
import asyncio, os, signal, websockets
async def echo(socket):
    async for message in socket:
        await socket.send(message)
async def main():
    stop = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set_result, None)
    async with websockets.serve(echo, "127.0.0.1", int(os.environ["PORT"]), max_size=None):
        await stop
asyncio.run(main())
"""

    def wrap_sockets(self, *options, **settings):
        return self.wrap(*options, command=[PYTHON, "-B", "-c", self.SERVER], **settings)

    def client_of(self, server, does):
        client = subprocess.Popen(
            [PYTHON, "-B", HERE / "websocket_client.py", f"ws://127.0.0.1:{server.port}/", does],
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.addCleanup(client.stdout.close)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        return client

    def test_messages_go_both_ways(self):
        server = self.wrap_sockets()
        client = self.client_of(server, "talks")
        self.assertEqual(client.stdout.readline(), "ok\n")
        self.assertEqual(client.wait(patience(5)), 0)
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["tunnels_cut"], 0)

    def test_one_that_begins_when_their_time_is_over_is_told_that_it_has(self):
        command = [sys.executable, "-B", "-c", """
import os, socket, time
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    client = server.accept()[0]
    if client.recv(4096):
        time.sleep(0.6)
        client.sendall(b"HTTP/1.1 101 Switching\\r\\nUpgrade: websocket\\r\\n"
                       b"Connection: Upgrade\\r\\n\\r\\n")
        client.recv(1)
"""]
        server = self.wrap("--tunnel-timeout", "100ms", command=command, window="50ms")
        with Client(server.port) as client:
            client.ask("/", fields="Upgrade: websocket\r\nConnection: Upgrade\r\n")
            self.wait_for_request(server)
            server.terminate()
            self.assertIn(b" 101 ", client.socket.recv(100))
            audit = self.assert_ends(server, 0)
        self.assertEqual((audit["requests_cut"], audit["tunnels_cut"]), (0, 1))

    def test_in_a_drain_they_go_on_until_their_time_is_over_and_are_no_loss(self):
        server = self.wrap_sockets("--tunnel-timeout", "1s", window="300ms")
        client = self.client_of(server, "stays")
        self.assertEqual(client.stdout.readline(), "still\n")
        began, last = server.terminate(), 0
        for line in client.stdout:
            if line == "closed\n":
                break
            last = time.monotonic()
        self.assertGreater(last - began, 1)
        self.assertEqual(client.wait(patience(5)), 0)
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["tunnels_cut"], 1)
        self.assertEqual(len(server.find("cut: the tunnel of GET /")), 1)


class OtherWays(WrappedTestCase):
    def test_a_unix_socket(self):
        folder = tempfile.mkdtemp()
        path = str(pathlib.Path(folder) / "app.sock")
        self.addCleanup(lambda: subprocess.run(["rm", "-r", folder], check=False))
        server = self.wrap(upstream=f"unix:{path}", environment={"UNIX_SOCKET": path})
        self.assertEqual(get(server.port, "/").body, b"hello")
        self.assertNotIn(b'"PORT"', get(server.port, "/env").body)
        server.terminate()
        self.assert_ends(server, 0)

    def test_a_unix_socket_whose_queue_is_full_is_tried_again(self):
        folder = tempfile.mkdtemp()
        path = str(pathlib.Path(folder) / "app.sock")
        self.addCleanup(lambda: subprocess.run(["rm", "-r", folder], check=False))
        command = [sys.executable, "-B", "-c", f"""
import socket, time
server = socket.socket(socket.AF_UNIX)
server.bind({path!r})
server.listen(1)
server.accept()[0].close()  # who looks whether it is ready
time.sleep(0.7)
while True:
    client, _ = server.accept()
    client.recv(65536)
    head = b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nConnection: close\\r\\n\\r\\n"
    client.sendall(head + b"hello")
    client.close()
"""]
        server = self.wrap(upstream=f"unix:{path}", command=command)
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: get(server.port, "/"), range(20)))
        self.assertEqual({answer.status for answer in answers}, {200})
        server.terminate()
        self.assert_ends(server, 0)

    def test_bytes_of_any_protocol(self):
        command = [sys.executable, "-B", "-c", """
import os, socket, threading
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
def serve(client):
    while data := client.recv(65536):
        client.sendall(data)
    client.sendall(b"bye")
    client.close()
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""]
        server = self.wrap("--tcp", "--shutdown-timeout", "2s", command=command, window="500ms")
        port = server.port
        with socket.create_connection(("127.0.0.1", port)) as one:
            one.settimeout(patience(5))
            one.sendall(b"\x16\x03\x01\0")
            self.assertEqual(one.recv(100), b"\x16\x03\x01\0")
            one.shutdown(socket.SHUT_WR)
            self.assertEqual(one.recv(100), b"bye")
            self.assertEqual(one.recv(100), b"")
        with socket.create_connection(("127.0.0.1", port)) as kept:
            kept.settimeout(patience(5))
            kept.sendall(b"a")
            self.assertEqual(kept.recv(100), b"a")
            server.terminate()
            server.wait_for("draining for")
            with socket.create_connection(("127.0.0.1", port)) as late:  # in the window
                late.sendall(b"late")
                self.assertEqual(late.recv(100), b"late")
            server.wait_for("closing: no new connection")
            kept.sendall(b"b")
            self.assertEqual(kept.recv(100), b"b")
            audit = self.assert_ends(server, 0)
        self.assertEqual(audit["tunnels_cut"], 1)
        self.assertEqual(audit["connections_accepted"], 3)

    def test_bytes_for_a_command_that_has_ended_are_waited_for_by_nobody(self):
        command = [sys.executable, "-B", "-c", """
import os, socket
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
clients = []
while True:
    clients.append(server.accept()[0])
    if clients[-1].recv(1) == b"x":
        os._exit(7)
"""]
        server = self.wrap("--tcp", "--shutdown-timeout", "20s", command=command)
        with Client(server.port) as silent, Client(server.port) as last:
            silent.send(b"a")
            last.send(b"x")
            silent.eof_at()  # and it stays open for sending
            began = time.monotonic()
            self.assert_ends(server, 7)
            self.assertLess(time.monotonic() - began, patience(5))

    def test_a_synchronous_command_is_not_kept_by_a_slow_client(self):
        command = [sys.executable, "-B", "-c", """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""]
        server = self.wrap(command=command)
        with Client(server.port) as slow:
            slow.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nsl")
            with Client(server.port) as quick:
                quick.ask("/", "POST", b"quick")
                self.assertEqual(quick.answer().body, b"quick")
            slow.send(b"ow")
            self.assertEqual(slow.answer().body, b"slow")


class Random(WrappedTestCase):
    def test_sigterm_at_any_moment_of_any_request_loses_none(self):
        seed = first_seed()
        chance = random.Random(seed)
        lost = asked = 0
        for _ in range(rounds(6)):
            server = self.wrap(window=chance.choice(["0s", "200ms", "600ms"]))
            port, results = server.port, []

            def asks(number, port=port, results=results):
                own = random.Random(seed + number)
                while True:
                    body = b"x" * own.choice([0, 10, 1000, 70_000, 300_000])
                    try:
                        client = Client(port, 10)
                    except ConnectionRefusedError:
                        return
                    with client:
                        closes = False
                        while not closes:
                            try:
                                client.ask("/", "POST", body)
                                answer = client.answer()
                                results.append(answer.status == 200 and answer.body == body)
                                closes = answer.closes
                            except OSError:
                                results.append(False)
                                break

            threads = [threading.Thread(target=asks, args=(number,)) for number in range(6)]
            for thread in threads:
                thread.start()
            time.sleep(chance.random())
            server.signal(signal.SIGTERM)
            for thread in threads:
                thread.join()
            audit = self.assert_ends(server, 0)
            lost += results.count(False)
            asked += len(results)
            self.assertEqual(audit["requests_cut"] + audit["lost_in_drain"], 0)
        self.assertEqual(lost, 0, f"of {asked}; LASTCALL_SEED={seed}")


if __name__ == "__main__":
    unittest.main()
