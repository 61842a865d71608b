"""A service on the public face: patterns, hooks, and what a handler can ask, over real sockets."""

import os
import socket
import unittest

from harness import BUILD, TestCase

SERVICE = os.environ.get("LASTCALL_SERVICE") or str(BUILD / "service")


class RoutesTest(TestCase):
    def start_service(self, trusted="", listen="127.0.0.1:0"):
        return self.start(command=[SERVICE, listen, trusted, "5000"])

    def setUp(self):
        self.server = self.start_service()
        self.connection = self.client(self.server.port)

    def get(self, path, fields=""):
        return self.connection.get(path, fields=fields)

    def test_a_path_is_captured_and_decoded(self):
        self.assertEqual(self.get("/users/a%20b").body, b"hello a b")
        self.assertEqual(self.get("/users/%zz").status, 400)
        self.assertEqual(self.get("/users/%zz").body, b'{"status":400}')

    def test_hooks_have_a_word_in_every_answer(self):
        for path, status in (("/users/1", 200), ("/nowhere", 404), ("/api/orders/1", 401)):
            answer = self.get(path, fields="X-Request-Id: r7\r\n")
            self.assertEqual((answer.status, answer.fields["x-request-id"]), (status, "r7"))
        self.assertEqual(self.get("/nowhere").body, b"nothing at /nowhere")

    def test_a_hook_that_waits_lets_in_whom_it_knows(self):
        self.assertEqual(self.get("/api/orders/7").body, b"who?\n")
        allowed = self.get("/api/orders/7", fields="Authorization: Bearer x\r\n")
        self.assertEqual((allowed.status, allowed.body), (200, b"order 7"))

    def test_a_method_of_its_own_is_routed_and_others_are_not(self):
        self.connection.ask("/cache/a/b", method="PURGE")
        self.assertEqual(self.connection.answer().body, b"purged a/b")
        self.connection.ask("/users/1", method="PURGE")
        answer = self.connection.answer()
        self.assertEqual((answer.status, answer.fields["allow"]), (405, "GET, HEAD, OPTIONS"))
        self.connection.ask("/cache/a", method="FROB")
        self.assertEqual(self.connection.answer().status, 501)

    def test_a_cookie_and_a_redirect(self):
        answer = self.get("/login?as=me")
        self.assertEqual(answer.status, 302)
        self.assertEqual(answer.fields["location"], "/")
        self.assertEqual(answer.fields["set-cookie"], "session=me; Path=/; HttpOnly")
        # A value that no cookie can hold is the handler's mistake, not a field of its own.
        self.assertEqual(self.get("/login?as=a%0d%0aSet-Cookie:%20b").status, 500)

    def test_a_half_closed_connection_is_seen_and_answered(self):
        self.connection.ask("/half")
        self.connection.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(self.connection.answer().body, b"half-closed")

    def test_forwarded_addresses_are_those_of_trusted_proxies_only(self):
        told = "X-Forwarded-For: 6.6.6.6, 198.51.100.7\r\n"
        self.assertEqual(self.get("/who", fields=told).body, b"127.0.0.1 127.0.0.1")
        for listen in ("127.0.0.1:0", "[::]:0"):  # the second sees IPv4 as mapped addresses
            trusting = self.start_service(trusted="127.0.0.0/8", listen=listen)
            answer = self.client(trusting.port).get("/who", fields=told)
            self.assertEqual(answer.body, b"127.0.0.1 198.51.100.7")

    def test_a_network_that_is_none_is_refused(self):
        server = self.start(command=[SERVICE, "127.0.0.1:0", "10.0.0.0/33", "5000"], serving=False)
        self.assertEqual(server.wait(), 2)
        server.find("--trusted-proxies: 10.0.0.0/33 is no network such as 10.0.0.0/8")

    def test_a_handler_that_waits_is_drained_with_its_hooks(self):
        self.connection.ask("/api/orders/9", fields="Authorization: x\r\nX-Request-Id: last\r\n")
        self.server.terminate()
        answer = self.connection.answer()
        self.assertEqual((answer.body, answer.fields["x-request-id"]), (b"order 9", "last"))
        self.assert_ends(self.server, 0)


if __name__ == "__main__":
    unittest.main()
