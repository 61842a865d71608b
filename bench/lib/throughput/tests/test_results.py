"""What bench/throughput writes down, and what it refuses to."""

import contextlib
import io
import unittest

from throughput import options
from throughput.cpus import Pair
from throughput.rounds import Row, Turn
from throughput.table import Result, compact, judged_ratios, sample
from throughput.wrk import LOADS


def turns(*seconds: float) -> list[Turn]:
    return [Turn(1000, each, 0.0, 2) for each in seconds]


def result() -> Result:
    servers = {
        "floor": turns(1, 1, 1),
        "floor + llhttp": turns(1.02, 1, 1),
        "lastcall": turns(1.02, 1.1, 1),
        "epoll floor": turns(1, 1, 1),
        "lastcall by epoll": turns(1.02, 1.32, 1.05),
        "nginx": turns(2, 2, 3),
    }
    costs = [
        {"load": "GET", "ns_per_request": 200.0, "allocations": 0},
        {"load": "pipelined", "ns_per_request": 164.0, "allocations": 0},
    ]
    return Result(Pair(0, 1, False), [Row(LOADS[0], 41, servers)], costs, False)


class Markdown(unittest.TestCase):
    def test_has_ratios_to_the_floor_and_to_the_first_request(self):
        loads, costs = compact(result()).split("\n\n")
        line = (
            "| 64 connections | 1.00 (1.00 – 1.02) | **1.02** (1.00 – 1.10)"
            " | **1.05** (1.02 – 1.32) | 2.00 (2.00 – 3.00)"
            " | 1.00 (1.00 – 1.10) | 1.05 (1.00 – 1.20) |"
        )
        self.assertEqual(loads.split("\n")[2], line)
        self.assertEqual(costs.split("\n")[3], "| pipelined | 0.82 | 0 |")

    def test_comes_with_the_number_of_rounds(self):
        self.assertIn("3 rounds of 2 s", sample(result()))


class WithoutTheJudgedRow(unittest.TestCase):
    def test_nothing_is_judged(self):
        many = next(load for load in LOADS if load.name == "many")
        row = Row(many, 41, {"lastcall": turns(9), "floor": turns(1)})
        self.assertEqual(judged_ratios(Result(Pair(0, 1, False), [row], [], False)), {})


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
        self.assertEqual(options.parse(["--row", "many"]).row, ["many"])
        for arguments in (["--row", "none"], ["--row", "many", "--write"]):
            with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
                options.parse(arguments)
