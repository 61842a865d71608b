"""What the harness starts is gone when the harness is, however it ends."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from harness.network import ephemeral_range, free_ports
from harness.processes import Children, HarnessError

LIB = Path(__file__).resolve().parents[2]
# Starts a child that has a child of its own, says both ids, and waits.
PARENT = """
import pathlib, sys, time
from harness.processes import Children, Interrupted, end_on_signals
end_on_signals()
try:
    with Children(pathlib.Path(sys.argv[1])) as children:
        shell = ["sh", "-c", "sleep 60 & echo $! >ids; wait"]
        child = children.start("shell", shell, cwd=sys.argv[1])
        print(child.process.pid, flush=True)
        time.sleep(60)
except Interrupted as interrupted:
    sys.exit(interrupted.exit_code)
"""


def is_gone(process_id: int, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":  # dead; whoever adopted it has not yet looked
            return True
        time.sleep(0.01)
    return False


class Ending(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def start_parent(self) -> tuple[subprocess.Popen, int, int]:
        argv = [sys.executable, "-B", "-c", PARENT, str(self.folder)]
        parent = subprocess.Popen(argv, cwd=LIB, stdout=subprocess.PIPE, text=True)
        self.addCleanup(parent.stdout.close)
        self.addCleanup(parent.wait)
        self.addCleanup(parent.kill)
        child = int(parent.stdout.readline())
        ids = self.folder / "ids"
        while not ids.exists() or not ids.read_text().endswith("\n"):
            time.sleep(0.01)
        return parent, child, int(ids.read_text())

    def test_a_signal_to_the_harness_ends_children_and_their_children(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number.name):
                (self.folder / "ids").unlink(missing_ok=True)
                parent, child, grandchild = self.start_parent()
                parent.send_signal(number)
                self.assertEqual(parent.wait(10), 128 + number)
                self.assertTrue(is_gone(child) and is_gone(grandchild))

    def test_the_kernel_ends_children_when_the_harness_is_killed(self):
        parent, child, grandchild = self.start_parent()
        parent.kill()
        self.assertTrue(is_gone(child))
        os.kill(grandchild, signal.SIGKILL)  # out of the kernel's reach, so out of the promise

    def test_a_child_that_ends_early_is_told_with_its_last_words(self):
        with Children(self.folder) as children:
            child = children.start("server", ["sh", "-c", "echo no port >&2; exit 1"])
            child.wait(5)
            with self.assertRaisesRegex(HarnessError, "server ended early, exit code 1: no port"):
                child.check_running()

    def test_a_program_that_is_not_there_is_one_line(self):
        refusal = self.assertRaisesRegex(HarnessError, "cannot start /no/such/program")
        with Children(self.folder) as children, refusal:
            children.start("nothing", ["/no/such/program"])


class Ports(unittest.TestCase):
    def test_are_distinct_and_outside_of_the_ephemeral_range(self):
        low, high = ephemeral_range()
        ports = free_ports(8)
        self.assertEqual(len(set(ports)), 8)
        self.assertTrue(all(port < low or port > high for port in ports))
