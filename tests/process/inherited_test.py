"""What a process finds when it begins: descriptors, ignored signals, orphans, a port still held."""

import errno
import fcntl
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from counting import CountingTestCase, file_value
from harness import (BINARY, TestCase, clean_environment, die_with_parent, free_port, get,
                     is_sanitized, may, patience, rounds, wait_until)
from seccomp_test import ACTIONS, LIBSECCOMP, Comparison, number_of

EQUAL = 4  # SCMP_CMP_EQ


def denying(error, *calls):
    """A preexec function. Each of `calls`: a system call, and what its first argument must be."""
    made = LIBSECCOMP.seccomp_init(ACTIONS["SCMP_ACT_ALLOW"])
    for name, *first in calls:
        compared = (Comparison * 1)(*(Comparison(0, EQUAL, value, 0) for value in first))
        denied = ACTIONS["SCMP_ACT_ERRNO"] | error
        if LIBSECCOMP.seccomp_rule_add_array(made, denied, number_of(name), len(first),
                                             compared) != 0:
            raise OSError("no rule")
    return lambda: LIBSECCOMP.seccomp_load(made) and os._exit(98)


def without_ipv6():
    """As a kernel that was booted with ipv6.disable=1."""
    return denying(errno.EAFNOSUPPORT, ("socket", socket.AF_INET6))


def without_threads():
    """As where the limit of processes (ulimit -u, pids.max) is reached."""
    return denying(errno.EAGAIN, ("clone3",), ("clone",))


class Descriptors(CountingTestCase):
    def test_with_stderr_closed_the_log_goes_into_no_file_of_ours(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "counter"
            port = free_port()
            process = subprocess.Popen(
                [BINARY, "--listen", f"127.0.0.1:{port}", "--counter", f"file:{file}",
                 "--job-delay", "1ms", "--drain-window", "0s", "--workers", "1"],
                preexec_fn=lambda: (die_with_parent(), [os.close(fd) for fd in range(3)]),
                env=clean_environment())
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            wait_until(lambda: answers(port), 10, "it serves")
            for fd in range(3):
                self.assertEqual(os.readlink(f"/proc/{process.pid}/fd/{fd}"), "/dev/null")
            for _ in range(3):
                self.assertEqual(get(port, "/incr").status, 200)
            process.terminate()
            self.assertEqual(process.wait(patience(15)), 0)
            self.assertEqual(file_value(file), 3)

    def test_those_that_are_open_already_are_not_for_clients(self):
        first = """
import os, resource, sys
for _ in range(100):
    os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
os.execv(sys.argv[1], sys.argv[1:])
"""
        ended = subprocess.run([sys.executable, "-c", first, BINARY, "--listen", "127.0.0.1:0",
                                "--workers", "1"], env=clean_environment(), stderr=subprocess.PIPE,
                               text=True, timeout=patience(20), check=False)
        self.assertEqual(ended.returncode, 2)
        self.assertRegex(ended.stderr, "RLIMIT_NOFILE is 200: .* 10[0-9] of them are open already")

    def test_a_stderr_that_was_made_non_blocking_is_waited_for(self):
        clients = 400
        read_end, write_end = os.pipe()
        fcntl.fcntl(write_end, fcntl.F_SETFL, os.O_NONBLOCK)
        fcntl.fcntl(read_end, fcntl.F_SETPIPE_SZ, 4096)
        port = free_port()
        server = self.start("--drain-window", "0s", "--shutdown-timeout", "300ms", "--workers", "1",
                            serving=False, stderr=write_end, listen=f"127.0.0.1:{port}")
        os.close(write_end)
        text = bytearray()

        def read():
            while data := os.read(read_end, 4096):
                text.extend(data)
                time.sleep(0.001)  # a collector with other things to do

        thread = threading.Thread(target=read)
        thread.start()
        self.addCleanup(os.close, read_end)
        self.addCleanup(thread.join)
        wait_until(lambda: answers(port), 10, "it serves")
        for number in range(clients):
            self.client(port).ask(f"/slow?ms=30000&{'x' * 60}{number}")
        wait_until(lambda: get(port, "/metrics").body.count(b"requests_in_flight 401"), 5,
                   "all are in flight")
        server.terminate()
        self.assertEqual(server.wait(), 3)
        thread.join(patience(5))
        self.assertEqual(text.count(b"cut: GET /slow"), 100)
        self.assertIn(f"cut: {clients - 100} more requests of {clients - 100} clients: GET /slow: "
                      f"{clients - 100}".encode(), text)
        self.assertIn(b"audit: ", text)


def answers(port):
    try:
        return get(port, "/").status == 200
    except OSError:
        return False


class Signals(TestCase):
    def test_one_that_was_ignored_stays_ignored(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            with self.subTest(signal.Signals(number).name):
                server = self.start("--drain-window", "0s",
                                    preexec=lambda number=number: signal.signal(number,
                                                                                signal.SIG_IGN))
                server.signal(number)
                server.signal(number)
                time.sleep(0.3)
                self.assertEqual(get(server.port, "/readyz").status, 200)
                server.terminate()
                self.assertEqual(self.assert_ends(server, 0)["signal"], "SIGTERM")

    def test_sigterm_is_heard_whatever_was_said_of_it(self):
        server = self.start("--drain-window", "0s",
                            preexec=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN))
        server.terminate()
        self.assert_ends(server, 0)

    def test_somebody_elses_sigalrm_does_nothing(self):
        server = self.start("--drain-window", "300ms")
        server.signal(signal.SIGALRM)
        self.assertEqual(get(server.port, "/readyz").status, 200)
        server.terminate()
        server.signal(signal.SIGALRM)
        self.assert_ends(server, 0)


@unittest.skipUnless(may("CAP_SYS_ADMIN"), "a PID namespace needs CAP_SYS_ADMIN")
class Orphans(TestCase):
    def test_as_pid_1_it_leaves_no_zombies(self):
        # Half of the children have ended before the server is executed, half end while it serves.
        orphans = 20
        first = f"""
import os, sys, time
for i in range({orphans}):
    if os.fork() == 0:
        time.sleep(i % 2 * {patience(1)})
        os._exit(0)
time.sleep(0.3)
os.execv(sys.argv[1], sys.argv[1:])
"""
        server = self.start(command=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                                     "--propagation", "unchanged",
                                     sys.executable, "-c", first, BINARY,
                                     "--listen", "127.0.0.1:0",
                                     "--log-format", "json", "--drain-window", "0s",
                                     "--termination-log", "/dev/null/none"])
        children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children")
        (first,) = children.read_text().split()
        own = pathlib.Path(f"/proc/{first}/task/{first}/children")
        wait_until(lambda: own.read_text() == "", 5, "no child of PID 1 is left, dead or alive")
        os.kill(int(first), signal.SIGTERM)
        self.assertEqual(server.wait(), 0)


