"""At its bounds of connections and descriptors: accepting pauses, nobody spins, nobody is reset."""

import contextlib
import resource
import selectors
import socket
import time
import unittest

from harness import TestCase, get, is_sanitized, parse_answer, patience, wait_until

REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


class Crowd:
    """Clients that all connect and ask at once; answered ones hang up."""

    def __init__(self, port, count, request):
        self.selector = selectors.DefaultSelector()
        self.answered = 0
        self.failed = []
        self.sockets = []
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port), patience(20))
            self.sockets.append(client)
            client.sendall(request)
            client.setblocking(False)
            self.selector.register(client, selectors.EVENT_READ, bytearray())

    def serve(self, seconds):
        """Reads what comes for at most `seconds`, or until nobody waits any more."""
        end = time.monotonic() + seconds
        while self.selector.get_map() and time.monotonic() < end:
            for key, _ in self.selector.select(max(0, end - time.monotonic())):
                try:
                    more = key.fileobj.recv(4096)
                except OSError as error:
                    more = b""
                    self.failed.append(str(error))
                key.data.extend(more)
                parsed = parse_answer(key.data)
                if more and parsed is None:
                    continue
                if parsed is not None and parsed[0].status == 200:
                    self.answered += 1
                else:
                    self.failed.append(f"EOF after {bytes(key.data)!r}")
                self.selector.unregister(key.fileobj)
                key.fileobj.close()

    def close(self):
        for client in self.sockets:
            client.close()
        self.selector.close()


class ReadersOfNothing(TestCase):
    def test_their_answers_take_no_more_than_body_memory_and_the_others_are_served(self):
        memory = 64 << 20
        server = self.start("--workers", "1", "--body-memory", "64MiB", "--drain-window", "0s",
                            "--max-body-bytes", "8MiB", "--write-timeout", "60s")
        before = server.memory_bytes()
        body = b"x" * (8 << 20)  # more than the kernel takes from us for a client
        clients = []
        for _ in range(20):
            clients.append(self.client(server.port, receive_buffer=4096))
            clients[-1].ask("/echo", "POST", body)
        wait_until(lambda: server.metrics()["requests_received_total"] >= 20, 20, "all requests")
        self.assertGreater(server.metrics()["answers_denied_total"], 10, "of 20")
        if not is_sanitized():
            # And one exchange: its body, the answer as made, and as written; malloc keeps one more.
            self.assertLess(server.memory_bytes() - before, memory + 4 * len(body))
        self.assertEqual(get(server.port, "/").body, b"hello world")
        answers = [client.answer() for client in clients]
        # 503: two bodies were being received at once.
        bodies = {200: body, 500: b"Internal Server Error", 503: b"Service Unavailable"}
        for client, answer in zip(clients, answers):
            self.assertEqual(answer.body, bodies[answer.status])
            client.close()
        self.assertIn(200, [answer.status for answer in answers])
        self.assertTrue(server.wait_for("answers became 500 after their handlers had run"))
        server.terminate()
        audit = self.assert_ends(server, 0)
        denied = sum(answer.status == 500 for answer in answers)
        self.assertEqual(audit["answers_denied"], denied)

    def test_a_share_of_body_memory_too_small_for_one_body_is_warned_of(self):
        told = "leave 1MiB for the bodies of each of 2 workers, 768KiB of it for answers: less"
        for most, warned in (("768KiB", False), ("1MiB", True)):
            server = self.start("--workers", "2", "--drain-window", "0s", "--body-memory", "2MiB",
                                "--max-body-bytes", most)
            self.assertEqual(bool(server.find(told)), warned)
            server.terminate()
            self.assert_ends(server, 0)


class Memory(TestCase):
    def test_a_flood_behind_a_slow_request_is_bounded_and_given_back(self):
        # 400 clients ask for something slow, and pipeline as much as the kernel takes.
        server = self.start("--workers", "1", "--memory", "4MiB", "--drain-window", "0s",
                            "--shutdown-timeout", "1s")
        before = server.memory_bytes()
        self.assertTrue(server.find("at most 409 connections at once"))
        flood = REQUEST * 8000
        clients = []
        for _ in range(400):
            client = self.client(server.port)
            client.ask("/slow?ms=6000")
            client.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.socket.send(flood)
            client.socket.settimeout(patience(20))
            clients.append(client)
        seen = -1
        while seen != (seen := server.metrics()["memory_bytes"]):  # until nothing moves any more
            time.sleep(1.1)
        self.assertGreater(seen, 3 << 20)
        self.assertLess(seen, 4 << 20)
        self.assertEqual(server.metrics()["memory_tight_total"], 1)
        if not is_sanitized():
            self.assertLess(server.memory_bytes() - before, 8 << 20)
        for client in clients:
            self.assertIn(client.answer().status, (200, 503))
            client.close()
        self.assertEqual(get(server.port, "/").status, 200)
        wait_until(lambda: server.metrics()["connections_open"] <= 1, 5, "all to be gone")
        server.terminate()
        self.assert_ends(server, 0)

    def test_what_a_burst_needed_goes_back_to_the_system(self):
        server = self.start("--workers", "1", "--drain-window", "0s")
        before = server.memory_bytes()
        body = b"x" * (1 << 20)
        clients = [self.client(server.port) for _ in range(60)]
        for client in clients:
            client.send(f"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n"
                        .encode() + body[:-1])
        wait_until(lambda: server.metrics()["memory_bytes"] > 50 << 20, 10, "the bodies")
        for client in clients:
            client.socket.sendall(b"x")
            self.assertEqual(client.answer().status, 200)
            client.close()
        wait_until(lambda: server.metrics()["memory_returned_total"] == 1, 10, "the memory")
        self.assertLess(server.metrics()["memory_bytes"], 64 << 10)
        if not is_sanitized():
            self.assertLess(server.memory_bytes() - before, 8 << 20)
        server.terminate()
        self.assert_ends(server, 0)

    def test_where_the_system_has_no_memory_requests_get_503_and_nobody_else_notices(self):
        def little():
            resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))
        if is_sanitized():
            self.skipTest("a sanitizer needs more memory")
        server = self.start("--workers", "1", "--drain-window", "0s", "--memory", "8GiB",
                            "--body-memory", "4GiB", "--max-body-bytes", "300MiB", preexec=little)
        waiting = self.client(server.port)
        waiting.ask("/slow?ms=1500")
        greedy = self.client(server.port)
        with contextlib.suppress(OSError):  # it is refused while it sends
            greedy.ask("/echo", "POST", b"x" * (300 << 20))
        self.assertEqual(greedy.answer().status, 503)
        self.assertEqual(waiting.answer().status, 200)
        self.assertEqual(get(server.port, "/").status, 200)
        self.assertEqual(server.metrics()["body_denied_total"], 1)
        server.terminate()
        self.assert_ends(server, 0)


