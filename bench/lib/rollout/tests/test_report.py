"""Rows: their sums, what they prove, and how they are shown."""

import json
import math
import unittest
from xml.etree import ElementTree

from harness import svg
from harness.outcome import LOSSES
from rollout import picture, table
from rollout.tests.rows import row, run

CONTROL = row("hard", "post", run(90, {"5xx": 8, "eof": 2}))
DRAIN = row("drain", "post", run(100, {}))


class Rows(unittest.TestCase):
    def test_add_up_their_runs(self):
        added = row("hard", "get", run(90, {"5xx": 10}), run(95, {"5xx": 4, "reset": 1}))
        self.assertEqual((added.requests, added.answered, added.lost), (200, 185, 15))
        self.assertEqual(added.lost_by, {"5xx": 14, "reset": 1})
        self.assertEqual(added.worst.tally.lost, 10)

    def test_state_what_none_lost_allows_to_say(self):
        self.assertIn("at most 3 %", DRAIN.bound())
        self.assertIsNone(CONTROL.bound())


class Promises(unittest.TestCase):
    def test_hold_when_the_control_loses_and_the_drain_does_not(self):
        self.assertEqual(CONTROL.broken_promises() + DRAIN.broken_promises(), [])

    def test_are_broken_by_a_control_that_loses_nothing(self):
        self.assertIn("proves nothing", row("hard", "get", run(9, {})).broken_promises()[0])

    def test_are_broken_by_one_lost_request(self):
        self.assertIn("1 of 10", row("drain", "get", run(9, {"eof": 1})).broken_promises()[0])

    def test_are_broken_by_an_exit_code_of_the_drain(self):
        self.assertIn("exit code 3", row("drain", "get", run(9, {}, 3)).broken_promises()[0])

    def test_are_not_made_for_other_servers(self):
        self.assertEqual(row("go-exit", "get", run(9, {"eof": 1}, -15)).broken_promises(), [])

    def test_the_harness_own_failures_are_no_losses_of_a_control(self):
        self.assertEqual(len(row("hard", "get", run(9, {"harness": 1})).broken_promises()), 1)


class Table(unittest.TestCase):
    def test_has_a_line_a_row_and_columns_that_align(self):
        lines = table.table([CONTROL, DRAIN]).split("\n")
        self.assertEqual(len(lines), 4)
        self.assertTrue(lines[2].startswith("lastcall --hard  post"))
        end = lines[0].index("requests") + len("requests")
        self.assertEqual([line[end - 3 : end].strip() for line in lines[2:]], ["100", "100"])

    def test_success_is_100_only_when_nothing_is_lost(self):
        nearly = row("drain", "get", run(999_999, {"eof": 1}))
        self.assertEqual(table.success(nearly), "99.999")
        self.assertEqual(table.success(DRAIN), "100")

    def test_seldom_columns_are_there_when_needed(self):
        self.assertNotIn("wrong", table.table([CONTROL]))
        self.assertIn("wrong", table.table([row("drain", "get", run(1, {"wrong": 1}))]))


class Json(unittest.TestCase):
    def test_is_a_list_of_objects_with_numbers(self):
        control, drain = table.objects([CONTROL, DRAIN], 1000, 20.0, 5.0)
        self.assertEqual(control["server"], "lastcall --hard")
        self.assertEqual((control["attack"], control["requests"]), ("post", 100))
        self.assertEqual((control["answered"], control["lost"]), (90, 10))
        self.assertEqual(set(control["lost_by"]), set(LOSSES))
        self.assertEqual(sum(control["lost_by"].values()), control["lost"])
        self.assertEqual(drain["lost"], 0)
        self.assertEqual(drain["departures"][0]["audit"]["finished"], 7)

    def test_has_no_nan_when_nothing_was_answered(self):
        objects = table.objects([row("hard", "post", run(0, {"5xx": 1}))], 1, 1.0, 1.0)
        self.assertNotIn("NaN", json.dumps(objects))
        self.assertIsNone(objects[0]["latency_ms"]["p50"])


class Picture(unittest.TestCase):
    def test_is_well_formed_and_names_rows_and_signals(self):
        text = picture.picture([CONTROL, DRAIN], "2 replicas & a proxy")
        root = ElementTree.fromstring(text)
        shown = " ".join(each.text or "" for each in root.iter() if each.tag.endswith("text"))
        for expected in ("lastcall --hard", "SIGTERM old-1", "exit old-1", "10 of 100 lost"):
            self.assertIn(expected, shown)

    def test_of_nothing_is_still_a_picture(self):
        self.assertTrue(ElementTree.fromstring(picture.picture([], "nothing")).tag.endswith("svg"))

    def test_one_lost_request_is_large_enough_to_see(self):
        scale = picture.Scale(width=100, seconds=1, answered_max=10, lost_max=1000)
        self.assertEqual(scale.down(0), 0)
        self.assertGreaterEqual(scale.down(1), picture.LOST_PIXELS_MIN)
        self.assertTrue(math.isclose(scale.down(1000), picture.DOWN))

    def test_labels_that_would_overlap_are_merged(self):
        marks = [(0.0, "old-1"), (5.0, "old-2"), (300.0, "old-3")]
        expected = [(0.0, "exit old-1, old-2"), (300.0, "exit old-3")]
        self.assertEqual(svg.labels("exit", marks), expected)


class Markdown(unittest.TestCase):
    def test_has_a_line_a_server_and_a_column_an_attack(self):
        rows = [row("hard", "get", run(9, {"5xx": 1})), CONTROL, DRAIN]
        lines = table.compact(rows).split("\n")
        self.assertEqual(lines[0], "| lost of those sent | GET, keep-alive | POST, keep-alive |")
        self.assertEqual(lines[2], "| lastcall --hard | 1 of 10 | 10 of 100 |")
        self.assertEqual(lines[3], "| **lastcall** | | **0 of 100** |")

    def test_says_how_many_runs_and_what_none_allows_to_say(self):
        told = table.sample([CONTROL, row("drain", "get", run(100, {}), run(200, {}))])
        self.assertTrue(told.startswith("2 runs of each case."))
        self.assertIn("None of lastcall's 300 requests lost: at most 1 % at 95 %.", told)
        self.assertNotIn("None", table.sample([row("drain", "get", run(9, {"eof": 1}))]))