class Ports(TestCase):
    def test_one_that_a_killed_process_still_holds_is_waited_for(self):
        address = f"127.0.0.1:{free_port()}"
        for _ in range(rounds(10)):
            server = self.start(listen=address)
            clients = [self.client(server.port) for _ in range(300)]
            for client in clients[::2]:
                client.ask("/slow?ms=20000")
            server.process.kill()
            server.process.wait()
            again = self.start(listen=address)
            self.assertEqual(get(again.port, "/").status, 200)
            again.process.kill()
            again.process.wait()
            for client in clients:
                client.close()

    def test_of_many_that_wait_for_one_a_single_one_gets_it(self):
        for _ in range(rounds(3)):
            with socket.create_server(("127.0.0.1", 0)) as other:
                address = f"127.0.0.1:{other.getsockname()[1]}"
                servers = [self.start("--workers", "1", listen=address, serving=False)
                           for _ in range(10)]
                for server in servers:
                    server.wait_for("is in use")
            served = []
            for server in servers:
                wait_until(lambda server=server: server.find("serving")
                           or server.process.poll() is not None, 10, "it serves, or has ended")
                served += [server] if server.process.poll() is None else []
            self.assertEqual(len(served), 1)
            for server in servers:
                server.process.kill()
                server.process.wait()

    def test_sigterm_while_it_waits_for_a_port_ends_it_at_once(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            server = self.start(listen=f"127.0.0.1:{other.getsockname()[1]}", serving=False)
            server.wait_for("is in use")
            at = server.terminate()
            self.assertEqual(server.wait(), 0)
            self.assertLess(server.ended_at - at, patience(1))

    @unittest.skipIf(LIBSECCOMP is None or is_sanitized(), "no libseccomp, or a sanitizer")
    def test_without_ipv6_both_addresses_fall_back_to_ipv4(self):
        server = self.start("--admin-listen", "[::]:0", "--drain-window", "0s", listen="[::]:0",
                            preexec=without_ipv6())
        self.assertEqual(get(server.port, "/").status, 200)
        self.assertEqual(get(server.admin_port, "/readyz").status, 200)
        self.assertEqual(len(server.find("IPv6 is off here")), 2)


class Shares(TestCase):
    def test_there_are_not_more_workers_than_connections(self):
        server = self.start("--workers", "4", "--max-connections", "2")
        self.assertTrue(server.find("2 workers, not 4"))
        self.assertEqual(server.metrics()["workers"], 2)


@unittest.skipIf(LIBSECCOMP is None or is_sanitized(), "no libseccomp, or a sanitizer")
class NoThreads(TestCase):
    def test_without_one_to_watch_the_signal_it_does_not_start(self):
        server = self.start("--workers", "1", serving=False, preexec=without_threads())
        self.assertEqual(server.wait(), 1, server.story())
        self.assertTrue(server.find("no thread to watch the signal"), server.story())


class Patience(TestCase):
    def test_who_was_told_no_grace_period_says_how_long_it_may_take(self):
        default = self.start()
        self.assertTrue(default.find("it may take 25s: allow it 28s"))
        for options in (["--grace-period", "45s"], ["--drain-window", "2s",
                                                    "--shutdown-timeout", "5s"]):
            self.assertFalse(self.start(*options).find("it may take"), options)


if __name__ == "__main__":
    unittest.main()
