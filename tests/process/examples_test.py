"""The three services of tests/examples, as tests/install has built them against the installed
library: each is drained under load and loses nothing; its control, --hard, does.

    LASTCALL_EXAMPLES  where they are built
"""

import hashlib
import http.client
import http.server
import os
import pathlib
import random
import tempfile
import threading
import time
import unittest

from harness import TestCase, patience, wait_until
from postgres_server import Postgres, programs
from redis_server import REDIS, CuttingProxy, Redis

FOLDER = pathlib.Path(os.environ.get("LASTCALL_EXAMPLES") or "/nonexistent")
CLIENTS = 8
LONG_ENOUGH = 1.0  # of load before the signal, in seconds


class Load:
    """Clients in a closed loop, each on a connection of its own, until it is refused.

    `ask(client, number)` returns a method, a path, a body and what checks the answer: a function of
    status and body that says what is wrong with it, or nothing.
    """

    def __init__(self, port, ask):
        self.port = port
        self.ask = ask
        self.answered = 0
        self.lost = []
        self.refused = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True)
                        for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self, client):
        number = 0
        connection = None
        while True:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                        timeout=patience(20))
                try:
                    connection.connect()
                except ConnectionRefusedError:
                    with self.lock:
                        self.refused += 1
                    return
                except OSError as error:
                    self.lose(f"client {client} connects: {error!r}")
                    return
            method, path, body, wrong = self.ask(client, number)
            number += 1
            try:
                connection.request(method, path, body)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.lose(f"{method} {path}: {error!r}")
                return
            why = wrong(answer.status, content)
            if why:
                self.lose(f"{method} {path}: {answer.status}: {why}")
                return
            with self.lock:
                self.answered += 1
            if answer.will_close:
                connection.close()
                connection = None

    def lose(self, what):
        with self.lock:
            self.lost.append(what)

    def wait(self):
        for thread in self.threads:
            thread.join(patience(30))


class ExampleTest(TestCase):
    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def run_example(self, name, *options, **settings):
        return self.start(command=[FOLDER / name, "--listen", "127.0.0.1:0", "--workers", "2",
                                   "--drain-window", "500ms", "--log-format", "json",
                                   "--termination-log", "/dev/null/none", *options],
                          **settings)

    def load_and_terminate(self, server, ask, meanwhile=lambda: None):
        load = Load(server.port, ask)
        time.sleep(LONG_ENOUGH / 2)
        meanwhile()
        time.sleep(LONG_ENOUGH / 2)
        server.terminate()
        load.wait()
        return load

    def assert_nothing_lost(self, server, load, least):
        self.assertEqual(load.lost, [], server.story())
        self.assertEqual(load.refused, CLIENTS)
        self.assertGreater(load.answered, least)
        audit = self.assert_ends(server, 0)
        self.assertGreaterEqual(audit["requests_answered"], load.answered)

    def assert_control_loses(self, lost):
        """`lost()` runs the same with --hard, and counts; a signal may fall between requests."""
        self.assertGreater(sum(lost() for _ in range(2)), 0)


def status(expected):
    return lambda got, body: "" if got == expected else body[:200]


