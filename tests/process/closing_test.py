"""How connections end in a drain: told by their answers, one by one, or half-closed at the end."""

import collections
import random
import time
import unittest

from harness import TestCase, is_refused, patience, wait_until
from load import Load, keep_alive_get, keep_alive_post

MS = 1 / 1000


class ToldToClose(TestCase):
    def test_100_busy_connections_are_told_one_by_one_in_the_first_half_of_the_window(self):
        # Busy: 100 connections that ask every 20 ms or so. None may be told before a quarter of
        # the window, all before its end; by answer instead of by connection, they would all be
        # told within one slice.
        server = self.start("--workers", "2", "--drain-window", "2s", "--shutdown-timeout", "10s")
        kinds = [keep_alive_get, keep_alive_post] * 50
        load = Load(server, kinds, random.Random(1), signal_after=0.5, think=0.04,
                    reconnects=False)
        tally = load.run()
        audit = self.assert_ends(server, 0)
        self.assertEqual((tally.losses, tally.wrong), ([], []))
        told = sorted(at - tally.signaled_at for at in tally.close_at)
        idle = len(tally.idle_eof_at)
        # A client that this machine kept from running may find an EOF where an answer was due.
        self.assertGreaterEqual(len(told), 95, f"{idle} were half-closed while idle")
        self.assertEqual(len(told) + idle, 100)
        self.assertEqual(audit["closes_announced"], len(told))
        self.assertGreater(told[0], 0.498, "none before min(1.5 s, a quarter of the window)")
        self.assertLess(told[-1], patience(2), "all before the window's end")
        slices = collections.Counter(int(at / 0.1) for at in told)
        self.assertLess(max(slices.values()), 60, sorted(slices.items()))
        self.assertGreaterEqual(len(slices), 3, sorted(slices.items()))

    def test_a_fresh_connection_in_the_second_half_is_told_with_its_first_answer(self):
        server = self.start("--drain-window", "1s")
        signaled_at = server.terminate()
        server.wait_for("SIGTERM: draining")
        client = self.client(server.port)
        if time.monotonic() < signaled_at + 240 * MS:
            self.assertFalse(client.get("/").closes, "not in the first quarter")
        wait_until(lambda: time.monotonic() > signaled_at + 510 * MS, 5, "the second half")
        late = self.client(server.port)
        self.assertTrue(late.get("/").closes)
        late.eof_at()
        self.assertTrue(client.get("/").closes)
        client.close()
        late.close()
        self.assert_ends(server, 0)

    def test_a_pipelined_batch_is_answered_whole_and_the_last_answer_says_close(self):
        server = self.start("--drain-window", "1s")
        signaled_at = server.terminate()
        wait_until(lambda: time.monotonic() > signaled_at + 510 * MS, 5, "the second half")
        client = self.client(server.port)
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n" * 20)
        self.assertEqual([client.answer().closes for _ in range(20)], [False] * 19 + [True])
        client.eof_at()
        client.close()
        audit = self.assert_ends(server, 0)
        self.assertEqual((audit["requests_answered"], audit["closes_announced"]), (20, 1))

    def test_so_is_one_of_which_each_buffer_ends_where_a_request_does(self):
        # 32 requests of 64 bytes are a receive buffer of 2 KiB.
        server = self.start("--drain-window", "1s")
        signaled_at = server.terminate()
        wait_until(lambda: time.monotonic() > signaled_at + 510 * MS, 5, "the second half")
        request = b"GET / HTTP/1.1\r\nHost: test\r\nX-Fill: " + b"x" * 24 + b"\r\n\r\n"
        self.assertEqual(len(request), 64)
        for _ in range(10):
            client = self.client(server.port)
            client.send(request * 320)
            self.assertEqual([client.answer().closes for _ in range(320)], [False] * 319 + [True])
            client.eof_at()
            client.close()
        audit = self.assert_ends(server, 0)
        self.assertEqual((audit["requests_answered"], audit["late_bytes"]), (3200, 0))

    def test_a_batch_behind_a_slow_request_is_answered_while_closing(self):
        server = self.start("--drain-window", "0s", "--shutdown-timeout", "10s")
        client = self.client(server.port)
        client.ask("/slow?ms=700")
        for number in range(5):
            client.ask("/echo", "POST", b"%d" % number)
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        server.terminate()
        answers = [client.answer() for _ in range(6)]
        self.assertEqual([a.body for a in answers[1:]], [b"%d" % n for n in range(5)])
        self.assertEqual([a.closes for a in answers], [False] * 5 + [True])
        client.close()
        self.assert_ends(server, 0)


