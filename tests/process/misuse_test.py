"""Mistakes in the use of the library: told by a CHECK before it serves, by an exception after."""

import os
import signal
import subprocess

from harness import BUILD, TestCase, clean_environment, die_with_parent, patience

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


if __name__ == "__main__":
    import unittest
    unittest.main()
