"""The first instants: who connects as soon as it listens is served, before `serving` too."""

import socket
import time
import unittest

from harness import TestCase, free_port, parse_answer, patience, rounds

REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"


def connect_as_soon_as_possible(port, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        client = socket.socket()
        if client.connect_ex(("127.0.0.1", port)) == 0 and client.getsockname()[1] != port:
            return client
        client.close()
    raise AssertionError("it does not listen")


class TheFirstInstants(TestCase):
    def start_on(self, port):
        return self.start("--drain-window", "0s", "--workers", "2",
                          listen=f"127.0.0.1:{port}", serving=False)

    def test_who_connects_the_moment_it_listens_is_answered(self):
        for _ in range(rounds(50)):
            port = free_port()
            server = self.start_on(port)
            with connect_as_soon_as_possible(port, patience(10)) as client:
                client.settimeout(patience(5))
                client.sendall(REQUEST)
                self.assertEqual(parse_answer(client.recv(4096))[0].status, 200)
            server.terminate()
            audit = self.assert_ends(server, 0)
            self.assertEqual(audit["requests_answered"], 1)

    def test_a_client_and_a_signal_in_the_first_instant_are_both_heard(self):
        for _ in range(rounds(50)):
            port = free_port()
            server = self.start_on(port)
            with connect_as_soon_as_possible(port, patience(10)) as client:
                server.terminate()
                client.settimeout(patience(5))
                client.sendall(REQUEST)
                self.assertEqual(parse_answer(client.recv(4096))[0].status, 200)
            self.assert_ends(server, 0)


if __name__ == "__main__":
    unittest.main()
