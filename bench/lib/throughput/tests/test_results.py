"""What bench/throughput writes down, and what it tells of goals."""

import contextlib
import io
import json
import unittest
from dataclasses import replace

from throughput import goals, markdown, table
from throughput.rounds import Row

from .results import beside_peers, load, result, turns


class Markdown(unittest.TestCase):
    def setUp(self):
        parts = markdown.block(result()).split("\n\n")
        self.floors, self.peers, self.latencies, self.others, _, self.costs, self.sample = parts

    def test_has_ratios_to_the_floors(self):
        line = (
            "| 64 connections | 1.00 (1.00 – 1.02) | **1.02** (1.00 – 1.10)"
            " | **1.05** (1.02 – 1.32) | 1.00 (1.00 – 1.10) | 1.05 (1.00 – 1.20) |"
        )
        self.assertEqual(self.floors.split("\n")[2], line)

    def test_has_ours_of_each_peer_that_was_there(self):
        head, _, first, *_ = self.peers.split("\n")
        names = "| lastcall's CPU per request, of | nginx | Go | by epoll, of by io_uring |"
        self.assertEqual(head, names)
        self.assertIn("| 64 connections | 0.50 (0.25 – 0.55) | 0.25 (0.25 – 0.28) |", first)

    def test_tells_a_server_beside_a_steady_load_once_from_the_floors_turns(self):
        mine = [line for line in self.latencies.split("\n") if "1,000/s, lastcall" in line]
        self.assertEqual(mine, ["| 1,000/s, lastcall | 60 | 220 | 230 | 45.0 |"])
        self.assertIn("| 1,000/s, nginx | 60 | 116 |", self.latencies)

    def test_tells_no_cpu_beside_uploads_which_take_most_of_it(self):
        self.assertIn("| 500/s beside 64 uploads, nginx | 60 | 116 | 126 | |", self.latencies)

    def test_tells_what_is_left_to_others_and_what_an_idle_connection_takes(self):
        line = "| lastcall | 2,245 | 1,698 | 451,800 | 692 | 5.50 (5.00 – 6.00) |"
        self.assertEqual(self.others.split("\n")[2], line)

    def test_user_time_is_beside_the_first_request(self):
        self.assertEqual(self.costs.split("\n")[3], "| pipelined | 0.82 | 0 |")

    def test_comes_with_the_number_of_rounds_and_with_who_was_left_out(self):
        self.assertIn("Medians of 3 rounds of 2 s beside the floors", self.sample)
        self.assertIn("hyper was left out: cargo is not installed.", self.sample)


class Goals(unittest.TestCase):
    def test_stand_beside_what_was_measured(self):
        told = {line[0]: line[1:] for line in goals.lines(result().rows)}
        self.assertEqual(told["64 connections: CPU, of floor"], ["1.05", "1.02", "yes"])
        self.assertEqual(told["1,000/s: p99, of floor"], ["1.30", "1.20", "yes"])

    def test_that_were_not_measured_are_not_told(self):
        told = [line[0] for line in goals.lines(result().rows)[1:]]
        self.assertEqual(len(told), 3)  # and one of the connections that are not kept

    def test_of_a_peer_that_was_left_out_are_not_told(self):
        peers = [Row(load("one"), 60, {"lastcall": turns(1), "Go": turns(2)})]
        rows = replace(result().rows, floors=[], peers=peers, steady_floors=[])
        self.assertEqual(len(goals.lines(rows)), 1)


class Judged(unittest.TestCase):
    def test_are_both_engines_on_64_connections(self):
        self.assertEqual(list(table.judged_ratios(result())), ["lastcall", "lastcall by epoll"])

    def test_is_nothing_without_that_row(self):
        many = Row(load("many"), 41, {"lastcall": turns(9), "floor": turns(1)})
        rows = replace(result().rows, floors=[many])
        self.assertEqual(table.judged_ratios(replace(result(), rows=rows)), {})


class Report(unittest.TestCase):
    def test_has_every_row_and_says_who_was_left_out(self):
        costs = [{"ns_min": 1.0, "ns_max": 2.0, "requests": 3, **each} for each in result().costs]
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            table.report(replace(result(), costs=costs))
        text = out.getvalue()
        self.assertRegex(text, r"64 connections +nginx +2000\.000 +0\.500")
        self.assertIn("lastcall 692, nginx 525.", text)
        self.assertIn("hyper: left out: cargo is not installed.", text)

    def test_of_one_row_alone_has_no_other(self):
        rows = replace(
            result().rows, floors=[], peers=[beside_peers("one")], coroutines=[],
            steady_floors=[], steady_peers=[], fairness=[],
        )
        told = list(table.sections(replace(result(), rows=rows, costs=[])))
        self.assertNotIn("p99", "".join(told))

    def test_as_json_has_all_of_it(self):
        told = json.loads(json.dumps(table.as_object(result())))
        self.assertEqual(len(told["rows"]), 5)
        self.assertEqual(len(told["latencies"]), 3)


if __name__ == "__main__":
    unittest.main()
