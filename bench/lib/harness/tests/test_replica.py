"""How a replica ended, by what it said last."""

import unittest

from harness.replica import Departure


class Departures(unittest.TestCase):
    def test_an_audit_that_is_no_json_is_no_error(self):
        self.assertEqual(Departure("old-1", 0, "stopped: 7 finished").audit(), {})
        self.assertEqual(Departure("old-1", 0, "[1]").audit(), {})
        self.assertEqual(Departure("old-1", 143, '{"message": "serving"}').audit(), {})
        self.assertEqual(Departure("old-1", 0, "").describe(), "old-1: exit 0")

    def test_an_audit_is_told_by_the_counts_that_are_there(self):
        line = '{"exit": 0, "counts": {"requests_answered": 4310}, "accepted_in_window": 3}'
        expected = "old-1: exit 0; 3 accepted in window, 4,310 requests answered"
        self.assertEqual(Departure("old-1", 0, line).describe(), expected)
        empty = Departure("old-1", 3, '{"exit": 3, "accepted_in_window": null}')
        self.assertEqual(empty.describe(), "old-1: exit 3")
