"""Two workers, two SO_REUSEPORT listeners, one drain: what thread sanitizer runs too."""

import random
import signal
import unittest

from harness import TestCase, first_seed, get, rounds, wait_until
from load import KINDS, Load, judge, run_round


class TwoWorkerTest(TestCase):
    def test_a_drain_under_load_loses_nothing(self):
        seed = first_seed()
        for number in range(rounds(20)):
            done = run_round(seed + number, workers=2)
            if done.problems:
                self.fail("\n".join(done.problems))

    def test_both_workers_serve_and_both_are_waited_for(self):
        server = self.start("--workers", "2", "--drain-window", "200ms")
        clients = [self.client(server.port) for _ in range(40)]
        for number, client in enumerate(clients):
            client.ask(f"/slow?ms={300 + 10 * number}")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 41, 5, "40 slow requests")
        server.terminate()
        for client in clients:
            answer = client.answer()
            self.assertEqual((answer.status, answer.closes), (200, True))
            client.eof_at()
            client.close()
        audit = self.assert_ends(server, 0)
        self.assertEqual((audit["workers"], audit["requests_cut"]), (2, 0))
        self.assertGreaterEqual(audit["requests_answered"], 41)

    def test_signals_of_all_kinds_while_it_drains_under_load_lose_nothing(self):
        server = self.start("--workers", "2", "--drain-window", "200ms", "--shutdown-timeout",
                            "5s")
        rng = random.Random(first_seed())
        load = Load(server, KINDS * 3, rng, signal_after=0.2)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGINT,
                       signal.SIGUSR1):
            load.after(0.2 + rng.random() * 0.2, lambda n=number: server.signal(n))
        tally = load.run()
        code = server.wait()
        # SIGHUP or SIGINT may be first: whichever it is, it drains.
        tally.signaled_at = 0
        self.assertEqual(judge(tally, server.audit(), code), [], server.story())

    def test_a_deadline_cuts_both_workers_requests(self):
        server = self.start("--workers", "2", "--drain-window", "0s", "--shutdown-timeout",
                            "400ms")
        clients = [self.client(server.port) for _ in range(40)]
        for client in clients:
            client.ask("/slow?ms=60000")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 41, 5, "40 slow requests")
        server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertEqual(audit["requests_cut"], 40)
        self.assertEqual(len(server.find("cut: ")), 40)

    def test_probes_ask_across_the_workers_while_they_drain(self):
        server = self.start("--workers", "2", "--drain-window", "300ms", "--serving-lead", "100ms",
                            "--admin-listen", "127.0.0.1:0")
        slow = self.client(server.port)
        slow.ask("/slow?ms=800")
        server.terminate()
        server.wait_for("SIGTERM: draining")
        while not server.find("closing: "):
            for port in (server.port, server.admin_port):
                try:
                    self.assertEqual(get(port, "/livez").status, 200)
                    self.assertEqual(get(port, "/readyz").status, 503)
                    self.assertIn(b"lastcall_draining 1", get(port, "/metrics").body)
                except ConnectionRefusedError:  # un-listened just before its line came
                    self.assertEqual(port, server.port)
        self.assertEqual(slow.answer().status, 200)
        slow.close()
        self.assert_ends(server, 0)


if __name__ == "__main__":
    unittest.main()
