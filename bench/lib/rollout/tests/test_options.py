"""The command line: what is chosen, and one line for what cannot be."""

import contextlib
import io
import unittest

from rollout import options
from rollout.options import fit


def parsed(*argv: str) -> options.Options:
    return options.parse(list(argv))


def refused(*argv: str) -> tuple[int, str]:
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            options.parse(list(argv))
        except SystemExit as end:
            return end.code, errors.getvalue()
    return 0, ""


class Choices(unittest.TestCase):
    def test_the_full_run_is_every_server_under_every_attack(self):
        full = parsed()
        self.assertEqual(len(full.servers), 6)
        self.assertEqual(len(full.attacks), 3)
        self.assertEqual((full.rate, full.replicas, full.drain_window), (1000, 2, 5.0))

    def test_quick_is_lastcall_with_its_control_and_ends_within_a_minute(self):
        quick = parsed("--quick")
        self.assertEqual([each.name for each in quick.servers], ["hard", "drain"])
        self.assertEqual([each.name for each in quick.attacks], ["post"])
        self.assertLess(2 * quick.seconds, 50)

    def test_filters_take_commas_and_repetition_and_keep_no_doubles(self):
        chosen = parsed("--variant", "drain,go-exit", "--variant", "drain", "--attack", "get")
        self.assertEqual([each.name for each in chosen.servers], ["drain", "go-exit"])
        self.assertEqual([each.name for each in chosen.attacks], ["get"])

    def test_an_engine_is_for_each_lastcall_that_has_none_of_its_own(self):
        chosen = parsed("--io", "io_uring")
        flags = {each.name: each.flags for each in chosen.servers}
        self.assertEqual(flags["drain"], ("--io", "io_uring"))
        self.assertEqual(flags["hard"], ("--hard", "--io", "io_uring"))
        self.assertEqual(flags["epoll"], ("--io", "epoll"))
        self.assertNotIn("--io", flags["go-exit"])

    def test_durations_have_units(self):
        chosen = parsed("--duration", "1m", "--drain-window", "2500ms")
        self.assertEqual((chosen.seconds, chosen.drain_window), (60.0, 2.5))
        self.assertEqual(parsed("--duration", "30").seconds, 30.0)


class Written(unittest.TestCase):
    def test_the_picture_that_readme_shows_is_drawn_unless_another_place_is_given(self):
        self.assertIsNone(parsed().published)
        self.assertEqual(parsed("--write").published.name, "rollout.svg")
        self.assertIsNone(parsed("--write", "--svg", "/tmp/x.svg").published)


class Refusals(unittest.TestCase):
    def test_a_bad_value_is_one_line_and_exit_code_2(self):
        for argv in (
            ("--rate", "0"),
            ("--rate", "fast"),
            ("--rate", "-5"),
            ("--duration", "abc"),
            ("--duration", "0s"),
            ("--duration", "5s", "--drain-window", "5s"),
            ("--drain-window", "-1s"),
            ("--drain-window", "1h"),
            ("--replicas", "0"),
            ("--replicas", "17"),
            ("--repeat", "0"),
            ("--variant", "nginx"),
            ("--attack", "put"),
            ("--json", "/no/such/folder/out.json"),
            ("--svg", "/"),
            ("--unknown",),
            ("--quick", "--write"),
            ("extra",),
        ):
            with self.subTest(argv):
                code, errors = refused(*argv)
                self.assertEqual(code, 2)
                self.assertEqual(errors.count("\n"), 1, errors)
                self.assertTrue(errors.startswith("rollout: "), errors)


class Fitting(unittest.TestCase):
    def test_the_load_is_longer_than_the_rollout(self):
        seconds, window = fit(None, 5.0, 2)
        self.assertGreater(seconds, options.LEAD_SECONDS + 2 * window)

    def test_a_short_load_shortens_the_window(self):
        seconds, window = fit(10.0, None, 2)
        self.assertEqual(seconds, 10.0)
        self.assertLess(window, options.DRAIN_WINDOW_SECONDS)
        self.assertLess(options.LEAD_SECONDS + 2 * window, 10.0)

    def test_a_long_load_leaves_the_window_alone(self):
        self.assertEqual(fit(60.0, None, 2), (60.0, options.DRAIN_WINDOW_SECONDS))

    def test_what_cannot_fit_is_refused_with_what_would(self):
        with self.assertRaisesRegex(ValueError, "at least 15.5s"):
            fit(10.0, 5.0, 2)
        self.assertEqual(fit(15.5, 5.0, 2), (15.5, 5.0))
