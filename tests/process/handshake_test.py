"""Handshakes that are half-way when the listener ends: the clients believe to be connected.

A network namespace of our own, in which nft drops what the clients send after their SYN: the
SYN-ACK arrives, so that each client is connected, but the server waits for the last ACK.
"""

import ctypes
import os
import pathlib
import selectors
import shutil
import socket
import subprocess
import time
import unittest

from harness import (CLONE_NEWNET, LIBC, TestCase, enter_new_network, may, parse_answer,
                     patience)

CLIENTS = 32
NFT = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin")
SYN_RECV = "03"
DROP_ACKS = """
table ip half_way {{
  chain input {{
    type filter hook input priority 0;
    tcp dport {port} tcp flags & (syn | ack) == ack drop
  }}
}}
"""


def missing():
    if not may("CAP_SYS_ADMIN") or not may("CAP_NET_ADMIN"):
        return "a network namespace with rules of its own needs CAP_SYS_ADMIN and CAP_NET_ADMIN"
    if NFT is None:
        return "there is no nft (package nftables)"
    return None


@unittest.skipIf(missing(), missing())
class HalfWayHandshakes(TestCase):
    def setUp(self):
        # This thread's namespace, and what it starts; the namespace ends with its last process.
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.addCleanup(os.close, outside)
        if not enter_new_network():
            self.skipTest(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        self.addCleanup(LIBC.setns, outside, CLONE_NEWNET)

    def drop_acks(self, port):
        rule = subprocess.run([NFT, "-f", "-"], input=DROP_ACKS.format(port=port), text=True,
                              capture_output=True)
        if rule.returncode != 0:
            self.skipTest(f"this kernel takes no nft rules: {rule.stderr}")

    def let_acks_through(self):
        subprocess.run([NFT, "flush", "ruleset"], check=True)

    def connect_half_way(self, port, count=CLIENTS):
        clients = []
        for number in range(count):
            client = socket.socket()
            self.addCleanup(client.close)
            client.settimeout(patience(5))
            client.connect(("127.0.0.1", port))  # done when the SYN-ACK has come
            client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n"
                        b"%02d" % number)
            client.setblocking(False)
            clients.append(client)
        return clients

    def assert_half_way(self, port, count):
        rows = pathlib.Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
        half_way = sum(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == SYN_RECV
                       for row in rows)
        self.assertEqual(half_way, count, "the rule drops the last ACK of each handshake")

    def served(self, clients, seconds):
        """How many got the answer to their own request; the rest were reset or heard nothing."""
        end = time.monotonic() + patience(seconds)
        count = 0
        with selectors.DefaultSelector() as selector:
            for number, client in enumerate(clients):
                selector.register(client, selectors.EVENT_READ, b"%02d" % number)
            while selector.get_map() and time.monotonic() < end:
                for key, _ in selector.select(end - time.monotonic()):
                    try:
                        parsed = parse_answer(key.fileobj.recv(4096))
                    except OSError:
                        parsed = None
                    count += parsed is not None and parsed[0].body == key.data
                    selector.unregister(key.fileobj)
        for client in clients:
            client.close()
        return count

    def check_all_served(self, workers):
        server = self.start("--workers", workers, "--drain-window", "0s", "--shutdown-timeout",
                            "15s")
        self.drop_acks(server.port)
        clients = self.connect_half_way(server.port)
        self.assert_half_way(server.port, CLIENTS)
        server.terminate()
        server.wait_for("closing: no new connection")
        self.let_acks_through()
        self.assertEqual(self.served(clients, 15), CLIENTS, server.story())
        audit = self.assert_ends(server, 0, 20)
        self.assertEqual(audit["accepted_after_unlisten"] + audit["accepted_in_sweep"], CLIENTS)
        self.assertEqual(audit["requests_answered"], CLIENTS)

    def test_32_clients_whose_handshake_is_half_way_at_un_listen_are_all_served(self):
        self.check_all_served(workers=1)

    def test_the_same_with_two_listeners_in_the_group(self):
        self.check_all_served(workers=2)

    def test_the_same_clients_are_lost_when_the_server_ends_at_once(self):
        server = self.start("--hard")
        self.drop_acks(server.port)
        clients = self.connect_half_way(server.port)
        self.assert_half_way(server.port, CLIENTS)
        server.terminate()
        self.assertEqual(server.wait(), 143)
        self.let_acks_through()
        self.assertEqual(self.served(clients, 10), 0)

    def test_100_handshakes_that_never_end_stretch_no_drain_and_change_no_exit_code(self):
        server = self.start("--drain-window", "0s", "--shutdown-timeout", "15s")
        self.drop_acks(server.port)
        self.connect_half_way(server.port, 100)
        self.assert_half_way(server.port, 100)
        server.terminate()
        audit = self.assert_ends(server, 0, 5)
        self.assertEqual(audit["handshakes_abandoned"], 100)
        self.assertGreaterEqual(audit["settling_ms"], 3200)

    def test_with_syn_cookies_the_listener_stays_until_their_clients_have_come(self):
        # Each handshake by a cookie, which leaves no trace here.
        pathlib.Path("/proc/sys/net/ipv4/tcp_syncookies").write_text("2")
        server = self.start("--drain-window", "0s", "--shutdown-timeout", "15s")
        self.drop_acks(server.port)
        clients = self.connect_half_way(server.port)
        self.assert_half_way(server.port, 0)
        server.terminate()
        server.wait_for("SYN cookies are being sent, or an accept queue overflows")
        self.let_acks_through()
        self.assertEqual(self.served(clients, 15), CLIENTS, server.story())
        audit = self.assert_ends(server, 0, 20)
        self.assertEqual(audit["requests_answered"], CLIENTS)

    def test_with_syn_cookies_to_the_end_the_audit_says_so(self):
        pathlib.Path("/proc/sys/net/ipv4/tcp_syncookies").write_text("2")
        server = self.start("--drain-window", "500ms", "--shutdown-timeout", "4s")
        server.terminate()
        # Who is half-way at the very end, which only the cookie knows, is reset: that is what the
        # audit says may be.
        with self.assertRaises((ConnectionRefusedError, ConnectionResetError)):
            for _ in range(400):
                with socket.create_connection(("127.0.0.1", server.port), patience(5)):
                    time.sleep(0.02)
        audit = self.assert_ends(server, 0, 20)
        self.assertGreater(audit["syn_cookies"], 20)
        self.assertGreaterEqual(audit["draining_ms"], 2000)
        self.assertIn("the listener goes though there may be clients that nothing shows",
                      server.story())


if __name__ == "__main__":
    unittest.main()
