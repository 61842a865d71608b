"""The program under k8s/seccomp/lastcall.json, loaded before exec as a container's runtime does."""

import ctypes
import errno
import json
import os
import signal
import socket
import unittest

from counting import file_value
from exit_codes_test import Refusals
from harness import (BINARY, ENGINE, HERE, LIBC, Server, free_port, full_pipe, get,
                     is_sanitized, may, patience, wait_until)
from redis_server import NameServer, RedisTestCase, asks_name_server_here
from stuck_test import StuckTestCase

PROFILES = HERE.parent.parent / "k8s" / "seccomp"
# What the servers serve by decides: the one without io_uring has to do for epoll.
PROFILE = PROFILES / ("lastcall-epoll.json" if ENGINE.get("LASTCALL_IO") == "epoll"
                      else "lastcall.json")
IO_URING = ("io_uring_setup", "io_uring_enter", "io_uring_register")
DENIED_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000,
                     0x40000000)  # CLONE_NEWNS and the others of clone(2)
MUST_BE_ZERO = ("requests_undelivered", "requests_cut", "requests_rejected", "partial_cut",
                "queue_lost", "handshakes_abandoned", "late_bytes", "lost_after_fin",
                "forced_closes", "jobs_failed", "jobs_unfinished", "operations_outstanding",
                "log_dropped")

# seccomp.h
ACTIONS = {"SCMP_ACT_ALLOW": 0x7FFF0000, "SCMP_ACT_ERRNO": 0x00050000}
COMPARISONS = {"SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4,
               "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6, "SCMP_CMP_MASKED_EQ": 7}
UNKNOWN = -1  # __NR_SCMP_ERROR; a number below it: known, on another architecture


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int),
                ("value", ctypes.c_uint64), ("value_two", ctypes.c_uint64)]


def find_libseccomp():
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison)]
    return library


LIBSECCOMP = find_libseccomp()


def number_of(name):
    return LIBSECCOMP.seccomp_syscall_resolve_name(name.encode())


def action_of(name, error):
    return ACTIONS[name] | (error if name == "SCMP_ACT_ERRNO" else 0)


def filter_of(profile, less):
    """libseccomp's filter, as runc makes it of a profile; the system calls in `less` left out."""
    default = action_of(profile["defaultAction"], profile.get("defaultErrnoRet", errno.EPERM))
    made = LIBSECCOMP.seccomp_init(default)
    if made is None:
        raise OSError("seccomp_init failed")
    for group in profile["syscalls"]:
        action = action_of(group["action"], group.get("errnoRet", errno.EPERM))
        wanted = [Comparison(arg["index"], COMPARISONS[arg["op"]], arg["value"],
                             arg.get("valueTwo", 0)) for arg in group.get("args", [])]
        array = (Comparison * len(wanted))(*wanted)
        for name in group["names"]:
            number = number_of(name)
            if name in less or number < 0 or action == default:
                continue
            failed = LIBSECCOMP.seccomp_rule_add_array(made, action, number, len(wanted), array)
            if failed:
                raise OSError(-failed, os.strerror(-failed), f"the profile's rule for {name}")
    return made


def under_profile(less=(), before=None):
    """A preexec function: the rest of the child's life is under the profile."""
    made = filter_of(json.loads(PROFILE.read_text()), less)

    def preexec():
        if before is not None:
            before()
        failed = LIBSECCOMP.seccomp_load(made)
        if failed:
            os.write(2, f"seccomp_load: {os.strerror(-failed)}\n".encode())
            os._exit(98)
    return preexec


class ConfinedTestCase(RedisTestCase, StuckTestCase):
    """Every server that it starts is under the profile, or under it `less` some system calls."""

    less = ()

    def setUp(self):
        if is_sanitized():
            self.skipTest("sanitizers make system calls of their own")
        if LIBSECCOMP is None:
            self.skipTest("no libseccomp.so.2 here: ./setup installs it")

    def start(self, *options, preexec=None, **settings):
        return super().start(*options, preexec=under_profile(self.less, preexec), **settings)


