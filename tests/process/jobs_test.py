"""Work that outlives its answer: a 200 of /incr is a promise, and the drain keeps or names it."""

import json
import os
import random
import re
import signal
import socket
import struct
import time
import unittest

from counting import (ACCEPTED, INCREMENTS, CountingTestCase, ages_in_log, file_value,
                      milliseconds)
from harness import BINARY, BUILD, first_seed, get, patience, rounds, wait_until
from load import Load

DURABLE = os.environ.get("LASTCALL_DURABLE") or str(BUILD / "durable")
INCR = b"POST /incr HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER


def named_jobs(server, name="incr"):
    """lastcall_jobs{name="…"} as /metrics has it; 0 where it has none."""
    text = get(server.port, "/metrics").body.decode()
    found = re.search(rf'^lastcall_jobs{{name="{name}"}} (\d+)$', text, re.M)
    return int(found.group(1)) if found else 0


def at_ease(seconds):
    """A delay that this build has done a few requests in."""
    return f"{round(patience(seconds) * 1000)}ms"


class JobsTestCase(CountingTestCase):
    def setUp(self):
        self.file = self.folder() / "counter"

    def start_jobs(self, delay, *options, **settings):
        return self.start_counting(f"file:{self.file}", *options, delay=delay, **settings)

    def assert_kept(self, server, count):
        audit = self.assert_ends(server, 0)
        self.assertEqual((audit["jobs_started"], audit["jobs_failed"]), (count, 0))
        self.assert_unfinished(server, audit, "incr", 0)
        self.assertNotIn("unfinished", audit)
        self.assertEqual(file_value(self.file), count, "each promise is kept once")
        return audit


class Awaited(JobsTestCase):
    def test_an_answer_comes_at_once_and_the_drain_awaits_its_job_and_says_so(self):
        delay = patience(2.2)
        server = self.start_jobs(at_ease(2.2), "--workers", "2", "--drain-window", "0s")
        began_at = time.monotonic()
        slowest = max(self.incr(server.port, 5) for _ in range(4))
        self.assertLess(slowest, delay / 2, "the job is not part of the answer")
        self.assertEqual(named_jobs(server), 20)
        self.assertEqual(self.value(server.port), 0, "nothing is counted yet")
        server.terminate()
        line = server.wait_for("20 jobs (incr: 20)")
        self.assertIn("closing: waiting for 0 requests", line["message"])
        self.assert_kept(server, 20)
        self.assertGreater(server.ended_at - began_at, delay)

    def test_metrics_tell_of_jobs_from_their_start_to_their_end(self):
        server = self.start_jobs(at_ease(0.3), "--drain-window", "0s")
        self.assertEqual(named_jobs(server), 0)
        self.incr(server.port, 7)
        self.assertEqual(named_jobs(server), 7)
        wait_until(lambda: named_jobs(server) == 0, 5, "the end of the jobs")
        metrics = server.metrics()
        self.assertEqual([metrics[f"jobs_{name}_total"] for name in
                          ("started", "finished", "failed", "refused", "unfinished")],
                         [7, 7, 0, 0, 0])
        self.assertEqual((metrics["jobs_running"], self.value(server.port)), (0, 7))
        server.terminate()
        self.assert_kept(server, 7)

    def test_jobs_of_clients_that_left_still_count(self):
        server = self.start_jobs("400ms", "--workers", "2", "--drain-window", "0s")
        self.incr(server.port, 3)  # they read their answers, and have gone
        unread = [self.client(server.port) for _ in range(20)]
        for client in unread:
            client.ask("/incr", "POST")
        wait_until(lambda: server.metrics()["jobs_started_total"] == 23, 5, "23 jobs")
        for client in unread:  # these never read theirs
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            client.close()
        server.terminate()
        self.assert_kept(server, 23)

    def test_a_job_that_begins_while_closing_is_awaited_too(self):
        server = self.start_jobs("500ms", "--drain-window", "0s")
        client = self.client(server.port)
        client.ask("/slow?ms=600")
        client.ask("/incr", "POST")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        server.terminate()
        server.wait_for("closing: no new connection")
        self.assertEqual(client.answer().status, 200)
        answer = client.answer()
        self.assertEqual((answer.status, answer.body, answer.closes), (200, ACCEPTED, True))
        client.close()
        self.assert_kept(server, 1)

    def test_every_promise_made_under_load_and_in_the_window_is_kept(self):
        seed = first_seed()
        for number in range(rounds(6)):
            rng = random.Random(seed + number)
            file = self.file = self.folder() / "counter"
            server = self.start_jobs(f"{rng.choice((0, 4, 250))}ms", "--workers", 1 + number % 2,
                                     "--drain-window", "200ms")
            tally = Load(server, INCREMENTS * 4, rng, signal_after=rng.random() * 0.3).run()
            audit = self.assert_ends(server, 0)
            told = f"seed {seed + number}\n{server.story()}"
            self.assertEqual((tally.losses, tally.wrong), ([], []), told)
            self.assertEqual((audit["jobs_started"], audit["jobs_unfinished"], file_value(file)),
                             (tally.answered, 0, tally.answered), told)

    def test_the_control_loses_them(self):
        server = self.start_jobs("60s", "--hard")
        self.incr(server.port, 10)
        server.terminate()
        self.assert_ends(server, 143, audited=False)
        self.assertEqual(file_value(self.file), 0)


