"""The command lines of the servers that are rolled."""

import unittest
from pathlib import Path

from harness.servers import Binaries, Timing, command
from rollout.servers import SERVERS

BINARIES = Binaries(Path("lastcall"), Path("peer"), Path("vegeta"))


class Servers(unittest.TestCase):
    def test_lastcall_gets_its_drain_and_the_control_its_flag(self):
        drain = command(SERVERS["drain"], BINARIES, 9001, Timing(2.5))
        self.assertEqual(drain[drain.index("--drain-window") + 1], "2500ms")
        self.assertNotIn("--hard", drain)
        self.assertIn("--hard", command(SERVERS["hard"], BINARIES, 9001, Timing(2.5)))

    def test_the_grace_period_holds_the_window_and_the_shutdown(self):
        self.assertEqual(Timing(5).grace, 30)
        self.assertGreater(Timing(60, 15).grace, 60 + 15 + 3)
