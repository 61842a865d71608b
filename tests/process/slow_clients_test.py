"""Clients that do not read, or never finish their request: while serving, and at the deadline."""

import fcntl
import signal
import socket
import sys
import termios
import time
import unittest

from harness import TestCase, get, is_sanitized, may, patience, wait_until

MIB = 1 << 20
TCP_REPAIR = 19  # of linux/tcp.h


class ReadsNothingBeforeItHasSentAll(TestCase):
    """As Python's http.client and many SDKs do."""

    def test_its_refusal_reaches_it_however_long_it_sends(self):
        server = self.start("--max-body-bytes", "1KiB", "--drain-window", "0s")
        seconds = 4  # longer than a client has that only has to close
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.settimeout(patience(10))
            client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n")
            for _ in range(40):
                client.sendall(b"x" * 10_000)
                time.sleep(seconds / 40)  # it is slow
            self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 413 "))
        server.terminate()
        self.assertGreater(self.assert_ends(server, 0)["late_bytes"], 300_000)


@unittest.skipUnless(may("CAP_NET_ADMIN"), "TCP_REPAIR needs CAP_NET_ADMIN")
class Vanishes(TestCase):
    """Its machine has lost power, or its link is cut: neither FIN nor RST."""

    def vanish(self, client):
        client.socket.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        client.socket.close()

    def test_its_place_is_free_again_soon_after_it_is_asked_for(self):
        for keepalive, left in (("1s", 0), ("0s", 5)):
            with self.subTest(keepalive):
                server = self.start("--workers", "1", "--tcp-keepalive", keepalive,
                                    "--admin-listen", "127.0.0.1:0", "--drain-window", "0s",
                                    "--shutdown-timeout", "3s")
                clients = [self.client(server.port) for _ in range(5)]
                for client in clients:
                    client.ask("/")
                    client.answer()
                    self.vanish(client)

                def still_open():
                    return server.metrics(server.admin_port)["connections_open"]

                self.assertEqual(still_open(), 5)
                if left == 0:
                    wait_until(lambda: still_open() == 0, 6, "all are noticed")
                else:
                    time.sleep(3)
                self.assertEqual(still_open(), left)
                server.terminate()
                self.assert_ends(server, 0)


class NeverReads(TestCase):
    UNREAD = b"x" * 200_000

    def fill(self, client, seconds=10):
        """Pipelines large echo requests until the server holds the client back; how many."""
        body = b"x" * 100_000
        request = b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % len(body)
        data = memoryview((request + body) * 20)
        client.socket.setblocking(False)
        sent = 0
        blocked_since = None
        end = time.monotonic() + patience(seconds)
        # Held back: not one byte more has been taken for half a second.
        while blocked_since is None or time.monotonic() - blocked_since < 0.5:
            self.assertLess(time.monotonic(), end, "the server takes all that is sent")
            self.assertLess(sent, 200 * MIB, "back-pressure must come long before this")
            try:
                sent += client.socket.send(data[sent % len(data):])
                blocked_since = None
            except BlockingIOError:
                blocked_since = blocked_since or time.monotonic()
                time.sleep(0.01)  # the condition is that nothing happens
        client.socket.settimeout(patience(10))
        return sent

    def assert_responsive_and_bounded(self, server, before):
        for _ in range(20):
            self.assertEqual(get(server.port, "/").body, b"hello world")
        if not is_sanitized():  # those keep what was freed
            self.assertLess(server.memory_bytes() - before, 24 * MIB)

    def test_the_write_timeout_ends_it_and_others_are_served_meanwhile(self):
        server = self.start("--workers", "1", "--write-timeout", "1500ms", "--drain-window", "0s")
        before = server.memory_bytes()
        clients = [self.client(server.port, receive_buffer=4096) for _ in range(4)]
        for client in clients:
            self.fill(client)
        self.assert_responsive_and_bounded(server, before)
        wait_until(lambda: server.metrics()["write_timeouts_total"] == len(clients), 20,
                   "the write timeout")
        wait_until(lambda: server.metrics()["connections_open"] == 1, 5, "their ends")
        self.assertGreaterEqual(server.metrics()["requests_undelivered_total"], len(clients))
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["requests_received"],
                         audit["requests_answered"] + audit["requests_undelivered"])

    def test_at_the_deadline_it_is_cut_and_counted_with_3(self):
        server = self.start("--workers", "1", "--drain-window", "300ms", "--shutdown-timeout",
                            "500ms")
        before = server.memory_bytes()
        client = self.client(server.port, receive_buffer=4096)
        self.fill(client)
        self.assert_responsive_and_bounded(server, before)
        signaled_at = server.terminate()
        self.assertEqual(get(server.port, "/").status, 200, "the window is open")
        audit = self.assert_ends(server, 3)
        self.assertLess(server.ended_at - signaled_at, 0.8 + patience(0.9))
        self.assertGreaterEqual(audit["requests_cut"], 1)
        self.assertEqual(audit["forced_closes"], 1)
        self.assertTrue(any(client.name in line["message"] for line in server.find("cut: ")),
                        server.story())

    def start_unread(self, timeout, half_closes):
        """A drain with an answer under way that nobody reads. The whole of it fits into the
        socket's buffers: the send completes."""
        server = self.start("--workers", "1", "--drain-window", "0s", "--shutdown-timeout", timeout)
        client = self.client(server.port, receive_buffer=4096)
        client.ask("/echo", "POST", self.UNREAD)
        if half_closes:
            client.socket.shutdown(socket.SHUT_WR)
        wait_until(lambda: server.metrics()["requests_received_total"] >= 2, 5, "the request")
        server.terminate()
        return server, client

    def test_an_answer_that_lies_unread_in_the_kernel_is_no_answer_at_the_deadline(self):
        server, client = self.start_unread("1s", half_closes=False)
        audit = self.assert_ends(server, 3)
        self.assertEqual(audit["requests_cut"], 1)
        self.assertTrue(any(client.name in line["message"] for line in server.find("cut: ")),
                        server.story())

    def test_nor_is_one_whose_client_has_closed_its_side(self):
        server, _ = self.start_unread("1s", half_closes=True)
        audit = self.assert_ends(server, 3)
        self.assertEqual(audit["requests_cut"], 1)

    def test_half_closed_it_is_waited_for_and_no_longer_than_it_reads(self):
        server, client = self.start_unread("10s", half_closes=True)
        self.assertEqual(client.answer().body, self.UNREAD)
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["requests_answered"] - audit["probes_received"], 1)
        self.assertLess(audit["closing_ms"], patience(2) * 1000)

    def test_a_slow_reader_that_makes_progress_is_not_timed_out_and_gets_every_byte(self):
        server = self.start("--workers", "1", "--write-timeout", "1s", "--drain-window", "0s")
        client = self.client(server.port, receive_buffer=4096)
        body = bytes(range(256)) * 3900  # just below --max-body-bytes
        client.ask("/echo", "POST", body)
        # Three seconds for the whole, a little at a time: the pace is what is tested.
        started = time.monotonic()
        while len(client.data) < len(body):
            share = len(client.data) / len(body)
            time.sleep(max(0, min(0.1, started + 3 * share - time.monotonic())))
            client.data += client.socket.recv(16384)
        self.assertEqual(client.answer().body, body)
        self.assertGreater(time.monotonic() - started, 2)
        client.close()
        server.terminate()
        self.assert_ends(server, 0)


