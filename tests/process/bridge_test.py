"""What a program does beside its handlers: what blocks, threads, descriptors, start and end."""

import os
import signal
import time
import unittest

from harness import BUILD, TestCase, get, is_sanitized, patience, wait_until

BRIDGE = os.environ.get("LASTCALL_BRIDGE") or str(BUILD / "bridge")


class BridgeTestCase(TestCase):
    def start_bridge(self, *options, manner="plain", **settings):
        return self.start(command=[BRIDGE, manner, "--listen", "127.0.0.1:0", "--workers", "2",
                                   "--drain-window", "0s", "--log-format", "json",
                                   "--termination-log", "/dev/null/none", *options], **settings)


class Blocking(BridgeTestCase):
    def test_what_blocks_keeps_no_other_client(self):
        server = self.start_bridge()
        slow = [self.client(server.port) for _ in range(8)]
        for client in slow:
            client.ask("/blocking?ms=700")
        began = time.monotonic()
        for _ in range(20):
            self.assertEqual(get(server.port, "/").status, 200)
        if patience(1) == 1:
            self.assertLess(time.monotonic() - began, 0.5)
        for client in slow:
            self.assertEqual(client.answer().body, b"b" * 40)
        self.assertEqual(get(server.port, "/throws").body, b"on another thread")
        self.assertEqual(server.find("has stood still"), [])
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["jobs_started"], 9)

    def test_more_than_there_are_threads_wait_for_one(self):
        server = self.start_bridge("--blocking-threads", "2")
        clients = [self.client(server.port) for _ in range(6)]
        for client in clients:
            client.ask("/blocking?ms=150")
        wait_until(lambda: server.metrics()["jobs_running"] == 6, 5, "all six")
        self.assertEqual([client.answer().status for client in clients], [200] * 6)
        server.terminate()
        self.assert_ends(server, 0)

    def test_a_drain_waits_for_it(self):
        server = self.start_bridge()
        client = self.client(server.port)
        client.ask("/blocking?ms=800")
        wait_until(lambda: server.metrics()["jobs_running"] == 1, 5, "the nap")
        server.terminate()
        self.assertEqual(client.answer().body, b"b" * 40)
        self.assert_ends(server, 0)

    def test_3_at_the_deadline_one_that_waits_is_canceled_and_one_that_runs_goes_on(self):
        server = self.start_bridge("--blocking-threads", "1", "--shutdown-timeout", "300ms")
        clients = [self.client(server.port) for _ in range(2)]
        for client in clients:
            client.ask("/canceled?ms=1000")
            wait_until(lambda: server.metrics()["jobs_running"] == 1 + clients.index(client), 5,
                       "the nap")
        server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertEqual(audit["requests_cut"], 2)
        self.assertEqual(audit["jobs_unfinished"], 1)
        self.assertEqual(len(server.find("a nap was canceled")), 1)
        self.assertEqual(len(server.find("a nap has ended")), 1)
        self.assertTrue(server.find("naps ("), server.story())

    def test_3_one_that_never_ends_is_named_by_the_watchdog(self):
        server = self.start_bridge("--shutdown-timeout", "200ms")
        client = self.client(server.port)
        client.ask("/blocking?ms=60000")
        wait_until(lambda: server.metrics()["jobs_running"] == 1, 5, "the nap")
        server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertIn("naps", str(audit))
        self.assertTrue(server.find("ended by its watchdog"), server.story())

    def test_a_handler_that_blocks_is_named_and_for_how_long(self):
        for path, named in (("/stands-still", "the handler of GET /stands-still"),
                            ("/stands-still-later", "perhaps of GET /stands-still-later")):
            with self.subTest(path):
                server = self.start_bridge()
                client = self.client(server.port)
                client.ask(path + "?ms=2500")
                self.assertIn(named, server.wait_for("has stood still for")["message"])
                server.wait_for("goes on, after about 2")
                self.assertEqual(client.answer().status, 200)
                wait_until(lambda: server.metrics()["turns_late_total"] >= 1, 5, "the metric")
                server.terminate()
                self.assert_ends(server, 0)

    @unittest.skipIf(is_sanitized(), "the sanitizer has handlers of its own for it")
    def test_a_crash_on_a_thread_of_the_pool_is_told_as_any_other(self):
        server = self.start_bridge()
        client = self.client(server.port)
        client.ask("/crashes")
        self.assertEqual(server.process.wait(patience(10)), -signal.SIGSEGV)
        server.wait_for("SIGSEGV")
        self.assertEqual(server.audit()["requests_cut"], 1)

    def test_a_process_that_was_stopped_blames_nobody(self):
        server = self.start_bridge()
        server.signal(signal.SIGSTOP)
        time.sleep(2.5)
        server.signal(signal.SIGCONT)
        time.sleep(1.2)
        self.assertEqual(server.find("has stood still"), [])
        server.terminate()
        self.assert_ends(server, 0)


