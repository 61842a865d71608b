"""What bench/listener-close shows of its results, and what it refuses."""

import contextlib
import io
import unittest

from listener_close import options
from listener_close.result import Result, sample
from listener_close.table import compact


def result(way: str, answered: int, reset: int, engine: str = "io_uring") -> Result:
    counts = {"refused": 5, "cut": 0, "timed_out": 0, "harness": 0}
    served = {"answered": answered, "answered_by_server": answered}
    swept = {"accepted_after_unlisten": 1, "accepted_in_sweep": 1}
    return Result(
        way=way, engine=engine, closes=1000, clients=32, listeners=2, reset=reset, seconds=1.0,
        own_network=True, **counts, **served, **swept,
    )  # fmt: skip


RESULTS = [
    result("close", 8000, 2000),
    result("fallback", 9990, 10),
    result("unlisten", 3000, 0),
    result("unlisten", 2000, 0, "epoll"),
]


class Markdown(unittest.TestCase):
    def test_is_a_line_a_way_and_the_promise_is_bold(self):
        lines = compact(RESULTS).split("\n")
        self.assertEqual(lines[1], "|---|---|---|")
        self.assertIn("1,000 closes under 64 clients", lines[0])
        self.assertEqual(lines[2], "| plain close of an accept loop | 10,000 | 2,000 |")
        self.assertEqual(lines[4], "| **lastcall** | **3,000** | **0** |")
        self.assertEqual(lines[5], "| **lastcall, by epoll** | **2,000** | **0** |")

    def test_comes_with_the_bound_of_who_lost_none(self):
        told = sample(RESULTS)
        self.assertIn("lastcall: 0 of 3,000 connected clients in 1,000 closes", told)
        self.assertIn("lastcall, by epoll: 0 of 2,000 connected clients in 1,000 closes", told)
        self.assertEqual(told.count("at 95 %"), 2)


class CommandLine(unittest.TestCase):
    def test_closes_are_a_number(self):
        self.assertEqual(options.parse(["--closes", "20", "--write"]).closes, 20)
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
            options.parse(["--closes", "none"])
