"""A handler that blocks its worker for ever, and a stderr that nobody reads: it ends in time."""

import os
import signal
import time
import unittest

from harness import (BINARY, BUILD, Client, TestCase, free_port, full_pipe, patience, rounds,
                     wait_until)

STUCK = os.environ.get("LASTCALL_STUCK") or str(BUILD / "stuck")
TIMEOUT = 2.0


class StuckTestCase(TestCase):
    window = 1.0

    def start_stuck(self, workers, **settings):
        port = free_port()
        command = [STUCK, f"127.0.0.1:{port}", workers, round(self.window * 1000),
                   round(TIMEOUT * 1000)]
        server = self.start(command=[str(part) for part in command], serving=False, **settings)
        server.port = port
        self.wait_until_it_answers(server)
        return server

    def wait_until_it_answers(self, server):
        def answers():
            try:
                with Client(server.port) as client:
                    return client.get("/livez").status == 200
            except OSError:
                return False
        wait_until(answers, 10, "an answer from a server whose stderr is not read")

    def full_pipe(self):
        return full_pipe(self)

    def block_one_worker(self, server, leader=None):
        """Returns a connection to each worker that is not blocked, if there is one."""
        blocked = others = None
        for _ in range(200):
            client = self.client(server.port)
            process, thread = client.get("/who").body.split()
            if leader is None or (process == thread) == leader:
                blocked = blocked or client
            else:
                others = others or client
            if blocked and (others or leader is None):
                self.block(server, blocked)
                return others
        raise AssertionError("200 connections, and not one for each worker")

    def block(self, server, client, path="/block"):
        client.ask(path)
        wait_until(lambda: "blocked" in server.thread_names(), 5, "the handler that blocks")

    def assert_ends_in_time(self, server, signaled_at):
        self.assertEqual(server.wait(), 3, server.story())
        self.assertLess(server.ended_at - signaled_at, self.latest())

    def latest(self):
        # The timer ends it one second past the deadline; another for a machine that is busy.
        return patience(self.window + TIMEOUT + 2)


class OneBlockedWorker(StuckTestCase):
    def test_blocked_before_the_signal_it_ends_in_time_with_3(self):
        server = self.start_stuck(1)
        self.block_one_worker(server)
        self.assert_ends_in_time(server, server.terminate())
        self.assertTrue(server.find("ended by its watchdog"), server.story())

    def test_blocked_where_no_signal_wakes_it_it_ends_in_time_and_tells(self):
        server = self.start_stuck(1)
        client = self.client(server.port)
        client.get("/who")
        self.block(server, client, "/disk")
        signaled_at = server.terminate()
        self.assert_ends_in_time(server, signaled_at)
        self.assertEqual(server.audit()["ended_by"], "watchdog")

    def test_blocked_after_the_signal_it_ends_in_time_with_3(self):
        server = self.start_stuck(1)
        client = self.client(server.port)
        client.get("/who")
        signaled_at = server.terminate()
        server.wait_for("SIGTERM: draining")
        client.ask("/block")
        self.assert_ends_in_time(server, signaled_at)

    def test_blocked_by_a_request_that_arrives_together_with_the_signal_it_ends_in_time(self):
        # 1. The process is stopped. 2. The request comes, then the signal. 3. It goes on, and its
        # loop finds both at once, the request first: the signal has been read already when the
        # handler blocks, so that nobody else can read it.
        server = self.start_stuck(1)
        client = self.client(server.port)
        client.get("/who")
        server.signal(signal.SIGSTOP)
        wait_until(lambda: server.state() == "T", 5, "the stop")
        client.ask("/block")
        signaled_at = server.terminate()
        server.signal(signal.SIGCONT)
        self.assert_ends_in_time(server, signaled_at)

    def test_blocked_and_with_a_stderr_that_nobody_reads_it_ends_in_time_with_3(self):
        for blocked_first in (True, False):
            with self.subTest(blocked_first=blocked_first):
                server = self.start_stuck(1, stderr=self.full_pipe())
                client = self.client(server.port)
                client.get("/who")
                if blocked_first:
                    self.block(server, client)
                signaled_at = server.terminate()
                if not blocked_first:
                    wait_until(lambda: client.get("/readyz").status == 503, 5, "the drain")
                    client.ask("/block")
                self.assert_ends_in_time(server, signaled_at)


    def test_what_was_under_way_is_told_by_route(self):
        server = self.start_stuck(2)
        self.block_one_worker(server, leader=True).ask("/for-ever")
        server.terminate()
        self.assertEqual(server.wait(), 3, server.story())
        audit = server.audit()
        self.assertEqual((audit["exit"], audit["ended_by"]), (3, "watchdog"))
        self.assertEqual(audit["requests_cut"], 2)
        told = {each["route"]: each["requests"] for each in audit["cut_by_route"]}
        # What the loop that turns has cut itself is counted and named by that.
        self.assertEqual(told, {"GET /block": 1})
        self.assertTrue(server.find("cut: GET /for-ever"), server.story())


