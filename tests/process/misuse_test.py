"""Mistakes in the use of the library: told by a CHECK before it serves, by an exception after."""

import os
import signal
import subprocess
import unittest

from harness import (BUILD, TestCase, clean_environment, die_with_parent, is_sanitized, patience,
                     wait_until)

MISUSE = os.environ.get("LASTCALL_MISUSE") or str(BUILD / "misuse")


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
        self.assert_ends_with("route-late", "routes are added before `run`")

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
        last = server.find(why)
        self.assertEqual(len(last), 1, server.story())
        self.assertEqual(last[0]["exit"], exit_code)
        self.assertEqual(last[0]["requests_cut"], 4, "three, and the one that did it")
        self.assertEqual(last[0]["signal"], "SIGNONE")

    @unittest.skipIf(is_sanitized(), "a sanitizer handles these signals itself")
    def test_a_crash_an_abort_and_a_terminate_are_told_and_end_as_they_would(self):
        for path, number in (("/crash", signal.SIGSEGV), ("/abort", signal.SIGABRT),
                             ("/terminate", signal.SIGABRT), ("/overflow", signal.SIGSEGV)):
            with self.subTest(path):
                self.assert_told(path, -number, 128 + number, number.name)

    def test_exit_in_a_handler_is_told(self):
        self.assert_told("/exit", 7, 7, "exit() was called while it served")

    def test_once_run_has_returned_the_program_may_go_on(self):
        server = self.start(command=[MISUSE, "127.0.0.1:0", "returns"])
        server.terminate()
        self.assertEqual(server.wait(), 0, server.story())
        self.assertFalse(server.find("watchdog"), server.story())


if __name__ == "__main__":
    unittest.main()
