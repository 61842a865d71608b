"""Turns are taken in both orders, and a row goes on without a peer that fails."""

import unittest
from dataclasses import dataclass

from harness.processes import HarnessError
from throughput.rounds import interleaved


class Child:
    def check_running(self) -> None:
        pass


@dataclass
class Server:
    name: str
    is_peer: bool = False
    child: Child = Child()


class Interleaving(unittest.TestCase):
    def setUp(self):
        self.order = []
        self.said = []

    def run_with(self, servers: list[Server], failing: str = "", rounds: int = 2) -> dict:
        def take(server: Server) -> int:
            self.order.append(server.name)
            if server.name == failing:
                raise HarnessError("it broke")
            return len(self.order)

        return interleaved(servers, rounds, take, lambda *_: None, self.said.append)

    def test_nobody_always_comes_after_the_same_one(self):
        self.run_with([Server("a"), Server("b")])
        self.assertEqual(self.order, ["a", "b", "b", "a"])

    def test_a_peer_that_fails_is_left_out_and_that_is_said(self):
        turns = self.run_with([Server("a"), Server("b", is_peer=True)], failing="b")
        self.assertEqual(turns, {"a": [1, 3]})
        self.assertEqual(self.said, ["without b: it broke"])

    def test_a_server_of_ours_must_not_fail(self):
        with self.assertRaises(HarnessError):
            self.run_with([Server("a")], failing="a")