@unittest.skipIf(programs() is None, "no PostgreSQL here")
class Notes(ExampleTest):
    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.stop)
        cls.postgres.psql("CREATE TABLE note (id bigserial PRIMARY KEY, text text NOT NULL)")

    def setUp(self):
        self.postgres.psql("TRUNCATE note RESTART IDENTITY")
        self.texts = {}  # by the id that the answer named

    def ask(self, client, number):
        if number % 3 == 2:
            known = random.choice(list(self.texts.items()))
            return ("GET", f"/notes/{known[0]}", None,
                    lambda code, body: "" if (code, body) == (200, known[1].encode()) else body)
        text = f"client {client}, note {number}"

        def wrong(code, body):
            self.texts[body.decode()] = text
            return "" if code == 201 else body

        return "POST", "/notes", text, wrong

    def start_notes(self, *options):
        return self.run_example("notes", *options, environment=self.postgres.environment)

    def test_each_note_that_was_acknowledged_is_kept_and_no_other(self):
        server = self.start_notes()
        load = self.load_and_terminate(server, self.ask)
        self.assert_nothing_lost(server, load, 100)
        self.assertEqual(dict(self.postgres.rows("SELECT id, text FROM note")), self.texts)

    def test_its_control_loses(self):
        def lost():
            load = self.load_and_terminate(self.start_notes("--hard"), self.ask)
            return len(load.lost)
        self.assert_control_loses(lost)

    def test_a_connection_that_the_database_ends_fails_what_it_carried_and_is_made_anew(self):
        server = self.start_notes()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=patience(10))

        def post():
            connection.request("POST", "/notes", "text")
            answer = connection.getresponse()
            return answer.status, answer.read()

        self.assertEqual(post()[0], 201)
        self.postgres.kill_connections()
        codes = [post()[0] for _ in range(12)]
        self.assertEqual(codes[-4:], [201] * 4)
        self.assertLessEqual(set(codes), {201, 500})
        connection.request("GET", "/notes/1")
        self.assertEqual(connection.getresponse().read(), b"text")
        connection.request("DELETE", "/notes/1")
        self.assertEqual(connection.getresponse().read(), b"")
        connection.request("GET", "/notes/1")
        self.assertEqual(connection.getresponse().status, 404)
        server.terminate()
        self.assert_ends(server, 0)

    def test_what_is_no_text_or_no_number_is_refused_and_touches_nothing(self):
        server = self.start_notes()
        client = self.client(server.port)
        client.ask("/notes", "POST", b"before\0after")
        self.assertEqual(client.answer().status, 400)
        client.ask("/notes", "POST", b"kept")
        self.assertEqual(client.answer().body, b"1")
        for path in ("/notes/1%00junk", "/notes/x", "/notes/1%20"):
            client.ask(path, "DELETE")
            self.assertEqual(client.answer().status, 404)
        self.assertEqual(client.get("/notes/1").body, b"kept")
        server.terminate()
        self.assert_ends(server, 0)

    def test_1_without_its_database_it_does_not_come_to_serve(self):
        server = self.start(command=[FOLDER / "notes", "--listen", "127.0.0.1:0"], serving=False,
                            environment={"PGHOST": "/nonexistent"})
        self.assertEqual(server.wait(), 1)


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers what it is sent, in capitals and in chunks; /api/cut cuts its answer half-way,
    /api/fields says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        if self.headers.get("Transfer-Encoding"):
            body = self.chunked()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/api/fields"):
            body = f"path: {self.path}\n{self.headers}".encode()
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(body), 1000):
            piece = body[at:at + 1000].upper()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if self.path == "/api/cut":
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST

    def chunked(self):
        body = b""
        while size := int(self.rfile.readline() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_):
        pass


class UpstreamServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class Edge(ExampleTest):
    def setUp(self):
        self.site = self.folder()
        self.uploads = self.folder()
        self.large = os.urandom(300_000)
        (self.site / "large.bin").write_bytes(self.large)
        self.upstream = UpstreamServer(("127.0.0.1", 0), Upstream)
        self.addCleanup(self.upstream.server_close)
        self.addCleanup(self.upstream.shutdown)
        threading.Thread(target=self.upstream.serve_forever, daemon=True).start()
        self.uploaded = {}

    def start_edge(self, *options, port=None):
        return self.run_example("edge", *options, environment={
            "SITE": str(self.site), "UPLOADS": str(self.uploads),
            "PORT_OF_UPSTREAM": str(port or self.upstream.server_port)})

    def ask(self, client, number):
        kind = (client + number) % 4
        if kind == 0:
            return ("GET", "/site/large.bin", None,
                    lambda code, body: "" if (code, body == self.large) == (200, True) else code)
        if kind == 1:
            name = f"{client}-{number}"
            data = random.randbytes(random.randrange(1, 200_000))

            def wrong(code, body):
                self.uploaded[name] = hashlib.sha256(data).digest()
                return "" if (code, body) == (201, str(len(data)).encode()) else body

            return "PUT", f"/uploads/{name}", data, wrong
        data = b"abc" * random.randrange(1, 30_000)
        body = data if kind == 2 else iter([data[:100], data[100:]])  # of known length, in chunks
        return ("POST", "/api/echo", body,
                lambda code, got: "" if (code, got == data.upper()) == (200, True) else got[:200])

    def events(self, port, ended):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience(20))
        connection.request("GET", "/events")
        text = connection.getresponse().read()  # raises where its end is missing
        ended.append(text.count(b"data: "))

    def test_files_uploads_events_and_an_upstream_are_drained_whole(self):
        server = self.start_edge()
        ended = []
        listeners = [threading.Thread(target=self.events, args=(server.port, ended), daemon=True)
                     for _ in range(4)]
        for thread in listeners:
            thread.start()
        load = self.load_and_terminate(server, self.ask)
        for thread in listeners:
            thread.join(patience(10))
        self.assertEqual(len(ended), 4)
        self.assertGreater(min(ended), 10)
        self.assert_nothing_lost(server, load, 100)
        kept = {path.name: hashlib.sha256(path.read_bytes()).digest()
                for path in self.uploads.iterdir()}
        self.assertEqual(kept, self.uploaded)

    def test_its_control_loses(self):
        self.assert_control_loses(
            lambda: len(self.load_and_terminate(self.start_edge("--hard"), self.ask).lost))

    def test_an_upload_that_is_cut_leaves_no_file(self):
        server = self.start_edge()
        with self.client(server.port) as client:
            client.send(b"PUT /uploads/half HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
            wait_until(lambda: list(self.uploads.iterdir()), 10, "the upload")
        wait_until(lambda: not list(self.uploads.iterdir()), 10, "no file")
        self.assertEqual(self.client(server.port).get("/uploads/x").status, 405)
        server.terminate()
        self.assert_ends(server, 0)

    def test_uploads_at_once_keep_apart_whatever_their_names(self):
        server = self.start_edge()
        slow = self.client(server.port)
        slow.send(b"PUT /uploads/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nsl")
        wait_until(lambda: list(self.uploads.iterdir()), 10, "the upload")
        temporary = next(self.uploads.iterdir()).name
        client = self.client(server.port)
        client.ask(f"/uploads/{temporary}", "PUT", b"other")
        self.assertEqual(client.answer().status, 400)
        client.ask("/uploads/x", "PUT", b"fast")
        self.assertEqual(client.answer().status, 201)
        slow.send(b"ow")
        self.assertEqual(slow.answer().status, 201)
        self.assertEqual({path.name: path.read_bytes() for path in self.uploads.iterdir()},
                         {"x": b"slow"})
        for path in ("/api/../site/large.bin", "/api/a/%2e%2e/%2E%2e/site/large.bin"):
            self.assertEqual(client.get(path).status, 400)
        server.terminate()
        self.assert_ends(server, 0)

    def test_what_is_of_one_connection_goes_no_further(self):
        server = self.start_edge()
        client = self.client(server.port)
        client.send(b"GET http://a/api/fields?a=b HTTP/1.1\r\nHost: a\r\n"
                    b"Connection: X-Own, close\r\nX-Own: 1\r\nX-Kept: 2\r\n"
                    b"X-Forwarded-For: forged\r\n\r\n")
        body = client.socket.makefile("rb").read().lower()
        self.assertIn(b"path: /api/fields?a=b", body)
        self.assertIn(b"x-kept: 2", body)
        self.assertIn(b"x-forwarded-for: 127.0.0.1", body)
        self.assertNotIn(b"x-own", body)
        self.assertNotIn(b"forged", body)
        server.terminate()
        self.assert_ends(server, 0)

    def test_an_answer_that_the_upstream_cuts_is_cut_and_one_that_cannot_be_had_is_502(self):
        server = self.start_edge()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=patience(10))
        connection.request("POST", "/api/cut", b"x" * 5000)
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        with self.assertRaises(http.client.HTTPException):
            answer.read()
        self.assertEqual(server.metrics()["answers_broken_off_total"], 1)
        server.wait_for("POST /api/cut failed, its answer is broken off: 127.0.0.1:")
        nobody = self.start_edge(port=1)
        answer = self.client(nobody.port).get("/api/echo")
        self.assertEqual((answer.status, answer.body),
                         (502, b"Connection refused\n"))
        for each in (server, nobody):
            each.terminate()
            self.assert_ends(each, 0)


