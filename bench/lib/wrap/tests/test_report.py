"""What is made of rows: promises, and the table of bench/README.md."""

import unittest
from array import array
from collections import Counter

from harness.outcome import Tally
from harness.replica import Departure
from harness.vegeta import ATTACKS
from wrap import table
from wrap.programs import INCR, PROGRAMS, WAYS, server_of
from wrap.row import WrapRow, idle_control
from wrap.run import WrapRun


def run(answered: int, refused: int = 0, exit_code: int = 0, counted: int | None = None) -> WrapRun:
    tally = Tally(latencies=array("d", [0.002] * answered), lost_by=Counter(refused=refused))
    return WrapRun(
        tally=tally,
        events=[],
        departures=[Departure("old-1", exit_code, "")],
        proxy_losses=Counter(),
        rollout_seconds=2.0,
        counted=counted,
    )


def rows(program: str, way: str, *runs: WrapRun, attacks=("get", "post")) -> list[WrapRow]:
    server = server_of(PROGRAMS[program], WAYS[way])
    kinds = [INCR] if program == "incr" else [ATTACKS[name] for name in attacks]
    return [WrapRow(server, kind, [each]) for kind, each in zip(kinds, runs, strict=False)]


class Promises(unittest.TestCase):
    def broken(self, *made: WrapRow) -> list[str]:
        return [promise for row in made for promise in row.broken_promises()]

    def test_nothing_is_lost_behind_lastcall(self):
        self.assertEqual(self.broken(*rows("node", "lastcall", run(100))), [])
        self.assertEqual(len(self.broken(*rows("node", "lastcall", run(99, 1)))), 1)

    def test_lastcall_ends_well_and_a_bare_program_as_it_does(self):
        self.assertEqual(len(self.broken(*rows("node", "epoll", run(100, exit_code=3)))), 1)
        self.assertEqual(self.broken(*rows("node", "bare", run(99, 1, exit_code=-15))), [])

    def test_a_bare_program_that_loses_nothing_proves_nothing(self):
        (problem,) = idle_control(rows("node", "bare", run(100), run(100)))
        self.assertIn("proves nothing", problem)
        self.assertEqual(idle_control(rows("node", "bare", run(99, 1), run(100))), [])
        self.assertEqual(idle_control(rows("node", "lastcall", run(100))), [])

    def test_each_answer_is_counted_behind_lastcall_and_not_more(self):
        self.assertEqual(self.broken(*rows("incr", "lastcall", run(100, counted=100))), [])
        for counted in (99, 101):
            (promise,) = self.broken(*rows("incr", "lastcall", run(100, counted=counted)))
            self.assertIn(f"{counted} counted", promise)

    def test_a_bare_one_must_forget_some(self):
        self.assertEqual(self.broken(*rows("incr", "bare", run(90, 10, counted=80))), [])
        (promise,) = self.broken(*rows("incr", "bare", run(90, 10, counted=90)))
        self.assertIn("proves nothing", promise)


class Table(unittest.TestCase):
    def test_a_program_a_line_and_a_way_a_column(self):
        made = [*rows("node", "bare", run(90, 10), run(92, 8))]
        made += rows("node", "lastcall", run(100), run(100))
        lines = table.compact(made).split("\n")
        self.assertEqual(lines[0], "| lost of those sent | bare | behind lastcall |")
        self.assertEqual(lines[2], "| Node, http | 10 · 8 of 200 | **0 · 0 of 200** |")

    def test_what_is_counted_later_has_a_line_of_its_own(self):
        made = [*rows("incr", "bare", run(90, 10, counted=70))]
        made += rows("incr", "epoll", run(100, counted=100))
        lines = table.compact(made).split("\n")
        self.assertIn("| 70 of 90 | **100 of 100** |", lines[3])

    def test_the_sample_is_of_what_was_promised(self):
        made = [*rows("node", "bare", run(90, 10)), *rows("node", "lastcall", run(300))]
        self.assertIn("None of the 300 requests", table.sample(made))
        made = rows("node", "lastcall", run(299, 1))
        self.assertNotIn("None of", table.sample(made))