class NeverFinishesItsRequest(TestCase):
    HEAD = b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n"

    def drip(self, client, first, byte, every=0.1, seconds=20):
        """A byte at a time until an answer has come; the answer and how long it took."""
        started = time.monotonic()
        client.send(first)
        while time.monotonic() - started < patience(seconds):
            client.socket.settimeout(every)
            try:
                answer = client.answer()
            except TimeoutError:
                client.send(byte)
                continue
            client.socket.settimeout(patience(5))
            return answer, time.monotonic() - started
        raise AssertionError("no answer to a request that drips")

    def test_a_head_that_drips_is_answered_408_after_the_header_timeout(self):
        server = self.start("--header-timeout", "1s", "--drain-window", "0s")
        client = self.client(server.port)
        answer, took = self.drip(client, b"GET / HTTP/1.1\r\nHost: test\r\nX: ", b"x")
        self.assertEqual((answer.status, answer.closes), (408, True))
        self.assertTrue(0.95 < took < 1 + patience(1), took)
        self.assertEqual(server.metrics()["header_timeouts_total"], 1)
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["requests_rejected"], 1)

    def test_a_body_that_drips_is_answered_408_after_the_body_timeout(self):
        server = self.start("--body-timeout", "1s", "--drain-window", "0s")
        client = self.client(server.port)
        answer, took = self.drip(client, self.HEAD, b"x")
        self.assertEqual((answer.status, answer.closes), (408, True))
        self.assertTrue(0.95 < took < 2 + patience(1), took)
        self.assertEqual(server.metrics()["body_timeouts_total"], 1)
        server.terminate()
        self.assert_ends(server, 0)

    def test_a_body_that_stops_is_answered_408_after_the_body_timeout(self):
        server = self.start("--body-timeout", "500ms", "--drain-window", "0s")
        client = self.client(server.port)
        client.send(self.HEAD + b"x" * 50_000)
        self.assertEqual(client.answer().status, 408)
        server.terminate()
        self.assert_ends(server, 0)

    def test_an_idle_connection_gets_a_fin_after_the_idle_timeout(self):
        server = self.start("--idle-timeout", "700ms", "--drain-window", "0s")
        silent = self.client(server.port)
        asked = self.client(server.port)
        opened_at = time.monotonic()
        self.assertFalse(asked.get("/").closes)
        self.assertGreater(silent.eof_at() - opened_at, 0.65)
        self.assertGreater(asked.eof_at() - opened_at, 0.65)
        self.assertLess(time.monotonic() - opened_at, 0.7 + patience(1))
        self.assertEqual(server.metrics()["idle_timeouts_total"], 2)
        # What meets that FIN is lost, but not by a drain: counted, and not in the exit code.
        asked.ask("/")
        wait_until(lambda: server.metrics()["lost_after_fin_total"] == 1, 5, "the late request")
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["lost_after_fin"], 1)

    def test_at_the_deadline_a_partial_request_is_counted_and_is_no_loss(self):
        server = self.start("--drain-window", "200ms", "--shutdown-timeout", "600ms")
        head = self.client(server.port)
        head.send(b"GET / HTTP/1.1\r\nHo")
        body = self.client(server.port)
        body.send(self.HEAD + b"x" * 100)
        wait_until(lambda: server.metrics()["connections_open"] == 3, 5, "both connections")
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["partial_cut"], 2)
        self.assertEqual(audit["forced_closes"], 2)
        self.assertEqual(audit["requests_cut"], 0)

    def test_at_the_deadline_a_whole_request_beside_a_partial_one_is_3_and_named(self):
        server = self.start("--drain-window", "200ms", "--shutdown-timeout", "600ms")
        partial = self.client(server.port)
        partial.send(self.HEAD + b"x")
        slow = self.client(server.port)
        slow.ask("/slow?ms=30000")
        # Behind it, complete too: pipelined and not yet begun.
        slow.ask("/echo", "POST", b"behind")
        wait_until(lambda: server.metrics()["connections_open"] == 3, 5, "both connections")
        server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertEqual((audit["partial_cut"], audit["requests_cut"]), (1, 2))
        named = " ".join(line["message"] for line in server.find("cut: "))
        self.assertIn(f"GET /slow?ms=30000 from {slow.name}", named)
        self.assertIn(f"POST /echo from {slow.name}", named)

    def test_a_request_that_is_completed_while_closing_is_answered(self):
        server = self.start("--drain-window", "200ms", "--shutdown-timeout", "10s")
        client = self.client(server.port)
        client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nla")
        silent = self.client(server.port)
        self.assertEqual(silent.get("/").status, 200)
        server.terminate()
        silent.eof_at()  # the listener has settled: silent connections are closed, this is none
        silent.close()
        client.send(b"te")
        answer = client.answer()
        self.assertEqual((answer.status, answer.body, answer.closes), (200, b"late", True))
        client.eof_at()
        client.close()
        self.assert_ends(server, 0)