class Bounded(JobsTestCase):
    def test_beyond_max_jobs_is_503_and_nothing_is_counted_for_it(self):
        server = self.start_jobs(at_ease(0.5), "--workers", "1", "--max-jobs", "10",
                                 "--drain-window", "0s")
        client = self.client(server.port)
        for _ in range(15):
            client.ask("/incr", "POST")
        answers = [client.answer() for _ in range(15)]
        self.assertEqual([a.status for a in answers], [200] * 10 + [503] * 5)
        self.assertEqual(server.metrics()["jobs_refused_total"], 5)
        self.assertEqual(get(server.port, "/readyz").status, 200, "it serves on")
        wait_until(lambda: named_jobs(server) == 0, 5, "room again")
        client.ask("/incr", "POST")
        self.assertEqual(client.answer().status, 200)
        client.close()
        server.terminate()
        self.assert_kept(server, 11)

    def test_the_bound_is_that_of_all_workers_together(self):
        server = self.start_jobs("60s", "--workers", "2", "--max-jobs", "10",
                                 "--drain-window", "0s", "--shutdown-timeout", "300ms")
        accepted = 0
        for _ in range(100):
            accepted += get(server.port, "/incr").status == 200
        self.assertEqual((accepted, named_jobs(server)), (10, 10))
        server.terminate()
        self.assert_unfinished(server, self.assert_ends(server, 3), "incr", 10)
        self.assertEqual(file_value(self.file), 0)


class Unfinished(JobsTestCase):
    def test_3_each_job_that_the_deadline_cuts_is_named_and_is_what_the_counter_lacks(self):
        server = self.start_jobs(at_ease(1), "--workers", "2", "--drain-window", "100ms",
                                 "--shutdown-timeout", "400ms")
        self.incr(server.port, 5)
        wait_until(lambda: self.value(server.port) == 5, 5, "the first five")
        asked_at = time.monotonic()
        for _ in range(7):
            self.assertEqual(get(server.port, "/incr").status, 200)
        asked_by = time.monotonic()
        signaled_at = server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertEqual(audit["jobs_started"], 12)
        self.assert_unfinished(server, audit, "incr", 7)
        self.assertEqual(file_value(self.file), 12 - 7)
        self.assertEqual(audit["requests_cut"], 0)
        # The server's clock has whole milliseconds, and the deadline passed before it ended.
        oldest = (server.ended_at - asked_at) * 1000 + 2
        youngest = (signaled_at + 0.5 - asked_by) * 1000 - 5
        for age in ages_in_log(server, "incr"):
            self.assertTrue(youngest <= age <= oldest, (youngest, age, oldest))

    def test_the_termination_log_names_them_too(self):
        told = self.folder() / "termination-log"
        told.write_text("")
        server = self.start(command=[
            BINARY, "--listen", "127.0.0.1:0", "--log-format", "json", "--drain-window", "0s",
            "--shutdown-timeout", "300ms", "--termination-log", str(told), "--job-delay", "1m",
            "--counter", f"file:{self.file}"])
        self.incr(server.port, 4)
        server.terminate()
        audit = self.assert_ends(server, 3)
        self.assert_unfinished(server, audit, "incr", 4)
        written = json.loads(told.read_text())
        self.assertEqual((written["exit"], written["jobs_unfinished"]), (3, 4))
        self.assertEqual(written["unfinished"], audit["unfinished"])
        text = re.search(r" unfinished=(\S+)", audit["message"]).group(1)
        name, count, age = text.split(":")
        self.assertEqual({"name": name, "jobs": int(count), "oldest_ms": milliseconds(age)},
                         written["unfinished"][0])

    def test_4_a_second_interrupt_cuts_them_and_names_them(self):
        server = self.start_jobs("1m", "--workers", "2", "--drain-window", "10s")
        for _ in range(6):
            self.assertEqual(get(server.port, "/incr").status, 200)
        server.signal(signal.SIGINT)
        server.wait_for("SIGINT: draining")
        forced_at = server.signal(signal.SIGINT)
        audit = self.assert_ends(server, 4)
        self.assertLess(server.ended_at - forced_at, patience(2))
        self.assert_unfinished(server, audit, "incr", 6)
        self.assertEqual(file_value(self.file), 0)

    def test_3000_of_them_are_all_named_or_summed_and_it_ends_in_time(self):
        server = self.start_jobs("1m", "--workers", "2", "--drain-window", "0s",
                                 "--shutdown-timeout", "1s")
        for _ in range(6):
            with self.client(server.port) as client:
                client.send(INCR * 500)
                self.assertEqual({client.answer().status for _ in range(500)}, {200})
        signaled_at = server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertLess(server.ended_at - signaled_at, patience(2))
        self.assertEqual(audit["jobs_started"], 3000)
        self.assert_unfinished(server, audit, "incr", 3000)
        self.assertTrue(server.find("more jobs unfinished"), "1,024 of each worker have a name")
        self.assertEqual(file_value(self.file), 0)

    def test_an_increment_asked_for_in_vain_after_the_deadline_is_no_promise(self):
        # The answer to the request behind the slow one is never written: neither is its job.
        server = self.start_jobs("0s", "--drain-window", "0s", "--shutdown-timeout", "300ms")
        client = self.client(server.port)
        client.ask("/slow?ms=60000")
        client.ask("/incr", "POST")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertEqual((audit["jobs_started"], audit["jobs_unfinished"]), (0, 0))
        self.assertEqual(file_value(self.file), 0)


