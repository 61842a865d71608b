"""bench/count: its schedule, its command line, its rows and what they prove."""

import contextlib
import io
import json
import time
import unittest
from pathlib import Path
from xml.etree import ElementTree

from count import actors, options, picture, table
from count.run import untimely
from count.schedule import CUT_UNANSWERED, CUT_UNREAD, Schedule, fit
from count.servers import SERVERS
from count.tests.rows import BEGAN, row, run, schedule
from harness.processes import HarnessError
from harness.replica import Event
from harness.servers import Binaries, command

LOSES = row("hard", run(1000, 998, 870))
EXACT = row("drain", run(1000, 1000, 1000))


class Schedules(unittest.TestCase):
    def test_both_drains_are_under_load(self):
        for seconds in (8, 22, 40, 60):
            window, delay = fit(seconds, None, None)
            first, second = Schedule(seconds * 25, 25, window, delay, False).restarts
            with self.subTest(seconds):
                self.assertGreaterEqual(first, 1)
                self.assertGreater(second, first + window + delay)
                self.assertLess(second + window + delay, seconds)

    def test_a_long_load_has_the_full_window_and_delay(self):
        self.assertEqual(fit(40, None, None), (5, 5))
        self.assertEqual(schedule().restarts, (8, 18.5))

    def test_a_short_load_shortens_what_was_not_asked_for(self):
        self.assertEqual(fit(8, None, None), (1.5, 1.5))
        self.assertEqual(fit(20, 5, None), (5, 4))

    def test_what_cannot_fit_is_refused_with_what_would(self):
        with self.assertRaisesRegex(ValueError, "it must last 22s"):
            fit(8, 5, 5)
        with self.assertRaisesRegex(ValueError, "it must last 6.8s"):
            fit(2, None, None)

    def test_chaos_restarts_redis_in_each_drain_and_cuts_all_the_time(self):
        deeds = schedule(chaos=True).deeds()
        restarts = [deed for deed in deeds if deed.is_restart]
        self.assertEqual([deed.kind for deed in restarts], ["SIGKILL", "SIGTERM"])
        for deed, began in zip(restarts, schedule().restarts, strict=True):
            self.assertTrue(began < deed.at < began + 5)
        self.assertGreater(len(deeds), 20)
        self.assertEqual(deeds, sorted(deeds, key=lambda deed: deed.at))
        self.assertEqual({each.kind for each in deeds[:2]}, {CUT_UNREAD, CUT_UNANSWERED})
        self.assertEqual(schedule().deeds(), [])

    def test_redis_is_left_alone_while_it_restarts(self):
        plan = schedule(chaos=True)
        for restart in (deed for deed in plan.deeds() if deed.is_restart):
            span = (restart.at, restart.at + plan.away)
            inside = [deed for deed in plan.deeds() if span[0] < deed.at < span[1]]
            self.assertEqual(inside, [])

    def test_the_grace_period_holds_window_jobs_and_shutdown(self):
        for chaos in (False, True):
            timing = schedule(chaos).timing
            self.assertGreaterEqual(timing.shutdown, 15)
            self.assertGreaterEqual(timing.grace, timing.drain_window + timing.shutdown + 3)


class CommandLine(unittest.TestCase):
    def test_the_full_run_is_every_server_with_a_thousand_requests(self):
        full = options.parse([])
        self.assertEqual(len(full.servers), 5)
        self.assertEqual((full.schedule.requests, full.schedule.rate), (1000, 25))
        self.assertFalse(full.schedule.chaos)

    def test_quick_is_lastcall_with_its_control(self):
        quick = options.parse(["--quick", "--chaos"])
        self.assertEqual([each.name for each in quick.servers], ["hard", "drain"])
        self.assertEqual((quick.schedule.requests, quick.schedule.seconds), (200, 8))
        self.assertTrue(quick.schedule.chaos)

    def test_the_larger_cases(self):
        for requests, rate, seconds in ((3000, 50, 60), (30000, 500, 60)):
            chosen = options.parse(["--requests", str(requests), "--rate", str(rate)])
            self.assertEqual(chosen.schedule.seconds, seconds)

    def test_what_is_written_down_is_with_chaos_and_without(self):
        written = options.parse(["--write"]).schedules
        self.assertEqual([each.chaos for each in written], [False, True])
        self.assertEqual(len(options.parse(["--chaos"]).schedules), 1)

    def test_a_bad_value_is_one_line_and_exit_code_2(self):
        bad = ("--requests 0", "--rate x", "--requests 10", "--variant nginx", "more")
        for text in (*bad, "--quick --write"):
            errors = io.StringIO()
            with (
                self.subTest(text),
                contextlib.redirect_stderr(errors),
                self.assertRaises(SystemExit) as end,
            ):
                options.parse(text.split())
            self.assertEqual(end.exception.code, 2)
            self.assertRegex(errors.getvalue(), r"^count: [^\n]+\n$")

    def test_servers_are_told_where_to_count(self):
        binaries = Binaries(Path("lastcall"), Path("peer"), Path("vegeta"))
        more = ["--counter", "redis://127.0.0.1:1"]
        for name, server in SERVERS.items():
            argv = command(server, binaries, 9001, schedule().timing, more)
            with self.subTest(name):
                self.assertEqual(argv[argv.index("--counter") + 1], more[1])