class AtTheDeadline(TestCase):
    """What its client sees lost is counted, whatever it was doing meanwhile."""

    def test_an_unread_answer_is_cut_also_behind_a_request_that_has_begun(self):
        server = self.start("--workers", "1", "--drain-window", "200ms",
                            "--shutdown-timeout", "800ms")
        reader = self.client(server.port, receive_buffer=4096)
        sleeper = self.client(server.port, receive_buffer=4096)
        body = b"x" * 100_000  # which the kernel takes from the server at once
        for client in (reader, sleeper):
            client.ask("/echo", "POST", body)
        self.assertEqual(reader.answer().body, body)
        for client in (reader, sleeper):
            client.send(b"GET / HT")
        server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertEqual(audit["requests_answered"] - audit["probes_received"], 1)
        self.assertEqual((audit["requests_cut"], audit["partial_cut"]), (1, 2))
        (line,) = server.find("has not read 1 of its answers to the end")
        self.assertIn(sleeper.name, line["message"])

    def check_large_request(self, bytes_):
        """Sent whole while the process stands still; it goes on when the deadline has passed."""
        server = self.start("--workers", "1", "--drain-window", "200ms",
                            "--shutdown-timeout", "800ms")
        client = self.client(server.port)
        body = b"x" * bytes_
        self.assertEqual(client.get("/").status, 200)
        server.terminate()
        server.wait_for("SIGTERM: draining")
        server.signal(signal.SIGSTOP)
        client.ask("/echo", "POST", body)
        wait_until(lambda: not unacknowledged(client.socket), 5, "the kernel to have all of it")
        time.sleep(1.3)  # the deadline is 1 s after the signal, the watchdog's 2 s
        server.signal(signal.SIGCONT)
        code = server.wait()
        try:
            answered = client.answer().body == body
        except OSError:
            answered = False
        audit = server.audit()
        self.assertEqual((code, audit["requests_cut"]), (0, 0) if answered else (3, 1))
        self.assertEqual((audit["requests_received"], audit["partial_cut"]), (2, 0))

    def test_a_request_that_has_arrived_in_full_is_answered_or_cut_whatever_its_size(self):
        for bytes_ in (1000, 20_000, 50_000):  # a first window is 64 KiB
            with self.subTest(bytes=bytes_):
                self.check_large_request(bytes_)


def unacknowledged(client):
    """Bytes that the other side's kernel has not taken yet (SIOCOUTQ of tcp(7))."""
    return int.from_bytes(fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


if __name__ == "__main__":
    unittest.main()
