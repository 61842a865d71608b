"""What is made of turns: ratios to peers, what is added to latencies, and the goals."""

import unittest

from proxy import table
from proxy.latencies import Latencies
from proxy.proxies import EPOLL, HAPROXY, LASTCALL, NGINX, UPSTREAM
from throughput.cpus import Pair
from throughput.loads import LOADS
from throughput.rounds import Row, Turn


def turns(*cpu_us: float) -> list[Turn]:
    return [Turn(1_000_000, each * 0.4, each * 0.6, 2) for each in cpu_us]


def result(
    lastcall: list[float], nginx: list[float], added: float = 0.1, peers: float = 0.1
) -> table.Result:
    row = Row(LOADS[0], 40, {
        LASTCALL: turns(*lastcall),
        EPOLL: turns(*lastcall),
        HAPROXY: turns(*lastcall),
        NGINX: turns(*nginx),
    })
    p50 = {UPSTREAM: [0.1, 0.1, 0.1], LASTCALL: [0.2, 0.2, 0.2], NGINX: [0.3, 0.3, 0.3]}
    p99 = {
        UPSTREAM: [1.0, 1.0, 2.0],
        LASTCALL: [1 + added, 1 + added, 2.5],
        NGINX: [1 + peers, 1 + peers, 1],
    }
    return table.Result(Pair(0, 1, False), [row], Latencies(1000, 5, {50: p50, 99: p99}))


class Goals(unittest.TestCase):
    def test_are_met_below_nginx_and_beside_haproxy(self):
        self.assertEqual(table.failures(result([8, 9, 8], [10, 10, 10])), [])

    def test_the_median_of_the_rounds_ratios_counts(self):
        self.assertEqual(table.failures(result([8, 30, 8], [10, 10, 10])), [])
        (missed,) = table.failures(result([12, 8, 12], [10, 10, 10]))
        self.assertIn("1.20 of nginx's", missed)

    def test_a_tail_that_grows_is_told(self):
        (missed,) = table.failures(result([8, 8, 8], [10, 10, 10], added=0.3))
        self.assertIn("0.30 ms", missed)

    def test_where_it_grows_for_a_peer_as_well_the_machine_is_slow(self):
        self.assertEqual(table.failures(result([8], [10], added=0.5, peers=0.6)), [])


class Markdown(unittest.TestCase):
    def test_a_peer_a_column(self):
        text = table.compact(result([8, 8, 8], [10, 10, 10]))
        line = "| lastcall, 64 connections | 0.80 (0.80 – 0.80) | 1.00 (1.00 – 1.00) |"
        self.assertIn(line, text)
        self.assertIn("| to the p99 | 0.10 ms | 0.10 ms |", text)
