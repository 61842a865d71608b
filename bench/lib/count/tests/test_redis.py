"""The harness' own Redis: what it keeps, and what it does to whoever is connected."""

import shutil
import signal
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from count import redis
from count.redis import Connection, Redis
from harness.network import free_ports
from harness.processes import Children


class Protocol(unittest.TestCase):
    def test_a_command_is_an_array_of_words(self):
        self.assertEqual(redis.encode(("GET", "k")), b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")


@unittest.skipUnless(shutil.which("redis-server"), "redis-server is not installed")
class Server(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        children = Children(Path(folder.name))
        self.addCleanup(children.__exit__)
        self.redis = Redis(children, Path(folder.name), free_ports(1)[0])
        self.redis.wait_until_answering()

    def connect(self) -> Connection:
        connection = Connection(self.redis.port, 5)
        self.addCleanup(connection.__exit__)
        return connection

    def test_keeps_what_it_said_it_counted_through_sigkill(self):
        self.assertEqual(self.redis.counted(), 0)
        self.assertEqual(self.connect().ask("INCR", redis.KEY), "1")
        self.redis.signal(signal.SIGKILL)
        while not self.redis.is_gone():
            time.sleep(0.01)
        self.assertIsNone(self.redis.sample())
        self.redis.start()
        self.redis.wait_until_answering()
        self.assertEqual((self.redis.sample(), self.redis.counted()), (1, 1))

    def test_refusals_are_errors_and_nothing_is_none(self):
        with self.assertRaisesRegex(redis.Refusal, "unknown command"):
            self.connect().ask("NONSENSE")
        self.assertIsNone(self.connect().ask("GET", "nothing"))

    def test_a_cut_before_the_reading_loses_the_command(self):
        self.assertEqual(self.counted_through(self.redis.cut_unread), 0)

    def test_a_cut_before_the_answer_loses_only_the_answer(self):
        self.assertEqual(self.counted_through(self.redis.cut_unanswered), 1)

    def counted_through(self, cut) -> int:
        """What is counted of a command that is sent while Redis sleeps, and never answered."""
        client = self.connect()
        client.ask("PING")
        send = Connection.send

        def send_after_stall(connection: Connection, *commands: tuple[str, ...]) -> None:
            send(connection, *commands)
            if redis.STALL in commands:
                time.sleep(0.05)
                send(client, ("INCR", redis.KEY))

        with mock.patch.object(Connection, "send", send_after_stall):
            cut()
        with self.assertRaises(OSError):
            client.answer()
        return self.redis.counted()