class Profile(ConfinedTestCase):
    def test_each_name_in_it_is_that_of_a_system_call(self):
        names = [name for group in json.loads(PROFILE.read_text())["syscalls"]
                 for name in group["names"]]
        self.assertEqual([name for name in names if number_of(name) == UNKNOWN], [])

    def test_the_one_for_epoll_is_the_other_without_io_uring(self):
        whole, less = (json.loads((PROFILES / name).read_text())
                       for name in ("lastcall.json", "lastcall-epoll.json"))
        for group in whole["syscalls"]:
            group["names"] = [name for name in group["names"] if name not in IO_URING]
        self.assertEqual(less, whole)

    def test_it_allows_no_namespaces_and_no_sockets_but_those_it_needs(self):
        def error_of(name, *arguments):
            """The errno of a system call under the profile; 0 when it succeeds."""
            child = os.fork()
            if child == 0:
                under_profile()()
                result = LIBC.syscall(number_of(name), *map(ctypes.c_ulong, arguments))
                os._exit(ctypes.get_errno() if result < 0 else 0)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

        for namespace in DENIED_NAMESPACES:
            self.assertEqual(error_of("clone", namespace | signal.SIGCHLD, 0, 0, 0, 0),
                             errno.EPERM, hex(namespace))
        self.assertEqual(error_of("clone3", 0, 0), errno.ENOSYS, "the C library then uses clone")
        self.assertEqual(error_of("unshare", 0), errno.EPERM)
        for family, kind, protocol, error in (
                (socket.AF_INET, socket.SOCK_STREAM, 0, 0),
                (socket.AF_NETLINK, socket.SOCK_DGRAM, 4, 0),  # NETLINK_SOCK_DIAG
                (socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE, errno.EPERM),
                (socket.AF_UNIX, socket.SOCK_STREAM, 0, errno.EPERM),
                (socket.AF_ALG, socket.SOCK_SEQPACKET, 0, errno.EPERM),
                (socket.AF_VSOCK, socket.SOCK_STREAM, 0, errno.EPERM)):
            self.assertEqual(error_of("socket", family, kind, protocol), error, family)


class WholeLife(ConfinedTestCase):
    def test_from_the_start_to_an_exit_with_0_nothing_is_lost(self):
        log = self.folder() / "termination-log"
        log.write_text("")
        server = self.start(
            command=[BINARY, "--listen", "[::]:0", "--admin-listen", "127.0.0.1:0", "--workers",
                     "2", "--drain-window", "300ms", "--job-delay", "400ms", "--log-format",
                     "json", "--termination-log", str(log)])
        self.assertGreaterEqual(len(server.thread_names()), 4, "2 workers, the log's, the watch")
        self.assertEqual(get(server.admin_port, "/livez").status, 200)
        self.assertEqual(get(server.port, "/").body, b"hello world")
        slow = self.client(server.port)
        slow.ask("/slow?ms=600")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        self.incr(server.port)
        server.terminate()
        self.assertEqual(slow.answer().status, 200)
        slow.close()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["listener_close"], "un-listen")
        self.assertEqual(audit["jobs_started"], 1)
        self.assertEqual({name: audit[name] for name in MUST_BE_ZERO},
                         dict.fromkeys(MUST_BE_ZERO, 0))
        self.assertEqual(json.loads(log.read_text())["exit"], 0)

    def test_a_stderr_that_nobody_reads_delays_its_end_and_nothing_else(self):
        port = free_port()
        server = self.start(
            command=[BINARY, "--listen", f"127.0.0.1:{port}", "--drain-window", "300ms",
                     "--shutdown-timeout", "2s", "--grace-period", "6s"], serving=False,
            stderr=full_pipe(self))
        server.port = port
        self.wait_until_it_answers(server)
        signaled_at = server.terminate()
        self.assertEqual(server.wait(), 0)
        self.assertLess(server.ended_at - signaled_at, patience(6))


