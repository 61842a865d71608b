"""Which servers a row has, what wrk is told to send, and what is read of its output."""

import unittest
from pathlib import Path

from harness.processes import HarnessError
from throughput import answers, loads, steady
from throughput.cpus import Pair
from throughput.fleet import Fleet
from throughput.peers import GO, HAPROXY, MINIHTTP, NAMES, NGINX, UWEBSOCKETS, Peers, source_folder
from throughput.servers import EPOLL, EPOLL_FLOOR, FLOOR, LASTCALL
from throughput.wrk import requests, script_of

from .results import load


def fleet(engine: str | None = None, peers: tuple[str, ...] = NAMES) -> Fleet:
    commands = {name: lambda port, folder: [name] for name in peers}
    return Fleet(Path("build"), Pair(0, 1, False), engine, Peers(commands, {}))


class Servers(unittest.TestCase):
    def peers_of(self, name: str) -> list[str]:
        return fleet().beside_peers(load(name).needs)

    def test_a_floor_stands_only_beside_the_hello_on_kept_connections(self):
        for each in loads.LOADS:
            if each.floors:
                self.assertEqual((each.target, each.posted, each.closes_each), ("/", 0, 0))

    def test_all_peers_say_hello(self):
        self.assertEqual(self.peers_of("keep-alive"), [LASTCALL, EPOLL, *NAMES])

    def test_who_cannot_echo_is_not_asked_to(self):
        for name in ("post-1m", "mixed"):
            self.assertNotIn(NGINX, self.peers_of(name))
            self.assertIn(UWEBSOCKETS, self.peers_of(name))

    def test_who_never_closes_has_no_row_of_closed_connections(self):
        self.assertNotIn(MINIHTTP, self.peers_of("one"))
        self.assertIn(HAPROXY, self.peers_of("one"))

    def test_who_is_not_there_is_in_no_row(self):
        needs = load("one").needs
        self.assertEqual(fleet(peers=(GO,)).beside_peers(needs), [LASTCALL, EPOLL, GO])

    def test_one_engine_alone_has_its_own_floor_and_all_peers(self):
        self.assertEqual(fleet("epoll").beside_floors(), [EPOLL_FLOOR, EPOLL])
        self.assertIn(FLOOR, fleet("io_uring").beside_floors())
        self.assertEqual(fleet("epoll").beside_peers(frozenset({loads.HELLO})), [EPOLL, *NAMES])

    def test_coroutines_stand_beside_plain_answers_alone(self):
        self.assertEqual(fleet(peers=NAMES).coroutines()[0], LASTCALL)
        self.assertFalse(loads.COROUTINES.of_sample)

    def test_the_sample_service_is_asked_for_the_hello_alone(self):
        samples = [each.name for each in loads.LOADS if each.of_sample]
        hellos = ["keep-alive", "many", "pipelined", "browsers", "idle", "ten", "one"]
        self.assertEqual(samples, hellos)


class Requests(unittest.TestCase):
    def test_each_row_has_a_name_of_its_own(self):
        self.assertEqual(len(set(loads.NAMES)), len(loads.NAMES))

    def test_have_as_many_bytes_as_wrk_sends(self):
        self.assertEqual(load("keep-alive").request_bytes(8080), 40)
        self.assertEqual(load("browsers").request_bytes(8080), 163)
        self.assertEqual(load("post-1k").request_bytes(8080), 67 + 1024)

    def test_each_load_has_the_script_that_it_needs(self):
        self.assertEqual(script_of(load("many")), "")
        self.assertEqual(script_of(load("one")), "")
        self.assertIn("for i = 1, 16 do", script_of(load("pipelined")))
        self.assertIn("count % 10 == 0", script_of(load("ten")))
        self.assertIn('string.rep("x", 65536)', script_of(load("post-64k")))
        self.assertIn("kube-probe", script_of(load("mixed")))

    def test_a_content_is_known_and_an_echo_is_what_was_sent(self):
        self.assertEqual(len(answers.expected(load("get-1m"), b"")), 1_000_000)
        self.assertEqual(answers.expected(load("post-1k"), b"abc"), b"abc")
        self.assertEqual(answers.expected(load("mixed"), b""), b"hello world")


class Outputs(unittest.TestCase):
    def test_of_wrk_are_the_requests_that_were_answered(self):
        self.assertEqual(requests("  241 requests in 1.00s, 2MB read\n", "a load"), 241)

    def test_of_wrk_with_errors_are_no_result(self):
        for line in ("  Socket errors: connect 0, read 1, write 0, timeout 0", "  Non-2xx: 3", ""):
            with self.assertRaises(HarnessError):
                requests(line, "a load")

    def test_of_steady_are_percentiles_in_microseconds(self):
        line = '{"sent": 3, "answered": 3, "p50": 50.5, "p99": 80.0, "p99.9": 90.0, "max": 91.0}'
        found = steady.latency(line, 0.25, "a load")
        self.assertEqual((found.p50, found.p999, found.cpu_seconds), (50.5, 90.0, 0.25))

    def test_of_steady_without_an_answer_are_no_result(self):
        line = '{"sent": 3, "answered": 2, "p50": 1, "p99": 1, "p99.9": 1, "max": 1}'
        with self.assertRaisesRegex(HarnessError, "1 requests not answered"):
            steady.latency(line, 0.25, "a load")

    def test_of_cargo_tell_where_a_source_lies(self):
        told = '{"packages": [{"name": "libuwebsockets-sys", "manifest_path": "/a/b/Cargo.toml"}]}'
        self.assertEqual(source_folder(told), Path("/a/b"))
        with self.assertRaises(HarnessError):
            source_folder('{"packages": []}')
