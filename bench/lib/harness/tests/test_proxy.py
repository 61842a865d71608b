"""HAProxy's configuration and answers, and vegeta's results."""

import unittest
from pathlib import Path

from harness import haproxy, vegeta
from harness.replica import Slot


class Proxy(unittest.TestCase):
    def test_hides_nothing(self):
        text = haproxy.config(Path("/tmp/s"), 9000, {"old-1": Slot(9001), "new-1": Slot(9002)})
        for expected in (
            "retries 0",
            "no option redispatch",
            "option httpchk GET /readyz",
            "bind 127.0.0.1:9000",
            "server old-1 127.0.0.1:9001",
            "server new-1 127.0.0.1:9002",
        ):
            self.assertIn(expected, text)

    def test_asks_for_health_where_a_replica_has_it(self):
        other_port = {"old-1": Slot(9001, health_port=9002, health_path="/health")}
        text = haproxy.config(Path("/tmp/s"), 9000, other_port)
        self.assertIn("server old-1 127.0.0.1:9001 port 9002", text)
        self.assertIn("option httpchk GET /health", text)

    def test_of_one_without_a_health_path_a_connection_is_enough(self):
        text = haproxy.config(Path("/tmp/s"), 9000, {"old-1": Slot(9001, health_path="")})
        self.assertNotIn("httpchk", text)

    def test_servers_that_are_up_are_found_in_its_statistics(self):
        stats = (
            "# pxname,svname,status,\nload,FRONTEND,OPEN,\nreplicas,old-1,UP,\n"
            "replicas,old-2,UP 1/2,\nreplicas,new-1,DOWN,\nreplicas,BACKEND,UP,\n"
        )
        self.assertEqual(haproxy.servers_up(stats), {"old-1", "old-2"})

    def test_its_log_says_how_requests_were_lost(self):
        log = "lost SC 503 old-1\nServer replicas/old-1 is DOWN\nlost SC 503 old-1\nlost SH 502 x\n"
        self.assertEqual(haproxy.losses(log), {"SC": 2, "SH": 1})
        self.assertEqual(haproxy.losses("lost CR 400 <NOSRV>\n"), {})
        self.assertEqual(haproxy.ran_out(haproxy.losses("lost RC 503 old-1\n")), 1)
        self.assertIn("SC 2 (", haproxy.describe(haproxy.losses(log)))


class Vegeta(unittest.TestCase):
    def test_results_are_read_from_its_csv(self):
        lines = [
            "1700000000500000000,200,1500000,5,2,,aGk=,,0,POST,http://127.0.0.1:1/echo,"
            "WC1TZXJ2ZWQtQnk6IG9uZQ0KDQo=\n",
            '1700000000600000000,0,10,0,0,"Post ""x"": EOF",,,1,POST,http://127.0.0.1:1/,\n',
        ]
        good, bad = vegeta.parse(iter(lines))
        self.assertEqual((good.sent_at, good.latency), (1700000000.5, 0.0015))
        self.assertEqual((good.code, good.error, good.body), (200, "", b"hi"))
        self.assertEqual((bad.code, bad.error), (0, 'Post "x": EOF'))
        self.assertEqual((good.server, bad.server), ("one", ""))