class FreshConnections(TestCase):
    def test_one_accepted_at_the_end_of_the_window_is_served_when_it_speaks_2_s_later(self):
        server = self.start("--drain-window", "600ms", "--shutdown-timeout", "10s")
        signaled_at = server.terminate()
        wait_until(lambda: time.monotonic() > signaled_at + 560 * MS, 5, "the window's last 40 ms")
        try:
            client = self.client(server.port)
        except ConnectionRefusedError:
            self.skipTest("this machine was too slow to connect in the last 40 ms of the window")
        connected_at = time.monotonic()
        wait_until(lambda: time.monotonic() > connected_at + 2, 5, "2 s of silence")
        self.assertTrue(is_refused(server.port), "which is long after un-listen")
        client.ask("/echo", "POST", b"here I am")
        answer = client.answer()
        self.assertEqual((answer.status, answer.body, answer.closes), (200, b"here I am", True))
        client.close()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["idle_closed"], 0)

    def test_one_that_never_speaks_is_half_closed_after_3_s_and_is_no_loss(self):
        server = self.start("--drain-window", "100ms", "--shutdown-timeout", "10s")
        client = self.client(server.port)
        connected_at = time.monotonic()
        server.terminate()
        self.assertGreater(client.eof_at() - connected_at, 2.99)
        client.close()
        audit = self.assert_ends(server, 0)
        self.assertEqual((audit["idle_closed"], audit["lost_after_fin"]), (1, 0))

    def test_the_deadline_is_stronger_than_the_first_byte_of_a_connection(self):
        server = self.start("--drain-window", "0s", "--shutdown-timeout", "500ms")
        self.client(server.port)
        wait_until(lambda: server.metrics()["connections_open"] == 2, 5, "the connection")
        signaled_at = server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertLess(server.ended_at - signaled_at, 0.5 + patience(1))
        self.assertEqual(audit["forced_closes"], 1)


class IdleConnections(TestCase):
    def start_idle(self, *options):
        server = self.start(*options)
        client = self.client(server.port)
        self.assertFalse(client.get("/").closes)
        return server, client

    def test_one_is_half_closed_only_when_the_listener_has_ended_and_handshakes_had_a_moment(self):
        server, client = self.start_idle("--drain-window", "500ms", "--shutdown-timeout", "5s")
        signaled_at = server.terminate()
        eof_at = client.eof_at()
        client.close()
        audit = self.assert_ends(server, 0)
        self.assertGreaterEqual(eof_at, signaled_at + (audit["draining_ms"] + 50 - 2) * MS)
        self.assertGreaterEqual(audit["settling_ms"], 50)
        self.assertEqual((audit["idle_closed"], audit["late_bytes"]), (1, 0))

    def test_one_is_not_kept_waiting_by_a_slow_request_of_another(self):
        server, client = self.start_idle("--drain-window", "0s", "--shutdown-timeout", "10s")
        slow = self.client(server.port)
        slow.ask("/slow?ms=3000")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        signaled_at = server.terminate()
        self.assertLess(client.eof_at() - signaled_at, patience(1.5))
        self.assertEqual(slow.answer().status, 200)
        slow.close()
        client.close()
        self.assert_ends(server, 0)

    def test_bytes_that_meet_the_unannounced_fin_are_a_lost_request_exit_3_and_named(self):
        server, client = self.start_idle("--drain-window", "200ms", "--shutdown-timeout", "5s")
        server.terminate()
        client.eof_at()
        client.ask("/")
        wait_until(lambda: server.find("lost: "), 5, "the line that names the peer")
        client.close()
        audit = self.assert_ends(server, 3)
        self.assertEqual(audit["lost_after_fin"], 1)
        self.assertGreater(audit["late_bytes"], 0)
        self.assertRegex(server.find("lost: ")[0]["message"],
                         rf"{client.name} .*silent for \d+ ms")

    def test_bytes_after_an_announced_close_are_counted_and_no_loss(self):
        server, client = self.start_idle("--drain-window", "1s", "--shutdown-timeout", "5s")
        signaled_at = server.terminate()
        wait_until(lambda: time.monotonic() > signaled_at + 510 * MS, 5, "the second half")
        self.assertTrue(client.get("/").closes)
        client.ask("/")
        client.eof_at()  # no reset: the answer would be destroyed by one
        client.close()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["lost_after_fin"], 0)
        self.assertGreater(audit["late_bytes"], 0)

    def test_the_last_answer_survives_a_client_that_is_still_sending(self):
        # RFC 9112 section 9.6: a close with unread data resets, and the reset destroys the answer.
        server = self.start("--drain-window", "0s", "--shutdown-timeout", "5s")
        client = self.client(server.port)
        client.ask("/slow?ms=500")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        server.terminate()
        answer = None
        client.socket.settimeout(0.02)
        while answer is None:
            try:
                answer = client.answer()
            except TimeoutError:
                pass
        for _ in range(20):
            client.send(b"x" * 100)
            time.sleep(0.005)  # a pace: the server must not reset while bytes come
        client.socket.settimeout(patience(5))
        self.assertTrue(answer.closes)
        client.eof_at()
        client.close()
        self.assert_ends(server, 0)

    def test_many_idle_connections_are_all_closed_in_slices(self):
        server = self.start("--workers", "2", "--drain-window", "0s", "--shutdown-timeout", "10s")
        clients = [self.client(server.port) for _ in range(400)]
        for client in clients:
            self.assertEqual(client.get("/").status, 200)
        server.terminate()
        for client in clients:
            client.eof_at()
            client.close()
        audit = self.assert_ends(server, 0)
        self.assertEqual((audit["idle_closed"], audit["forced_closes"]), (400, 0))


if __name__ == "__main__":
    unittest.main()
