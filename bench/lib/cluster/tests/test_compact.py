"""The tables of bench/README.md."""

import unittest

from cluster.case import Case
from cluster.compact import compact
from cluster.event import Event, Run
from cluster.row import Row
from cluster.servers import BARE, GO, HARD, LASTCALL, WRAPPED, Server, Shape
from harness.outcome import Result, tally
from harness.vegeta import ATTACKS, Attack


def row(
    case: Case, attack: str, lost: int = 0, experiment: str = "scale", event: Event | None = None
) -> Row:
    kind: Attack = ATTACKS[attack]
    sent = [Result(100.0, 0.001, 200, "", kind.expected or b"") for _ in range(100 - lost)]
    sent += [Result(100.0, 0.001, 0, "EOF", b"") for _ in range(lost)]
    run = Run(tally(sent, kind.expected), event or Event(100.1, 0.2))
    return Row(experiment, case, kind, runs=[run])


def rows(server: Server, must_lose: bool | None, *lost: int, note: str = "", **more) -> list[Row]:
    case = Case(server, Shape(), note, must_lose)
    return [row(case, name, count, **more) for name, count in zip(ATTACKS, lost, strict=False)]


class Losses(unittest.TestCase):
    def lines(self, *groups: list[Row]) -> list[str]:
        return compact([*groups]).split("\n")

    def test_a_line_an_experiment_and_a_column_a_server(self):
        groups = rows(LASTCALL, False, 0, 0, 0), rows(HARD, True, 0, 4, 31), rows(GO, None, 1, 0, 0)
        lines = self.lines(*groups)
        self.assertEqual(lines[0].count("|"), 5)
        expected = "| `scale` | **0 · 0 · 0 of 300** | 0 · 4 · 31 of 300 | 1 · 0 · 0 of 300 |"
        self.assertEqual(lines[2], expected)

    def test_a_program_bare_and_behind_lastcall_has_a_table_of_its_own(self):
        wrapped = rows(WRAPPED, False, 0, 0), rows(BARE, True, 7, 9)
        text = compact([rows(LASTCALL, False, 0), *wrapped])
        self.assertIn("| `scale` | **0 of 100** | | |", text)
        self.assertIn("| `scale` | **0 · 0 of 200** | 7 · 9 of 200 |", text)

    def test_attacks_one_after_another_are_of_one_case(self):
        first, second = rows(LASTCALL, False, 0, 0)
        self.assertIn("| **0 · 0 of 200** | | |", self.lines([first], [second])[2])

    def test_a_second_case_of_a_server_has_a_line_of_its_own(self):
        probed = rows(LASTCALL, False, 0, note="probe /servingz")
        lines = self.lines(probed, rows(LASTCALL, None, 7, note="probe /readyz"))
        self.assertEqual(lines[2], "| `scale`, probe /servingz | **0 of 100** | | |")
        self.assertEqual(lines[3], "| the same, probe /readyz | 7 of 100 | | |")

    def test_the_bound_is_of_what_no_client_may_have_sent_again(self):
        told = self.lines(rows(LASTCALL, False, 0, 0, 0))[-1]
        self.assertIn("None of lastcall's 300 requests lost", told)
        self.assertIn("Of the 200 that no client may have sent again: at most 1.5 %", told)

    def test_nothing_is_said_of_none_where_some_were_lost(self):
        self.assertNotIn("None of", self.lines(rows(LASTCALL, False, 1))[-1])


class Counts(unittest.TestCase):
    def test_have_a_table_of_their_own(self):
        away = Event(100.1, 0.2, counted=60, named=40)
        kept = rows(LASTCALL, False, 0, experiment="counter", event=away)
        text = compact([kept, rows(LASTCALL, False, 0)])
        self.assertIn("| counted, of the 200s |", text)
        self.assertIn("| `scale` | **0 of 100** | | |", text)
        self.assertIn("| `counter` | **60 of 100, 40 named** | | |", text)

    def test_ways_that_a_server_goes_one_after_another_are_a_line_each(self):
        groups = []
        for server in (LASTCALL, HARD):
            for way in ("slow", "fast"):
                event = Event(100.1, 0.2, counted=100)
                (mine,) = rows(server, None, 0, experiment="counter", event=event)
                mine.way = way
                groups.append([mine])
        lines = compact(groups).split("\n")
        self.assertEqual(lines[2], "| `counter` (slow) | 100 of 100 | 100 of 100 | |")
        self.assertEqual(lines[3], "| `counter` (fast) | 100 of 100 | 100 of 100 | |")
