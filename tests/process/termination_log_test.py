"""The audit as JSON in the file that Kubernetes shows as a container's termination message."""

import json
import os
import pathlib
import tempfile
import unittest

from harness import BINARY, TestCase, get, wait_until

OF_THE_LINE = ("time", "level", "message")


class TerminationLog(TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = pathlib.Path(self.folder.name, "termination-log")

    def run_with(self, *options, slow=False):
        """Serves a request, has another in flight if `slow`, and is terminated; its audit."""
        server = self.start(command=[BINARY, "--listen", "127.0.0.1:0", "--log-format", "json",
                                     "--drain-window", "0s", "--termination-log",
                                     str(self.file), *options])
        self.assertEqual(get(server.port, "/").status, 200)
        if slow:
            self.client(server.port).ask("/slow?ms=60000")
            wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        server.terminate()
        return self.assert_ends(server, 3 if slow else 0)

    def assert_file_equals(self, audit):
        members = {name: value for name, value in audit.items() if name not in OF_THE_LINE}
        self.assertEqual(json.loads(self.file.read_text()), members)
        # The message of the same line says the same.
        self.assertEqual(audit["message"], "audit: " + " ".join(
            f"{name}={value}" for name, value in members.items()))

    def test_an_existing_file_gets_exactly_the_audit(self):
        self.file.write_text("")
        audit = self.run_with()
        self.assert_file_equals(audit)
        self.assertEqual((audit["exit"], audit["signal"]), (0, "SIGTERM"))
        self.assertEqual(audit["requests_answered"], 1)

    def test_what_stood_in_it_before_is_gone(self):
        self.file.write_text("x" * 10_000)
        self.assert_file_equals(self.run_with())

    def test_it_tells_of_a_cut_too(self):
        self.file.write_text("")
        audit = self.run_with("--shutdown-timeout", "300ms", slow=True)
        self.assert_file_equals(audit)
        self.assertEqual((audit["exit"], audit["requests_cut"]), (3, 1))

    def test_a_missing_file_is_not_created(self):
        self.run_with()
        self.assertEqual(os.listdir(self.folder.name), [])


if __name__ == "__main__":
    unittest.main()
