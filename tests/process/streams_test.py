"""Requests that are read as they come, and answers that go on, over real sockets and a SIGTERM."""

import os
import socket
import threading
import time
import unittest

from harness import BUILD, TestCase, is_sanitized, patience, wait_until

SERVICE = os.environ.get("LASTCALL_SERVICE") or str(BUILD / "service")
MIB = 1 << 20


def dechunk(data):
    """The content, and whether it is whole."""
    content = b""
    while True:
        line, separator, rest = data.partition(b"\r\n")
        if not separator:
            return content, False
        size = int(line, 16)
        if size == 0:
            return content, rest == b"\r\n"
        if len(rest) < size + 2:
            return content + rest[:size], False
        content += rest[:size]
        data = rest[size + 2:]


class Raw:
    """A socket on which an answer is read to its end, whatever that is."""

    def __init__(self, test, port, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(patience(20))
        self.socket.connect(("127.0.0.1", port))
        test.addCleanup(self.socket.close)
        self.reset = False

    def send(self, text):
        self.socket.sendall(text)

    def head(self):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.socket.recv(4096)
            if not piece:
                break
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def rest(self):
        data = b""
        try:
            while piece := self.socket.recv(65536):
                data += piece
        except ConnectionResetError:
            self.reset = True
        return data


class StreamsTest(TestCase):
    def start_service(self, timeout=20000):
        return self.start(command=[SERVICE, "127.0.0.1:0", "", str(timeout)])

    def upload_head(self, path, size, fields=""):
        return (f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n{fields}\r\n"
                .encode())

    def test_events_end_themselves_in_the_drain_and_are_whole(self):
        server = self.start_service()
        clients = [Raw(self, server.port) for _ in range(20)]
        begun = []
        for client in clients:
            client.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            head, rest = client.head()
            self.assertIn(b"Transfer-Encoding: chunked", head)
            begun.append(rest)
        server.terminate()
        for client, rest in zip(clients, begun):
            content, whole = dechunk(rest + client.rest())
            self.assertTrue(whole)
            self.assertTrue(content.startswith(b"data: 0\n\n"))
            self.assertTrue(content.endswith(b"data: bye\n\n"))
        self.assert_ends(server, 0)

    def test_what_the_deadline_cuts_nobody_takes_for_a_whole_answer(self):
        server = self.start_service(timeout=500)
        newer, older = Raw(self, server.port), Raw(self, server.port)
        newer.send(b"GET /download/99999999999 HTTP/1.1\r\nHost: a\r\n\r\n")
        older.send(b"GET /download/99999999999 HTTP/1.0\r\n\r\n")
        _, rest = newer.head()
        head, _ = older.head()
        self.assertNotIn(b"Transfer-Encoding", head)
        readers = [threading.Thread(target=older.rest)]
        readers[0].start()
        server.terminate()
        self.assertFalse(dechunk((rest + newer.rest())[-100000:].partition(b"\r\n")[2])[1])
        readers[0].join()
        self.assertTrue(older.reset, "a FIN would say that all has come")
        self.assert_ends(server, 3)
        server.find(" bytes into its answer")
        self.assertEqual(server.audit()["requests_cut"], 2)

    def test_a_handler_that_breaks_off_is_seen_by_its_client(self):
        server = self.start_service()
        newer, older = Raw(self, server.port), Raw(self, server.port)
        newer.send(b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n")
        _, rest = newer.head()
        self.assertEqual(dechunk(rest + newer.rest()), (b"half", False))
        older.send(b"GET /broken HTTP/1.0\r\n\r\n")
        older.head()
        older.rest()
        self.assertTrue(older.reset)
        self.assertEqual(server.metrics()["answers_broken_off_total"], 2)
        server.terminate()
        self.assert_ends(server, 0)

    def test_a_large_upload_is_never_whole_in_memory(self):
        server = self.start_service()
        client = Raw(self, server.port)
        size = (20 if is_sanitized() else 200) * MIB
        before = server.memory_bytes()
        piece = bytes(range(256)) * 4096
        client.send(self.upload_head("/upload", size))
        for _ in range(size // len(piece)):
            client.send(piece)
        _, rest = client.head()
        self.assertEqual(rest.split(), [str(size).encode(),
                                        str(sum(range(256)) * (size // 256)).encode()])
        if not is_sanitized():
            self.assertLess(server.memory_bytes() - before, 8 * MIB)

    def test_a_hundred_downloads_that_are_not_read_hold_little(self):
        server = self.start_service()
        before = server.metrics()["memory_bytes"]
        clients = [Raw(self, server.port, receive_buffer=4096) for _ in range(100)]
        for client in clients:
            client.send(b"GET /download/1000000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: server.metrics()["handlers_waiting"] == 100, 10, "all have begun")
        time.sleep(patience(1))
        held = server.metrics()["memory_bytes"] - before
        self.assertLess(held, 100 * 256 * 1024)
        for client in clients:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.socket.close()
        wait_until(lambda: server.metrics()["handlers_waiting"] == 0, 10, "their handlers end")
        server.terminate()
        self.assert_ends(server, 0)

    def test_a_handler_that_writes_faster_than_its_client_reads_loses_nothing(self):
        server = self.start_service()
        client = Raw(self, server.port, receive_buffer=4096)
        size = 3 * MIB
        client.send(f"GET /download/{size} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                    .encode())
        _, rest = client.head()
        data = rest
        while piece := client.socket.recv(3000):
            data += piece
            if len(data) < 200_000:
                time.sleep(0.002)
        content, whole = dechunk(data)
        self.assertEqual((len(content), whole), (size, True))

    def test_an_upload_under_way_at_the_signal_is_finished(self):
        server = self.start_service()
        clients = [Raw(self, server.port) for _ in range(20)]
        for client in clients:
            client.send(self.upload_head("/upload", 100) + b"x" * 50)
        wait_until(lambda: server.metrics()["handlers_waiting"] == 20, 10, "all have begun")
        server.terminate()
        server.wait_for("closing: no new connection")
        for client in clients:
            client.send(b"x" * 50)
            head, rest = client.head()
            self.assertIn(b"Connection: close", head)
            self.assertEqual(rest, f"100 {100 * ord('x')}".encode())
        self.assert_ends(server, 0)

    def test_an_upload_that_stops_is_cut_at_the_deadline_and_named(self):
        server = self.start_service(timeout=500)
        client = Raw(self, server.port)
        client.send(self.upload_head("/upload", 100) + b"x" * 50)
        wait_until(lambda: server.metrics()["handlers_waiting"] == 1, 10, "it has begun")
        server.terminate()
        self.assertEqual(client.rest(), b"")
        self.assert_ends(server, 3)
        server.find("cut: POST /upload from ")

    def test_half_an_upload_is_no_upload(self):
        server = self.start_service()
        client = Raw(self, server.port)
        client.send(self.upload_head("/upload", 100) + b"x" * 50)
        client.socket.shutdown(socket.SHUT_WR)
        head, _ = client.head()
        self.assertIn(b" 400 ", head)
        self.assertEqual(server.metrics()["bodies_incomplete_total"], 1)
        self.assertEqual(server.metrics()["handler_failed_total"], 0)

    def test_a_route_bounds_its_contents(self):
        server = self.start_service()
        client = Raw(self, server.port)
        client.send(self.upload_head("/bounded", 1001))
        self.assertIn(b" 413 ", client.head()[0])
        client = Raw(self, server.port)
        client.send(self.upload_head("/bounded", 1000) + b"x" * 1000)
        self.assertIn(b" 200 ", client.head()[0])

    def test_who_comes_to_a_place_that_was_left_at_once_is_served(self):
        server = self.start_service()
        for _ in range(100):
            client = Raw(self, server.port)
            client.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.socket.close()
        clients = [Raw(self, server.port) for _ in range(30)]
        for client in clients:
            client.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        for client in clients:
            self.assertIn(b"200 OK", client.head()[0])
        server.terminate()
        self.assert_ends(server, 0)

    def test_a_relay_is_full_duplex(self):
        server = self.start_service()
        client = Raw(self, server.port)
        client.send(b"POST /relay HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                    b"Expect: 100-continue\r\n\r\n")
        head, rest = client.head()
        self.assertIn(b"100 Continue", head)
        self.assertIn(b"200 OK", rest or client.head()[0])
        for text in (b"one", b"two"):
            client.send(b"3\r\n" + text + b"\r\n")
            self.assertEqual(client.socket.recv(100), b"3\r\n" + text + b"\r\n")
        client.send(b"0\r\n\r\n")
        self.assertEqual(client.socket.recv(100), b"0\r\n\r\n")


if __name__ == "__main__":
    unittest.main()