class StoppedAcrossItsDeadline(StuckTestCase):
    window = 0.2

    def test_its_loops_have_a_last_turn_in_which_they_answer_and_name(self):
        # Seconds from the deadline to the end of the stop; the watchdog's instant is one behind it.
        for late in (0.65, 0.9, 1.05, 1.2, 1.6, 6):
            with self.subTest(late):
                self.check(late)

    def check(self, late):
        for _ in range(rounds(1)):
            server = self.start_stuck(2)
            waits = self.client(server.port)
            waits.ask("/for-ever")
            clients = [self.client(server.port) for _ in range(6)]
            for client in clients:
                self.assertEqual(client.get("/who").status, 200)
            signaled_at = server.terminate()
            server.signal(signal.SIGSTOP)
            wait_until(lambda: server.state() == "T", 5, "the stop")
            for client in clients:
                client.ask("/who")
            time.sleep(max(0, signaled_at + self.window + TIMEOUT + late - time.monotonic()))
            server.signal(signal.SIGCONT)
            self.assertEqual([client.answer().status for client in clients], [200] * 6)
            audit = self.assert_ends(server, 3)
            self.assertNotIn("ended_by", audit)
            self.assertEqual(audit["requests_cut"], 1)
            self.assertTrue(server.find("cut: GET /for-ever"), server.story())


class OneOfTwoWorkersBlocked(StuckTestCase):
    # The signal is read half a second late: so long a window that no answer says close by then.
    window = 4.0

    def check(self, leader):
        server = self.start_stuck(2)
        client = self.block_one_worker(server, leader=leader)
        for _ in range(10):
            self.assertEqual(client.get("/who").status, 200, "the other worker serves on")
        signaled_at = server.terminate()
        wait_until(lambda: client.get("/readyz").status == 503, 5, "the drain")
        client.ask("/wait")
        answer = client.answer()
        self.assertEqual(answer.body, b"waited", "a request of the drain is answered")
        if not answer.closes:
            # A silent connection is closed when the listener has settled, and that is the leader's.
            wait_until(lambda: client.get("/who").closes, 5, "an answer that says close")
        client.eof_at()
        self.assert_ends_in_time(server, signaled_at)

    def test_the_leader_blocked_the_other_serves_and_drains(self):
        self.check(leader=True)

    def test_another_than_the_leader_blocked_the_leader_serves_and_drains(self):
        self.check(leader=False)

    def test_who_waits_in_the_queue_of_the_blocked_one_is_told(self):
        server = self.start_stuck(2)
        self.block_one_worker(server, leader=False)
        waiting = [self.client(server.port) for _ in range(64)]
        for client in waiting:
            client.ask("/who")
        time.sleep(0.3)
        queued = sum(not client.readable(0) for client in waiting)
        self.assertGreater(queued, 0)
        server.terminate()
        self.assertEqual(server.wait(), 3, server.story())
        self.assertEqual(server.audit()["queue_lost"], queued)

    def test_interrupted_while_its_watchdog_speaks_it_says_all_and_once(self):
        server = self.start_stuck(2)
        self.block_one_worker(server, leader=False)
        server.signal(signal.SIGINT)
        server.wait_for("SIGINT: draining")
        time.sleep(self.window + TIMEOUT + 1 - 0.02)
        while server.process.poll() is None:
            server.signal(signal.SIGINT)
            time.sleep(0.005)
        code = server.wait()
        self.assertIn(code, (3, 4), server.story())
        self.assertEqual(len(server.find("audit:")), 1, server.story())
        self.assertEqual(server.audit()["exit"], code)


class StderrThatNobodyReads(StuckTestCase):
    def test_the_program_serves_drains_and_ends_with_0(self):
        port = free_port()
        server = self.start(
            command=[BINARY, "--listen", f"127.0.0.1:{port}", "--workers", "2", "--drain-window",
                     "300ms", "--shutdown-timeout", "2s", "--grace-period", "6s",
                     "--termination-log", "/dev/null/none"],
            serving=False, stderr=self.full_pipe())
        server.port = port
        self.wait_until_it_answers(server)
        client = self.client(port)
        client.ask("/slow?ms=600")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        signaled_at = server.terminate()
        self.assertEqual(client.answer().status, 200)
        client.close()
        self.assertEqual(server.wait(), 0)
        took = server.ended_at - signaled_at
        self.assertGreater(took, 5.4, "whoever reads the last lines has the grace period for it")
        self.assertLess(took, patience(6))

    def test_who_is_in_a_hurry_is_not_kept_by_it(self):
        port = free_port()
        server = self.start("--drain-window", "1s", "--shutdown-timeout", "1s", "--grace-period",
                            "40s", listen=f"127.0.0.1:{port}", serving=False,
                            stderr=self.full_pipe())
        server.port = port
        self.wait_until_it_answers(server)
        server.signal(signal.SIGINT)
        time.sleep(0.3)  # two at once are one
        at = server.signal(signal.SIGINT)
        self.assertEqual(server.wait(), 0)
        self.assertLess(server.ended_at - at, patience(4))

    def test_a_stderr_that_is_closed_kills_nobody(self):
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        port = free_port()
        server = self.start(
            command=[BINARY, "--listen", f"127.0.0.1:{port}", "--drain-window", "0s"],
            serving=False, stderr=writer)
        server.port = port
        self.wait_until_it_answers(server)
        server.terminate()
        self.assertEqual(server.wait(), 0, "SIGPIPE must not be deadly")


if __name__ == "__main__":
    unittest.main()