class Threads(BridgeTestCase):
    def test_callables_and_jobs_of_threads_all_run_on_their_worker(self):
        server = self.start_bridge()
        self.assertEqual(get(server.port, "/threads").body, b"200 100 0 0")
        self.assertEqual(server.metrics()["jobs_finished_total"], 101)
        server.terminate()
        self.assert_ends(server, 0)


class Descriptors(BridgeTestCase):
    def test_a_pipe_is_awaited_for_as_long_as_it_may_take(self):
        server = self.start_bridge()
        self.assertEqual(get(server.port, "/pipe?ms=100").body, b"writable readable")
        self.assertEqual(get(server.port, "/pipe?ms=900").body, b"writable late")
        self.assertEqual(get(server.port, "/").status, 200)
        server.terminate()
        self.assert_ends(server, 0)


class StartAndEnd(BridgeTestCase):
    def test_stop_drains_as_a_signal_does_and_once(self):
        server = self.start_bridge()
        self.assertEqual(get(server.port, "/port").body, str(server.port).encode())
        self.assertEqual(get(server.port, "/stop").body, b"stopped")
        self.assertEqual(self.assert_ends(server, 0)["signal"], "SIGTERM")
        self.assertEqual(len(server.find("stop() was called: draining")), 1)
        self.assertEqual(server.find("drain hook")[0]["n"], 7)

    def test_stop_from_what_runs_before_serving_is_heard_at_once(self):
        server = self.start_bridge(manner="stopped-at-start", serving=False)
        self.assertLess(self.assert_ends(server, 0)["draining_ms"], 500 * patience(1))

    def test_callables_that_post_themselves_again_keep_no_drain(self):
        server = self.start_bridge(manner="flooded")
        self.assertEqual(get(server.port, "/").status, 200)
        server.terminate()
        self.assertLess(self.assert_ends(server, 0)["closing_ms"], 3000 * patience(1))

    def test_stop_before_run_ends_it_at_once(self):
        server = self.start_bridge(manner="stopped-before", serving=False)
        self.assertEqual(server.wait(), 0)
        self.assertTrue(server.find("stop() was called before serving had begun"), server.story())

    def test_clients_wait_until_what_runs_before_serving_has_ended(self):
        server = self.start_bridge("--admin-listen", "127.0.0.1:0", manner="slow-start",
                                   serving=False)
        server.wait_for("listening on")
        server.port = server._port_in("listening on ")
        early = self.client(server.port)
        early.ask("/")
        self.assertEqual(get(server.admin_port, "/readyz").status, 503)
        self.assertEqual(get(server.admin_port, "/livez").status, 200)
        self.assertEqual(early.answer().body, b"started")
        wait_until(lambda: get(server.admin_port, "/readyz").status == 200, 5, "the other worker")
        server.terminate()
        self.assert_ends(server, 0)

    def test_1_what_fails_before_serving_ends_it_and_says_why(self):
        server = self.start_bridge(manner="failing-start", serving=False)
        server.wait_for("listening on")
        early = self.client(server._port_in("listening on "))
        early.ask("/")
        status = early.answer().status  # of the worker that fails, or of the other
        self.assertIn(status, (200, 503))
        self.assertEqual(server.wait(), 1)
        self.assertTrue(server.find("what was to run before serving failed: no database"),
                        server.story())

    def test_a_signal_meanwhile_waits_for_it(self):
        server = self.start_bridge(manner="slow-start", serving=False)
        server.wait_for("listening on")
        early = self.client(server._port_in("listening on "))
        early.ask("/")
        time.sleep(0.2)
        server.terminate()
        answer = early.answer()
        self.assertIn(answer.status, (200, 503))  # the door may close before, or behind it
        self.assertTrue(answer.closes)
        self.assert_ends(server, 0)


if __name__ == "__main__":
    unittest.main()
