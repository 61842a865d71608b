"""What serves: io_uring where it can be had, else epoll; and what a ring that breaks leaves."""

import ctypes
import errno
import os
import resource
import signal
import unittest
from pathlib import Path

from exit_codes_test import IO_URING_SETUP, PR_SET_NO_NEW_PRIVS, Refusals, deny_io_uring
from harness import BINARY, LIBC, TestCase, get, is_sanitized, is_uring_denied
from seccomp_test import IO_URING, LIBSECCOMP, number_of

BAD_RING = Path(BINARY).parent / "libbad_ring.so"
PRELOADS = BAD_RING.exists() and not is_sanitized()
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000  # seccomp.h
REASON = "serving by epoll: "


class Choice(TestCase):
    def engine_of(self, server):
        """What it says at each of the places that say it, which agree."""
        listening = server.find("listening on ")[0]["message"]
        metrics = get(server.port, "/metrics").body.decode()
        server.terminate()
        said = self.assert_ends(server, 0)["io"]
        self.assertIn(f"workers by {said},", listening)
        self.assertIn(f'lastcall_io_info{{io="{said}"}} 1', metrics)
        return said

    def start_short(self, *options, **settings):
        return self.start("--drain-window", "0s", *options, **settings)

    def assert_falls_back(self, why, **settings):
        server = self.start_short("--io", "auto", "--workers", "2", **settings)
        self.assertEqual(get(server.port, "/").body, b"hello world")
        said = server.find(REASON)
        self.assertEqual(len(said), 1, server.story())
        self.assertIn(why, said[0]["message"])
        self.assertEqual(self.engine_of(server), "epoll")

    @unittest.skipIf(is_uring_denied(), "io_uring is denied here")
    def test_by_itself_io_uring_where_it_works(self):
        server = self.start_short("--io", "auto")
        self.assertEqual(server.find(REASON), [])
        self.assertEqual(self.engine_of(server), "io_uring")

    @unittest.skipIf(is_uring_denied(), "io_uring is denied here")
    def test_each_by_its_name(self):
        for name in ("io_uring", "epoll"):
            with self.subTest(name):
                self.assertEqual(self.engine_of(self.start_short("--io", name)), name)

    def test_an_argument_wins_over_the_environment(self):
        server = self.start_short("--io", "epoll", environment={"LASTCALL_IO": "io_uring"})
        self.assertEqual(self.engine_of(server), "epoll")

    def test_epoll_where_io_uring_is_denied_or_unknown(self):
        for error in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL, errno.ENOMEM,
                      errno.EMFILE):
            with self.subTest(errno.errorcode[error]):
                self.assert_falls_back("io_uring", preexec=deny_io_uring(error))

    def test_epoll_where_its_setup_is_allowed_and_its_use_is_not(self):
        for name, number in (("enter", IO_URING_SETUP + 1), ("register", IO_URING_SETUP + 2)):
            with self.subTest(name):
                self.assert_falls_back("io_uring", preexec=deny_io_uring(errno.EPERM, number))

    @unittest.skipUnless(PRELOADS, "nothing to preload, or a sanitizer that wants to be first")
    def test_epoll_for_all_where_only_some_workers_are_denied(self):
        self.assert_falls_back("io_uring is denied here",
                               environment={"LD_PRELOAD": str(BAD_RING), "BAD_RING_DENIED": "2"})


class Killed(Refusals):
    """A profile that kills for what it denies: nobody is left to say why."""

    def setUp(self):
        if LIBSECCOMP is None or is_sanitized():
            self.skipTest("no libseccomp.so.2 here, or a sanitizer")
        made = LIBSECCOMP.seccomp_init(ALLOW)
        for name in IO_URING:
            LIBSECCOMP.seccomp_rule_add_array(ctypes.c_void_p(made), KILL_PROCESS,
                                              number_of(name), 0, None)

        def kills():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            if LIBSECCOMP.seccomp_load(ctypes.c_void_p(made)) != 0:
                os._exit(98)
        self.kills = kills

    def test_it_cannot_be_survived(self):
        self.assert_refused(-signal.SIGSYS, [], "--io", "auto", preexec=self.kills, lines=0)

    def test_unless_epoll_is_asked_for(self):
        server = self.start("--io", "epoll", "--drain-window", "0s", preexec=self.kills)
        self.assertEqual(get(server.port, "/").body, b"hello world")
        server.terminate()
        self.assert_ends(server, 0)


@unittest.skipUnless(PRELOADS, "nothing to preload, or a sanitizer that wants to be first")
@unittest.skipIf(is_uring_denied(), "io_uring is denied here")
class Broken(TestCase):
    """Enters of the ring fail, from the 40th on: first those of the start, then of requests."""

    def start_breaking(self, error, times, *options):
        return self.start("--io", "io_uring", "--workers", "1", *options,
                          environment={"LD_PRELOAD": str(BAD_RING),
                                       "BAD_RING_BREAKS": f"40:{error}:{times}"})

    def ask_until_it_breaks(self, server):
        for _ in range(40):
            try:
                get(server.port, "/", seconds=1)
            except (OSError, AssertionError):
                return

    def test_3_what_it_was_doing_is_named_and_the_process_ends_in_time(self):
        for error in (errno.EBADR, errno.ENOMEM, errno.EINVAL):
            with self.subTest(errno.errorcode[error]):
                server = self.start_breaking(error, 10**9, "--drain-window", "200ms",
                                             "--shutdown-timeout", "500ms")
                client = self.client(server.port)
                client.ask("/slow?ms=60000")
                self.ask_until_it_breaks(server)
                told = server.wait_for("io_uring does not go on: ", 5)
                self.assertIn(os.strerror(error), told["message"])
                self.assertEqual(server.wait(), 3, server.story())
                self.assertTrue(server.find("cut: GET /slow?ms=60000"), server.story())

    def test_3_even_if_it_then_goes_on_and_nothing_is_lost(self):
        server = self.start_breaking(errno.EBADR, 1, "--drain-window", "500ms")
        client = self.client(server.port)
        client.ask("/slow?ms=1500")
        self.ask_until_it_breaks(server)
        self.assertEqual(client.answer().status, 200)
        client.close()
        audit = self.assert_ends(server, 3)
        self.assertEqual(audit["io_error"], "EBADR")
        self.assertNotIn("signal", audit)
        self.assertEqual(audit["requests_cut"], 0)

    def test_one_that_breaks_while_it_is_tried_is_none_that_can_be_had(self):
        for enter in range(1, 5):  # its proof has as many at least
            with self.subTest(enter):
                server = self.start("--io", "auto", "--workers", "1", "--drain-window", "0s",
                                    environment={"LD_PRELOAD": str(BAD_RING),
                                                 "BAD_RING_BREAKS": f"{enter}:{errno.EBADR}:1"})
                self.assertEqual(get(server.port, "/").body, b"hello world")
                self.assertEqual(len(server.find(REASON)), 1, server.story())
                server.terminate()
                self.assertEqual(self.assert_ends(server, 0)["io"], "epoll")

    def test_what_only_means_once_more_breaks_nothing(self):
        for error in (errno.EINTR, errno.EAGAIN, errno.EBUSY):
            with self.subTest(errno.errorcode[error]):
                server = self.start_breaking(error, 20, "--drain-window", "0s")
                for _ in range(40):
                    self.assertEqual(get(server.port, "/").status, 200)
                server.terminate()
                self.assertNotIn("io_error", self.assert_ends(server, 0))


if __name__ == "__main__":
    unittest.main()