class OfOtherKinds(CountingTestCase):
    """Jobs that do not end as those of /incr do (durable.cc)."""

    def start_other(self, timeout_ms):
        return self.start(command=[DURABLE, "127.0.0.1:0", "2", "memory", "0", str(timeout_ms)])

    def test_one_that_nothing_can_end_is_named_before_the_watchdog_ends_the_process(self):
        server = self.start_other(500)
        for _ in range(3):
            self.assertEqual(get(server.port, "/forever").status, 200)
        signaled_at = server.terminate()
        self.assertEqual(server.wait(), 3)
        self.assertLess(server.ended_at - signaled_at, patience(0.5 + 2))
        self.assertTrue(server.find("ended by its watchdog"), server.story())
        lines = server.find("still running, and cannot be cancelled: ")
        named = sum(line["message"].count("forever (") for line in lines)
        self.assertEqual(named, 3, server.story())
        audit = server.audit()
        self.assertEqual((audit["ended_by"], audit["jobs_unfinished"]), ("watchdog", 3))

    def test_those_of_a_worker_that_one_of_them_blocks_are_named_by_the_watchdog(self):
        server = self.start_other(300)
        self.assertEqual(get(server.port, "/blocks").status, 200)
        server.terminate()
        self.assertEqual(server.wait(), 3)
        named = {each["name"]: each["jobs"] for each in server.audit()["unfinished"]}
        self.assertEqual(named, {"blocks": 1, "behind it": 1})

    def test_one_that_fails_by_itself_is_named_and_is_work_that_was_not_done(self):
        server = self.start_other(5000)
        self.assertEqual(get(server.port, "/fails").status, 200)
        wait_until(lambda: server.metrics()["jobs_failed_total"] == 1, 5, "the failure")
        server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertEqual((audit["jobs_failed"], audit["jobs_unfinished"]), (1, 0))
        self.assertTrue(server.find("job fails failed: no reason at all"), server.story())

    def test_one_that_ends_well_though_it_was_cancelled_is_finished(self):
        server = self.start_other(400)
        self.assertEqual(get(server.port, "/stubborn").status, 200)
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual((audit["jobs_started"], audit["jobs_unfinished"]), (1, 0))

    def test_each_kind_has_its_own_line_and_row(self):
        server = self.start_other(400)
        for path in ("/stubborn", "/forever", "/forever"):
            self.assertEqual(get(server.port, path).status, 200)
        self.assertEqual((named_jobs(server, "stubborn"), named_jobs(server, "forever")), (1, 2))
        server.terminate()
        self.assertEqual(server.wait(), 3)
        self.assertFalse(server.find("stubborn ("), "that one ended")


class Warned(CountingTestCase):
    WARNING = "is not shorter than --shutdown-timeout"

    def test_of_jobs_that_take_as_long_as_the_drain_may(self):
        for delay, warned in (("300ms", True), ("5s", True), ("299ms", False)):
            with self.subTest(delay):
                server = self.start_counting("memory", "--shutdown-timeout", "300ms",
                                             "--drain-window", "0s", delay=delay)
                lines = server.find(self.WARNING)
                self.assertEqual(len(lines), warned, server.story())
                if warned:
                    self.assertEqual(lines[0]["level"], "warning")
                    self.assertIn(f"--job-delay {delay}", lines[0]["message"])
                server.terminate()
                self.assert_ends(server, 0)

    def test_the_environment_says_it_as_well(self):
        server = self.start("--drain-window", "0s",
                            environment={"LASTCALL_JOB_DELAY": "20s", "LASTCALL_COUNTER": "memory",
                                         "LASTCALL_MAX_JOBS": "1"})
        self.assertTrue(server.find(self.WARNING), server.story())
        self.assertEqual(get(server.port, "/incr").status, 200)
        server.signal(signal.SIGINT)
        server.wait_for("SIGINT: draining")
        server.signal(signal.SIGINT)
        self.assert_ends(server, 4)


if __name__ == "__main__":
    unittest.main()