class Actors(unittest.TestCase):
    def test_take_turns_until_the_last_has_ended(self):
        said = []

        def say(word: str, times: int) -> actors.Actor:
            for _ in range(times):
                said.append(word)
                yield

        actors.play([say("a", 2), say("b", 1)], background=[say("c", 100)])
        self.assertEqual("".join(said), "abcacc")

    def test_do_not_wait_for_ever(self):
        with self.assertRaisesRegex(HarnessError, "no rain after 0.02 s"):
            actors.play([actors.until(lambda: False, 0.02, "no rain")], background=[])

    def test_wait_for_a_moment(self):
        at = time.monotonic() + 0.03
        actors.play([actors.until_time(at)], background=[])
        self.assertGreaterEqual(time.monotonic(), at)


class Promises(unittest.TestCase):
    def test_hold_when_the_control_loses_and_lastcall_is_exact(self):
        self.assertEqual(LOSES.failures() + EXACT.failures(), [])

    def test_are_broken_by_a_control_that_loses_nothing(self):
        self.assertIn("proves nothing", row("hard", run(10, 9, 9)).failures()[0])

    def test_are_broken_by_one_answer_too_few_or_one_count_too_few_or_too_many(self):
        self.assertIn("9 of 10 requests", row("drain", run(10, 9, 9)).failures()[0])
        self.assertIn("10 answered, 9 counted", row("drain", run(10, 10, 9)).failures()[0])
        self.assertIn("10 answered, 11 counted", row("drain", run(10, 10, 11)).failures()[0])

    def test_are_judged_run_by_run(self):
        evened_out = row("drain", run(10, 10, 9), run(10, 10, 11))
        self.assertEqual((evened_out.answered, evened_out.counted), (20, 20))
        self.assertEqual((evened_out.exact, len(evened_out.failures())), (0, 2))

    def test_are_broken_by_an_exit_code(self):
        self.assertIn("exit code 3", row("drain", run(10, 10, 10, exit_code=3)).failures()[0])

    def test_are_not_made_for_other_servers(self):
        self.assertEqual(row("go-waitgroup", run(10, 9, 12, exit_code=1)).failures(), [])

    def test_a_run_that_is_not_valid_fails_whatever_it_shows(self):
        self.assertIn("invalid: slow", row("go-forget", run(9, 9, 9, invalid=["slow"])).failures())


class Validity(unittest.TestCase):
    def test_asks_that_the_drain_windows_are_under_load(self):
        tally = run(1000, 1000, 1000).tally
        in_time = [Event(BEGAN + 34, "SIGTERM", "replica-2")]
        late = [Event(BEGAN + 36, "SIGTERM", "replica-2")]
        self.assertEqual(untimely(schedule(), tally, in_time), [])
        self.assertIn("1.0 s after the load", untimely(schedule(), tally, late)[0])

    def test_asks_that_the_load_kept_its_rate(self):
        tally = run(1000, 1000, 1000).tally
        tally.bins += [[0, 0]] * 30
        self.assertIn("too slow", untimely(schedule(), tally, [Event(0, "SIGTERM", "a")])[0])


class Report(unittest.TestCase):
    def test_has_a_line_a_row(self):
        lines = table.table([LOSES, EXACT]).split("\n")
        self.assertRegex(lines[2], r"^lastcall --hard +rollout +1,000 +998 +870 +-128 +0 of 1$")
        self.assertRegex(lines[3], r"^lastcall +rollout +1,000 +1,000 +1,000 +0 +1 of 1$")

    def test_is_a_list_of_objects(self):
        rows = [LOSES, row("drain", run(1000, 1000, 1000), chaos=True)]
        first, second = json.loads(json.dumps(table.objects(rows)))
        self.assertEqual((first["server"], first["case"]), ("lastcall --hard", "rollout"))
        self.assertEqual((first["sent"], first["answered"], first["counted"]), (1000, 998, 870))
        self.assertEqual((second["case"], second["rate"]), ("rollout+chaos", 25))
        self.assertEqual(second["runs"][0]["redis"][1], {"at_seconds": 10, "what": "SIGKILL"})

    def test_markdown_has_a_column_an_experiment(self):
        rows = [LOSES, EXACT, row("drain", run(1000, 1000, 1000), chaos=True)]
        lines = table.compact(rows).split("\n")
        self.assertEqual(lines[0], "| counted of the 200s | rollout | rollout+chaos |")
        self.assertEqual(lines[2], "| lastcall --hard | 870 of 998 | |")
        self.assertEqual(lines[3], "| **lastcall** | **1,000 of 1,000** | **1,000 of 1,000** |")
        self.assertIn("Each of lastcall's 2,000 requests", table.sample(rows))
        self.assertNotIn("Each of", table.sample([row("drain", run(10, 10, 9))]))

    def test_picture_is_well_formed_and_shows_what_is_missing(self):
        root = ElementTree.fromstring(picture.picture([LOSES, EXACT], "HAProxy & Redis"))
        shown = " ".join(each.text or "" for each in root.iter() if each.tag.endswith("text"))
        for expected in ("128 counted too few", "1,000 sent", "SIGKILL", "replica-2", "40 s"):
            self.assertIn(expected, shown)
        self.assertEqual(shown.count("counted too"), 1)

    def test_picture_of_nothing_is_still_one(self):
        self.assertTrue(ElementTree.fromstring(picture.picture([], "")).tag.endswith("svg"))
