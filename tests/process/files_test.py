"""Files as answers, over real sockets: whole, in parts, in a drain, to clients of all kinds."""

import hashlib
import os
import pathlib
import resource
import socket
import tempfile
import threading
import time
import unittest

from harness import BUILD, TestCase, get, is_sanitized, patience, wait_until

BRIDGE = os.environ.get("LASTCALL_BRIDGE") or str(BUILD / "bridge")
MIB = 1 << 20


class FilesTest(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.large = os.urandom(MIB) * (8 if is_sanitized() else 64)
        (self.folder / "large").write_bytes(self.large)
        (self.folder / "small.txt").write_bytes(b"small")

    def serve(self, *options, **settings):
        return self.start(command=[BRIDGE, "plain", "--listen", "127.0.0.1:0", "--workers", "1",
                                   "--drain-window", "0s", "--log-format", "json",
                                   "--termination-log", "/dev/null/none", *options, "--",
                                   str(self.folder)], **settings)

    def download(self, server, path, lines="", pace=0, receive_buffer=None):
        """What is read to the end of the connection: head and content."""
        with socket.socket() as client:
            if receive_buffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            client.settimeout(patience(60))
            client.connect(("127.0.0.1", server.port))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n"
                           .encode())
            data = bytearray()
            while piece := client.recv(256 << 10):
                data += piece
                time.sleep(pace)
        head, _, content = bytes(data).partition(b"\r\n\r\n")
        return head, content

    def test_a_large_one_comes_whole_by_many_at_once(self):
        server = self.serve()
        wanted = hashlib.sha256(self.large).digest()
        got = []

        def read():
            got.append(hashlib.sha256(self.download(server, "/files/large")[1]).digest())

        threads = [threading.Thread(target=read) for _ in range(6)]
        for thread in threads:
            thread.start()
        self.assertEqual(get(server.port, "/files/small.txt").body, b"small")
        for thread in threads:
            thread.join()
        self.assertEqual(got, [wanted] * 6)
        server.terminate()
        self.assert_ends(server, 0)

    def test_a_part_of_it_and_what_is_known_already(self):
        server = self.serve()
        head, content = self.download(server, "/files/large", "Range: bytes=1000-400999\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 206 "))
        self.assertEqual(content, self.large[1000:401_000])
        tag = next(line for line in head.split(b"\r\n") if line.startswith(b"ETag: "))[6:]
        head, content = self.download(server, "/files/large", f"If-None-Match: {tag.decode()}\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 304 "))
        self.assertEqual(content, b"")
        self.assertEqual(get(server.port, "/files/../small.txt").status, 404)
        self.assertEqual(get(server.port, "/files/%2e%2e%2fetc%2fpasswd").status, 404)

    def test_a_drain_waits_for_who_reads_and_the_deadline_cuts_who_does_not(self):
        server = self.serve("--shutdown-timeout", "20s")
        answers = []
        reader = threading.Thread(target=lambda: answers.append(
            self.download(server, "/files/large", pace=0.005, receive_buffer=32 << 10)))
        reader.start()
        wait_until(lambda: server.metrics()["requests_in_flight"] >= 2, 5, "the download")
        server.terminate()
        reader.join()
        self.assertEqual(answers[0][1], self.large)
        self.assert_ends(server, 0, seconds=25)

        server = self.serve("--shutdown-timeout", "300ms")
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET /files/large HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: server.metrics()["requests_in_flight"] >= 2, 5, "the download")
            server.terminate()
            self.assertEqual(self.assert_ends(server, 3)["requests_cut"], 1)

    def test_many_that_do_not_read_cost_neither_memory_nor_time(self):
        server = self.serve()
        self.assertEqual(get(server.port, "/files/small.txt").status, 200)
        before = server.memory_bytes()
        clients = []
        for _ in range(100):
            client = socket.create_connection(("127.0.0.1", server.port))
            self.addCleanup(client.close)
            client.sendall(b"GET /files/large HTTP/1.1\r\nHost: a\r\n\r\n")
            clients.append(client)
        wait_until(lambda: server.metrics()["requests_in_flight"] >= 101, 10, "all downloads")
        time.sleep(0.5)
        spent = server.cpu_seconds()
        time.sleep(1)
        self.assertLess(server.cpu_seconds() - spent, 0.3 * patience(1))
        if not is_sanitized():
            self.assertLess(server.memory_bytes() - before, 4 * MIB)
        open_before = len(os.listdir(f"/proc/{server.pid}/fd"))
        for client in clients:
            client.close()
        wait_until(lambda: len(os.listdir(f"/proc/{server.pid}/fd")) <= open_before - 200, 10,
                   "files and sockets closed")

    def test_without_a_descriptor_it_is_503_and_later_served(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))

        server = self.serve(preexec=few)
        clients = []
        status = 200
        while status == 200 and len(clients) < 200:
            client = self.client(server.port)
            clients.append(client)
            client.socket.settimeout(patience(10))
            client.send(b"GET /files/large HTTP/1.1\r\nHost: a\r\n\r\n")
            status = int(client.socket.recv(12, socket.MSG_WAITALL)[9:12])
        self.assertEqual(status, 503)
        clients.pop().close()
        wait_until(lambda: server.metrics()["files_denied_total"] == 1, 10, "the metric")
        for client in clients:
            client.close()
        wait_until(lambda: get(server.port, "/files/small.txt").status == 200, 10, "an answer")


if __name__ == "__main__":
    unittest.main()
