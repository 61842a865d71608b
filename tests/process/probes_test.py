"""What the probes say, on both listeners, from the first moment to the last."""

import signal
import socket
import time
import unittest

from harness import TestCase, get, is_refused, is_sanitized, patience, rounds, wait_until

LIVE = ("/livez", "/healthz", "/alive")
READY = ("/readyz", "/ready")


class Probes(TestCase):
    def statuses(self, port, paths):
        return {get(port, path).status for path in paths}

    def test_while_serving_all_of_them_say_yes(self):
        server = self.start("--drain-window", "0s", "--admin-listen", "127.0.0.1:0")
        for port in (server.port, server.admin_port):
            for path in (*LIVE, *READY, "/servingz"):
                answer = get(port, path)
                self.assertEqual((answer.status, answer.body), (200, b"OK"), path)
        server.terminate()
        self.assert_ends(server, 0)

    def test_readiness_ends_at_the_signal_serving_before_the_listener_liveness_never(self):
        server = self.start("--drain-window", "2s", "--serving-lead", "800ms",
                            "--admin-listen", "127.0.0.1:0")
        ports = (server.port, server.admin_port)
        # Something to wait for, so that there is time to ask while closing.
        slow = self.client(server.port)
        slow.ask("/slow?ms=4000")
        signaled_at = server.terminate()
        server.wait_for("SIGTERM: draining")
        for port in ports:
            answer = get(port, "/readyz")
            self.assertEqual((answer.status, answer.body), (503, b"Not Ready"))
            self.assertEqual(get(port, "/ready").status, 503)
        serving = {port: None for port in ports}  # the instant of the first 503
        while None in serving.values():
            self.assertLess(time.monotonic() - signaled_at, 2, "the lead is before the end")
            for port in ports:
                before = time.monotonic()
                status = get(port, "/servingz").status
                if status == 503 and serving[port] is None:
                    serving[port] = before
                elif status == 200:
                    self.assertIsNone(serving[port], "once no, always no")
                    self.assertLess(before - signaled_at, 1.2 + patience(0.3))
                self.assertEqual(self.statuses(port, LIVE), {200})
                self.assertEqual(self.statuses(port, READY), {503})
        for port in ports:
            # The instant lies before the question, the answer at or after window - lead.
            self.assertGreater(time.monotonic() - signaled_at, 1.19)
        wait_until(lambda: is_refused(server.port), 5, "un-listen")
        self.assertGreater(time.monotonic() - signaled_at, 1.99)
        # Closing: the admin listener alone still answers.
        for _ in range(10):
            self.assertEqual(self.statuses(server.admin_port, LIVE), {200})
            self.assertEqual(self.statuses(server.admin_port, (*READY, "/servingz")), {503})
        metrics = server.metrics(server.admin_port)
        self.assertEqual((metrics["requests_in_flight"], metrics["draining"]), (2, 1))
        self.assertEqual(slow.answer().status, 200, "which is after all of these probes")
        slow.close()
        audit = self.assert_ends(server, 0)
        self.assertTrue(is_refused(server.admin_port))
        self.assertEqual(audit["requests_cut"], 0)

    def test_readiness_says_draining_by_the_status_that_the_balancer_knows(self):
        server = self.start("--drain-window", "500ms", "--draining-status", "404",
                            "--admin-listen", "127.0.0.1:0")
        self.assertEqual(self.statuses(server.port, READY), {200})
        server.terminate()
        server.wait_for("SIGTERM: draining")
        for port in (server.port, server.admin_port):
            self.assertEqual(self.statuses(port, READY), {404})
            self.assertEqual(self.statuses(port, ("/servingz",)), {503})
        self.assert_ends(server, 0)

    @unittest.skipIf(is_sanitized(), "a sanitizer's threads take too long to wake")
    def test_after_the_process_was_stopped_no_worker_is_taken_for_stuck(self):
        server = self.start("--workers", "8", "--drain-window", "0s")
        for _ in range(rounds(2)):
            server.signal(signal.SIGSTOP)
            clients = [self.client(server.port, seconds=30) for _ in range(8)]
            for client in clients:
                client.ask("/livez")
            time.sleep(10.5)  # longer than a heartbeat may take
            server.signal(signal.SIGCONT)
            self.assertEqual({client.answer().status for client in clients}, {200})
        server.terminate()
        self.assert_ends(server, 0)

    def test_a_lead_longer_than_the_window_means_at_once(self):
        server = self.start("--drain-window", "1s", "--serving-lead", "5s")
        client = self.client(server.port)
        self.assertEqual(client.get("/servingz").status, 200)
        server.terminate()
        server.wait_for("SIGTERM: draining")
        self.assertEqual(client.get("/servingz").status, 503)
        client.close()
        self.assert_ends(server, 0)
        self.assertFalse(server.find("is longer than --drain-window"), "it is the default")

    def test_one_that_was_asked_for_is_warned_of(self):
        server = self.start("--drain-window", "3s", "--serving-lead", "6s")
        self.assertTrue(server.find("--serving-lead 6s is longer than --drain-window 3s"))
        server.terminate()
        line = server.wait_for("draining: waiting for 0 requests")  # one a second, so two or three
        self.assertRegex(line["message"], "; new ones are taken for [1-3]s more$")
        self.assert_ends(server, 0)


