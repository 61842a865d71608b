"""Mistakes in the use of the library: told by a CHECK before it serves, by an exception after."""

import os
import signal
import subprocess
import unittest

from harness import (BUILD, Client, TestCase, clean_environment, die_with_parent, free_port,
                     full_pipe, is_sanitized, may, patience, rounds, wait_until)

MISUSE = os.environ.get("LASTCALL_MISUSE") or str(BUILD / "misuse")


def answers(port):
    try:
        with Client(port) as client:
            return client.get("/fine").status == 200
    except OSError:
        return False


class MisuseTest(TestCase):
    def assert_ends_with(self, mistake, message):
        """Told to end, it ends by a CHECK that says what was wrong."""
        process = subprocess.Popen(
            [MISUSE, "127.0.0.1:0", mistake], stderr=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent, env=clean_environment())
        self.addCleanup(process.kill)
        self.addCleanup(process.stderr.close)
        told = ""
        for line in process.stderr:
            told += line
            if '"serving"' in line:
                process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(patience(10)), -signal.SIGABRT, told)
        self.assertIn("CHECK failed", told)
        self.assertIn(message, told)

    def test_a_server_runs_once(self):
        self.assert_ends_with("run-twice", "a server runs, and once in a process")

    def test_a_route_is_added_before_it_runs(self):
        self.assert_ends_with("route-late", "routes and hooks are added before `run`")

    def test_a_second_waiter_of_a_latch_costs_its_own_request_and_no_other(self):
        server = self.start(command=[MISUSE, "127.0.0.1:0", "none"])
        client = self.client(server.port)
        self.assertEqual(client.get("/latch").status, 500)
        self.assertEqual(client.get("/fine").status, 200)
        self.assertEqual(client.get("/latch").status, 500)
        server.terminate()
        self.assert_ends(server, 0)