class Counters(ConfinedTestCase):
    def assert_counts(self, server, read):
        self.incr(server.port, 5)
        wait_until(lambda: self.value(server.port) == 5, 5, "five more")
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(read(), 5)

    def test_in_a_file_that_is_made_first(self):
        path = self.folder() / "counter"
        self.assert_counts(self.start_counting(f"file:{path}", "--drain-window", "0s"),
                           lambda: file_value(path))

    def test_in_a_redis_on_localhost(self):
        redis = self.start_redis()
        self.assert_counts(self.start_on(f"redis://localhost:{redis.port}"), redis.value)

    @unittest.skipUnless(may("CAP_SYS_ADMIN"), "a resolv.conf of its own needs CAP_SYS_ADMIN")
    def test_in_a_redis_whose_name_a_name_server_knows(self):
        names = NameServer(["127.0.0.1"])
        self.addCleanup(names.stop)
        redis = self.start_redis()
        server = self.start_on(f"redis://redis.test:{redis.port}",
                               preexec=asks_name_server_here(self.folder(), LIBC))
        self.assert_counts(server, redis.value)
        self.assertGreater(names.asked, 0)


class StuckWorkerTestCase(ConfinedTestCase):
    def check(self, server):
        """The signal is read beside the loop that is stuck, and the watchdog ends the process."""
        self.block_one_worker(server)
        signaled_at = server.terminate()
        server.wait_for("the signal was read beside it", 3)
        self.assert_ends_in_time(server, signaled_at)
        self.assertTrue(server.find("ended by its watchdog"), server.story())


class StuckWorker(StuckWorkerTestCase):
    def test_the_signal_is_seen_and_the_watchdog_ends_it_with_3(self):
        self.check(self.start_stuck(1))


class SweepDenied(ConfinedTestCase):
    """accept4(2), which the ring does not need before the sweep."""

    less = ("accept4",)

    def setUp(self):
        super().setUp()
        if ENGINE.get("LASTCALL_IO") == "epoll":
            self.skipTest("epoll could not accept a single connection")

    def test_the_drain_ends_by_itself_and_what_is_in_flight_is_answered(self):
        server = self.start("--io", "io_uring", "--drain-window", "0s", "--shutdown-timeout", "10s")
        client = self.client(server.port)
        client.ask("/slow?ms=700")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        server.terminate()
        self.assertEqual(client.answer().status, 200)
        client.close()
        self.assert_ends(server, 0)
        self.assertTrue(server.find("cannot be accepted: Operation not permitted"), server.story())


class PlantedFault(StuckWorkerTestCase):
    """A profile that lacks what a stuck worker's end needs: the check of StuckWorker sees it."""

    def start(self, *options, preexec=None, **settings):
        server = Server(*options, preexec=under_profile(self.less, preexec), **settings)
        self.addCleanup(server.stop)  # without a look at what it complained of
        return server

    def test_a_call_that_the_profile_lacks_is_noticed(self):
        self.less = ("rt_sigtimedwait",)
        server = self.start_stuck(1)
        with self.assertRaisesRegex(AssertionError, "no line with 'the signal was read beside it'"):
            self.check(server)
        self.assertTrue(server.find("cannot be read beside a stuck loop"), server.story())


class TimersDenied(ConfinedTestCase, Refusals):
    def test_1_it_does_not_serve_without_a_watchdog(self):
        self.assert_refused(1, ["no timer for the watchdog"],
                            preexec=under_profile(("timer_settime",)))


class IoUringDenied(ConfinedTestCase, Refusals):
    less = IO_URING

    def test_1_asked_for_by_name_one_line_says_what_to_do(self):
        self.assert_refused(1, ["io_uring is denied here", "Allow io_uring_setup",
                                "the container's seccomp profile"],
                            "--io", "io_uring", "--workers", "2",
                            preexec=under_profile(self.less))

    def test_each_of_its_calls_may_be_denied_and_it_serves_all_the_same(self):
        for denied in (IO_URING, *((name,) for name in IO_URING)):
            with self.subTest(denied):
                self.less = denied
                server = self.start("--io", "auto", "--workers", "2", "--drain-window", "0s")
                self.assertEqual(get(server.port, "/").body, b"hello world")
                self.assertTrue(server.find("serving by epoll: io_uring is denied here"),
                                server.story())
                server.terminate()
                self.assertEqual(self.assert_ends(server, 0)["io"], "epoll")


if __name__ == "__main__":
    unittest.main()
