"""The command line of bench/throughput: what it refuses."""

import contextlib
import io
import unittest

from throughput import options


class CommandLine(unittest.TestCase):
    def test_a_quick_run_is_not_written_down(self):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), self.assertRaises(SystemExit) as end:
            options.parse(["--quick", "--write"])
        self.assertEqual(end.exception.code, 2)
        self.assertRegex(errors.getvalue(), r"^throughput: --quick [^\n]*--write[^\n]*\n$")

    def test_one_engine_alone_is_not_written_down(self):
        self.assertEqual(options.parse(["--io", "epoll"]).io, "epoll")
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
            options.parse(["--io", "epoll", "--write"])

    def test_one_row_alone_may_be_measured_and_is_not_written_down(self):
        self.assertEqual(options.parse(["--row", "many", "--row", "ten"]).row, ["many", "ten"])
        for arguments in (["--row", "none"], ["--row", "many", "--write"]):
            with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
                options.parse(arguments)

    def test_a_floor_has_forty_rounds_and_in_haste_one(self):
        self.assertEqual(options.parse([]).rounds, 40)
        self.assertEqual(options.parse(["--quick"]).rounds, 1)