@unittest.skipIf(REDIS is None, "no redis-server here")
class Orders(ExampleTest):
    def setUp(self):
        self.redis = Redis(self.folder()).start()
        self.addCleanup(self.redis.stop)
        self.taken = {}

    def ask(self, client, number):
        key, text = f"{client}-{number}", f"order {number}"

        def wrong(code, body):
            self.taken[key] = text
            return "" if code == 202 else body

        time.sleep(0.01)  # jobs are bounded, and what is refused is not acknowledged
        return "PUT", f"/orders/{key}", text, wrong

    def run_orders(self, redis_port, *options):
        return self.run_example("orders", *options,
                                environment={"PORT_OF_REDIS": str(redis_port)})

    def kept(self):
        words = self.redis.command("HGETALL", "orders")
        return dict(zip(words[::2], words[1::2]))

    def test_each_order_that_was_acknowledged_is_kept_whatever_redis_does(self):
        fates = (CuttingProxy.FATES + [None] * 20) * 4
        random.shuffle(fates)
        proxy = CuttingProxy(self.redis, 1, fates).start()
        self.addCleanup(proxy.stop)
        server = self.run_orders(proxy.port)
        load = self.load_and_terminate(server, self.ask)
        self.assert_nothing_lost(server, load, 100)
        self.assertGreater(proxy.accepted, 8)
        self.assertEqual(self.kept(), self.taken)

    def test_3_orders_that_redis_never_takes_are_named_as_unfinished(self):
        server = self.run_orders(1, "--shutdown-timeout", "500ms")
        client = self.client(server.port)
        client.ask("/orders/1", "PUT", b"text")
        self.assertEqual(client.answer().status, 202)
        server.terminate()
        self.assertEqual(self.assert_ends(server, 3)["jobs_unfinished"], 1)

    def test_its_control_loses(self):
        def lost():
            proxy = CuttingProxy(self.redis, 1).start()
            self.addCleanup(proxy.stop)
            load = self.load_and_terminate(self.run_orders(proxy.port, "--hard"), self.ask)
            return len(load.lost) + len(self.taken.items() - self.kept().items())
        self.assert_control_loses(lost)


if __name__ == "__main__":
    unittest.main()
