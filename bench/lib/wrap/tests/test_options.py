"""The command line: what is chosen, and one line for what cannot be."""

import contextlib
import io
import unittest

from wrap import options


def refused(*argv: str) -> str:
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.suppress(SystemExit):
        options.parse(list(argv))
    return errors.getvalue()


class Choices(unittest.TestCase):
    def test_the_full_run_is_every_program_started_in_every_way(self):
        full = options.parse([])
        self.assertEqual((len(full.programs), len(full.ways), len(full.attacks)), (6, 3, 3))
        self.assertEqual((full.rate, full.replicas, full.drain_window), (1000, 2, 5.0))

    def test_quick_is_one_program_bare_and_behind_lastcall(self):
        quick = options.parse(["--quick"])
        self.assertEqual([each.name for each in quick.programs], ["go-exit"])
        self.assertEqual([each.name for each in quick.ways], ["bare", "lastcall"])

    def test_an_engine_is_for_who_has_none_of_its_own(self):
        chosen = options.parse(["--io", "io_uring"])
        flags = {each.name: each.flags for each in chosen.ways}
        self.assertEqual(flags["lastcall"], ("--io", "io_uring"))
        self.assertEqual(flags["epoll"], ("--io", "epoll"))
        self.assertEqual(flags["bare"], ())

    def test_a_bad_value_is_one_line(self):
        for argv in (("--program", "php"), ("--way", "naked"), ("--quick", "--write")):
            with self.subTest(argv):
                self.assertEqual(refused(*argv).count("\n"), 1)
