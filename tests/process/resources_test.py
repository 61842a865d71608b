"""What serving costs besides its own threads: no kernel worker thread, no memory that grows."""

import pathlib
import resource
import unittest

from harness import Client, TestCase, is_sanitized, is_uring_denied, rounds, wait_until

BATCH = 50
IDLE = 8000  # connections
MORE_BYTES_MAX = 64  # of memory, that an idle connection may cost by epoll
HELLO = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


class Resources(TestCase):
    def serve(self, client, requests):
        """So many keep-alive requests, a batch at a time; every answer is looked at."""
        for _ in range(requests // BATCH):
            client.send(HELLO * BATCH)
            for _ in range(BATCH):
                self.assertEqual(client.answer().body, b"hello world")

    def test_100000_requests_start_no_kernel_worker_and_do_not_grow_the_memory(self):
        server = self.start("--workers", "1", "--drain-window", "0s")
        client = self.client(server.port)
        # Every receive buffer has been used once, and whatever is kept for reuse is there.
        self.serve(client, 20_000)
        memory = server.memory_bytes()
        threads = set(server.thread_names())
        requests = rounds(100_000) // BATCH * BATCH
        for _ in range(10):
            self.serve(client, requests // 10)
            threads |= set(server.thread_names())
        grown = server.memory_bytes() - memory
        self.assertLess(grown, 128 * 1024 if not is_sanitized() else 64 << 20)
        self.assertFalse([name for name in threads if name.startswith("iou-")], threads)
        client.close()
        server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertGreaterEqual(audit["requests_answered"], requests // 10 * 10)

    def test_bodies_slow_requests_and_ends_start_no_kernel_worker_either(self):
        server = self.start("--workers", "2", "--drain-window", "300ms")
        threads = set()
        body = b"x" * 300_000
        for number in range(rounds(100)):
            with Client(server.port) as client:
                client.ask("/echo", "POST", body)
                self.assertEqual(client.answer().body, body)
                client.ask("/slow?ms=5", fields="Connection: close\r\n" * (number % 2))
                self.assertEqual(client.answer().status, 200)
                threads |= set(server.thread_names())
        server.terminate()
        while server.is_alive():
            try:
                threads |= set(server.thread_names())
            except FileNotFoundError:  # it has ended in between
                break
        self.assertFalse([name for name in threads if name.startswith("iou-")], threads)
        self.assert_ends(server, 0)

    def test_connections_that_come_and_go_do_not_grow_the_memory_or_leak_descriptors(self):
        server = self.start("--workers", "1", "--drain-window", "0s")
        memory = 0
        for turn in range(2):
            for _ in range(rounds(2000)):
                with Client(server.port) as client:
                    client.ask("/echo", "POST", b"hello")
                    self.assertEqual(client.answer().body, b"hello")
            if turn == 0:
                memory = server.memory_bytes()
        if not is_sanitized():
            self.assertLess(server.memory_bytes() - memory, 512 * 1024)
        open_now = len(list(pathlib.Path(f"/proc/{server.pid}/fd").iterdir()))
        self.assertLess(open_now, 32)
        server.terminate()
        self.assert_ends(server, 0)

    def idle_connection_bytes(self, engine):
        """Of the server's memory, for each of many connections that had one answer."""
        server = self.start("--io", engine, "--workers", "1", "--drain-window", "0s")
        with Client(server.port) as client:
            client.get("/")
        before = server.memory_bytes()
        clients = []
        for _ in range(IDLE):  # one after the other: what many need at once is another matter
            clients.append(Client(server.port))
            self.assertEqual(clients[-1].get("/").status, 200)
        grown = server.memory_bytes() - before
        for client in clients:
            client.close()
        wait_until(lambda: server.metrics()["connections_open"] == 1, 10, "their ends")
        server.terminate()
        self.assert_ends(server, 0)
        return grown / IDLE

    def test_an_idle_connection_costs_about_the_same_by_epoll_and_by_io_uring(self):
        if is_sanitized() or is_uring_denied():
            self.skipTest("sanitizers' memory is not ours; or io_uring is denied here")
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most < IDLE + 200:
            self.skipTest(f"RLIMIT_NOFILE is {most} here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        ring, epoll = (self.idle_connection_bytes(engine) for engine in ("io_uring", "epoll"))
        self.assertLess(epoll, ring + MORE_BYTES_MAX)


if __name__ == "__main__":
    unittest.main()