class AdminListener(TestCase):
    def test_it_has_the_health_paths_and_metrics_only(self):
        server = self.start("--drain-window", "0s", "--admin-listen", "127.0.0.1:0")
        for path in ("/", "/whoami", "/slow?ms=0", "/echo"):
            self.assertEqual(get(server.port, path).status, 200, path)
            self.assertEqual(get(server.admin_port, path).status, 404, path)
        for port in (server.port, server.admin_port):
            self.assertIn(b"lastcall_requests_answered_total", get(port, "/metrics").body)
        server.terminate()
        self.assert_ends(server, 0)

    def test_it_answers_when_the_service_is_full_and_its_connections_do_not_count(self):
        server = self.start("--drain-window", "0s", "--admin-listen", "127.0.0.1:0",
                            "--max-connections", "5", "--workers", "1")
        served = [self.client(server.port) for _ in range(5)]
        for client in served:
            self.assertEqual(client.get("/").status, 200)
        probes = [self.client(server.admin_port) for _ in range(20)]
        for probe in probes:
            self.assertEqual(probe.get("/livez").status, 200)
        metrics = server.metrics(server.admin_port)
        self.assertEqual(metrics["connections_open"], 5)
        self.assertEqual(metrics["connections_accepted_total"], 5)
        # Full: the sixth waits in the queue, and is served when one of the five has gone.
        sixth = self.client(server.port)
        sixth.ask("/")
        served[0].close()
        self.assertEqual(sixth.answer().status, 200)
        for client in (*served, *probes, sixth):
            client.close()
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["connections_accepted"], 6)

    def test_probes_with_keep_alive_do_not_hold_the_end_up_and_are_no_loss(self):
        server = self.start("--drain-window", "300ms", "--admin-listen", "127.0.0.1:0")
        probe = self.client(server.admin_port)
        self.assertEqual(probe.get("/livez").status, 200)
        signaled_at = server.terminate()
        server.wait_for("closing: ")
        audit = self.assert_ends(server, 0)
        self.assertLess(server.ended_at - signaled_at, 0.3 + patience(1.5))
        self.assertEqual(audit["lost_after_fin"], 0)

    def test_probes_are_counted_apart_whichever_listener_they_ask(self):
        server = self.start("--drain-window", "0s", "--admin-listen", "127.0.0.1:0")
        for path in (*LIVE, *READY, "/servingz"):
            get(server.port, path)
            get(server.admin_port, path)
        for path in ("/", "/whoami", "/no-such-path"):
            get(server.port, path)
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["probes_received"], 12)
        self.assertEqual(audit["requests_received"], 15)

    def test_the_last_arrival_is_of_a_connection_that_was_no_probe(self):
        server = self.start("--drain-window", "1s")
        signaled_at = server.terminate()
        server.wait_for("SIGTERM: draining")
        self.assertEqual(get(server.port, "/").status, 200)
        arrived_ms = (time.monotonic() - signaled_at) * 1000
        wait_until(lambda: time.monotonic() > signaled_at + 0.6, 5, "the second half")
        self.assertEqual(get(server.port, "/readyz").status, 503)
        audit = self.assert_ends(server, 0)
        self.assertLessEqual(audit["last_arrival_ms"], arrived_ms + 2)


class Signature(TestCase):
    def test_an_answer_names_its_host_when_asked_to_and_only_then(self):
        for options, expected in ((("--served-by",), socket.gethostname()), ((), None)):
            server = self.start("--drain-window", "0s", "--job-delay", "100ms", *options)
            for path in ("/", "/echo", "/whoami", "/slow?ms=0", "/incr", "/counter"):
                self.assertEqual(get(server.port, path).fields.get("x-served-by"), expected, path)
            server.terminate()
            self.assert_ends(server, 0, seconds=20)


if __name__ == "__main__":
    unittest.main()