class TestBounds(TestCase):
    def crowd(self, *arguments):
        crowd = Crowd(*arguments)
        self.addCleanup(crowd.close)
        return crowd

    def assert_idle(self, server):
        """Less than a fifth of a second of CPU time in a second in which nothing changes."""
        before = server.cpu_seconds()
        started = time.monotonic()
        wait_until(lambda: time.monotonic() > started + 1, 5, "a second to pass")
        self.assertLess(server.cpu_seconds() - before, 0.2 * patience(1), "it spins")

    def test_30_clients_at_max_connections_10_are_all_served_and_nobody_spins(self):
        server = self.start("--workers", "1", "--max-connections", "10", "--drain-window", "0s",
                            "--admin-listen", "127.0.0.1:0")
        crowd = self.crowd(server.port, 30, REQUEST.replace(b"GET /", b"GET /slow?ms=2500"))
        wait_until(lambda: server.metrics(server.admin_port)["connections_open"] == 10, 5,
                   "the bound to be reached")
        self.assert_idle(server)
        metrics = server.metrics(server.admin_port)
        self.assertEqual(metrics["connections_accepted_total"], 10, "and not passed")
        self.assertGreater(metrics["accept_paused_total"], 0)
        crowd.serve(patience(20))
        self.assertEqual((crowd.answered, crowd.failed), (30, []))
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["connections_accepted"], 30)

    def test_silent_connections_to_the_admin_port_do_not_keep_probes_out(self):
        server = self.start("--workers", "1", "--drain-window", "0s",
                            "--admin-listen", "127.0.0.1:0")
        silent = [self.client(server.admin_port) for _ in range(300)]  # more than there are places
        for _ in range(10):
            self.assertEqual(get(server.admin_port, "/livez").status, 200)
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(len(silent), 300)

    def test_those_that_wait_at_the_bound_when_the_signal_comes_are_served_too(self):
        server = self.start("--workers", "1", "--max-connections", "10", "--drain-window", "0s",
                            "--shutdown-timeout", "20s", "--grace-period", "60s")
        crowd = self.crowd(server.port, 30, REQUEST.replace(b"GET /", b"GET /slow?ms=800"))
        server.terminate()
        crowd.serve(patience(15))
        self.assertEqual((crowd.answered, crowd.failed), (30, []), server.story())
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["requests_answered"], 30)

    def test_those_still_in_the_queue_at_the_deadline_are_counted_and_3(self):
        server = self.start("--workers", "1", "--max-connections", "10", "--drain-window", "0s",
                            "--shutdown-timeout", "500ms")
        self.crowd(server.port, 30, REQUEST.replace(b"GET /", b"GET /slow?ms=60000"))
        server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertEqual((audit["requests_cut"], audit["queue_lost"]), (10, 20))

    def check_few_descriptors(self, request):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
        server = self.start("--workers", "2", "--drain-window", "0s", preexec=few)
        crowd = self.crowd(server.port, 400, request)
        self.assert_idle(server)
        crowd.serve(patience(20))
        self.assertEqual((crowd.answered, crowd.failed), (400, []))
        self.assertGreater(server.metrics()["accept_paused_total"], 0)
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["requests_answered"], 401)

    def test_400_clients_at_200_descriptors_are_all_served_and_nobody_spins(self):
        # Answered at once, and not read for a second: their connections stay open.
        self.check_few_descriptors(REQUEST)

    def test_the_same_when_each_takes_a_while(self):
        self.check_few_descriptors(REQUEST.replace(b"GET /", b"GET /slow?ms=1500"))

    def test_descriptors_used_up_in_spite_of_the_bound_are_survived(self):
        # EMFILE: the limit is lowered below what is open, and given back. An accept takes the
        # limit of when it was submitted: the one that waits takes one client more.
        server = self.start("--workers", "1", "--drain-window", "0s", "--max-connections", "1000")
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        held = [self.client(server.port) for _ in range(20)]
        for client in held:
            self.assertEqual(client.get("/").status, 200)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (10, hard))
        crowd = self.crowd(server.port, 20, REQUEST)
        self.assert_idle(server)
        crowd.serve(0.1)
        self.assertLessEqual(crowd.answered, 1)
        self.assertEqual(held[0].get("/").status, 200, "who is inside is served")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
        crowd.serve(patience(10))
        self.assertEqual((crowd.answered, crowd.failed), (20, []))
        self.assertGreater(server.metrics()["accept_paused_total"], 0)
        for client in held:
            client.close()
        server.terminate()
        self.assert_ends(server, 0)


if __name__ == "__main__":
    unittest.main()