class LastWordsTest(TestCase):
    """Whatever ends a process that serves: the audit says what was under way, and counts it."""

    def end_by(self, path):
        server = self.start(command=[MISUSE, "127.0.0.1:0", "none"])
        waiting = [self.client(server.port) for _ in range(3)]
        for client in waiting:
            client.ask("/slow")
        wait_until(lambda: server.metrics()["handlers_waiting"] == 3, 5, "three under way")
        self.client(server.port).ask(path)
        return server, server.wait()

    def assert_told(self, path, code, exit_code, why):
        server, ended = self.end_by(path)
        self.assertEqual(ended, code, server.story())
        self.assertEqual(len(server.find("audit:")), 1, server.story())
        audit = server.audit()
        self.assertEqual((audit["exit"], audit["ended_by"]), (exit_code, why))
        self.assertEqual(audit["requests_cut"], 4, "three, and the one that did it")
        self.assertCountEqual(audit["cut_by_route"],
                              [{"route": f"GET {path}", "requests": 1},
                               {"route": "GET /slow", "requests": 3}])
        self.assertNotIn("signal", audit)
        for line in server.lines:
            self.assertTrue("time" in line or "end" in line, line)

    @unittest.skipIf(is_sanitized(), "a sanitizer handles these signals itself")
    def test_a_crash_an_abort_and_a_terminate_are_told_and_end_as_they_would(self):
        for path, number, why in (("/crash", signal.SIGSEGV, "SIGSEGV"),
                                  ("/abort", signal.SIGABRT, "SIGABRT"),
                                  ("/terminate", signal.SIGABRT, "std::terminate"),
                                  ("/overflow", signal.SIGSEGV, "SIGSEGV"),
                                  ("/denied", signal.SIGSYS, "SIGSYS"),
                                  ("/run-out", signal.SIGPROF, "SIGPROF")):
            with self.subTest(path):
                self.assert_told(path, -number, 128 + number, why)

    def test_a_terminate_whose_words_nobody_reads_ends_it_all_the_same(self):
        port = free_port()
        server = self.start(command=[MISUSE, f"127.0.0.1:{port}", "none"], serving=False,
                            stderr=full_pipe(self))
        for path, number in (("/terminate", signal.SIGABRT),):
            wait_until(lambda: answers(port), 10, "an answer")
            self.client(port).ask(path)
            self.assertEqual(server.wait(5), -number)

    def test_a_start_that_hangs_ends_after_a_signal(self):
        server = self.start(command=[MISUSE, "127.0.0.1:0", "hangs"], serving=False)
        server.wait_for("starting")
        signaled_at = server.terminate()
        self.assertEqual(server.wait(), 1, server.story())
        self.assertGreater(server.ended_at - signaled_at, 1.4)
        self.assertLess(server.ended_at - signaled_at, patience(4))
        self.assertTrue(server.find("its start does not come to an end"), server.story())
        self.assertEqual((server.audit()["exit"], server.audit()["ended_by"]), (1, "watchdog"))

    def test_exit_in_a_handler_is_told(self):
        self.assert_told("/exit", 7, 7, "exit()")

    def test_an_exit_with_0_that_loses_requests_is_none(self):
        self.assert_told("/exit-0", 3, 3, "exit()")
        self.assert_told("/quick-exit", 3, 3, "quick_exit()")

    def test_of_threads_that_exit_together_the_first_is_told_and_obeyed(self):
        self.assert_told("/exits", 7, 7, "exit()")
        self.assert_told("/quick-exits", 3, 3, "quick_exit()")

    def test_nobody_is_served_behind_the_audit(self):
        server = self.start(command=[MISUSE, "127.0.0.1:0", "slow-exit"])
        clients = [self.client(server.port) for _ in range(8)]
        for client in clients:
            self.assertEqual(client.get("/fine").status, 200)
        self.client(server.port).ask("/exit")
        server.wait_for("audit:")
        for client in clients:
            client.ask("/fine")
            self.assertFalse(client.readable(0.05))
        self.assertEqual(server.wait(), 7, server.story())
        self.assertEqual(server.audit()["requests_answered"], 8)

    def test_a_server_that_exit_destroys_does_not_end_it_otherwise(self):
        server = self.start(command=[MISUSE, "127.0.0.1:0", "static"])
        self.client(server.port).ask("/exit")
        self.assertEqual(server.wait(), 7, server.story())
        self.assertEqual(server.audit()["exit"], 7)

    def test_a_start_that_was_refused_may_tidy_up(self):
        server = self.start(command=[MISUSE, "127.0.0.1:0", "refused"], serving=False)
        server.wait_for("expected ADDRESS:PORT")
        server.terminate()
        self.assertEqual(server.wait(), 2, server.story())
        self.assertFalse(server.find("audit:"), server.story())

    def test_signals_that_somebody_ignores_stay_ignored(self):
        ignored = (signal.SIGXCPU, signal.SIGIO, signal.SIGRTMIN + 3)

        def ignore():
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)
        server = self.start(command=[MISUSE, "127.0.0.1:0", "none"], preexec=ignore)
        for number in ignored:
            server.signal(number)
        self.assertEqual(self.client(server.port).get("/fine").status, 200)
        server.terminate()
        self.assert_ends(server, 0)

    def test_a_child_that_a_handler_forks_ends_without_a_word_of_ours(self):
        server = self.start(command=[MISUSE, "127.0.0.1:0", "none"])
        self.assertEqual(self.client(server.port).get("/fork-exit").body, b"5")
        server.terminate()
        self.assertNotIn("ended_by", self.assert_ends(server, 0))

    @unittest.skipIf(is_sanitized(), "a sanitizer handles these signals itself")
    def test_of_two_that_crash_together_one_is_told(self):
        for _ in range(rounds(3)):
            server = self.start(command=[MISUSE, "127.0.0.1:0", "two"])
            clients = [self.client(server.port) for _ in range(16)]
            for client in clients:
                self.assertEqual(client.get("/fine").status, 200)
            for client in clients:
                client.ask("/crash")
            self.assertEqual(server.wait(), -signal.SIGSEGV, server.story())
            self.assertEqual(len(server.find("audit:")), 1, server.story())

    def test_a_signal_that_somebody_sends_is_told(self):
        for number in (signal.SIGXCPU, signal.SIGTRAP, signal.SIGVTALRM):
            server = self.start(command=[MISUSE, "127.0.0.1:0", "none"])
            server.signal(number)
            self.assertEqual(server.wait(), -number, server.story())
            self.assertEqual(server.audit()["ended_by"], number.name)

    @unittest.skipUnless(may("CAP_SYS_ADMIN"), "a PID namespace needs CAP_SYS_ADMIN")
    def test_sent_to_pid_1_it_ends_that_as_well(self):
        # The kernel ends PID 1 of a namespace by nothing that is sent from within.
        server = self.start(command=["unshare", "--pid", "--fork", "--kill-child", MISUSE,
                                     "127.0.0.1:0", "none"])
        waiting = self.client(server.port)
        waiting.ask("/slow")
        wait_until(lambda: server.metrics()["handlers_waiting"] == 1, 5, "one under way")
        self.client(server.port).ask("/abort")
        server.wait()
        self.assertEqual(len(server.find("audit:")), 1, server.story())
        self.assertEqual((server.audit()["exit"], server.audit()["requests_cut"]), (134, 2))

    def test_a_signal_when_run_has_returned_ends_nothing(self):
        server = self.start(command=[MISUSE, "127.0.0.1:0", "returns"])
        server.signal(signal.SIGINT)
        server.wait_for("audit:")
        server.signal(signal.SIGINT)
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0, server.story())
        self.assertFalse(server.find("stuck"), server.story())
        self.assertFalse(server.find("again"), server.story())

    def test_once_run_has_returned_the_program_may_go_on(self):
        server = self.start(command=[MISUSE, "127.0.0.1:0", "returns"])
        server.terminate()
        self.assertEqual(server.wait(), 0, server.story())
        self.assertFalse(server.find("watchdog"), server.story())


if __name__ == "__main__":
    unittest.main()
