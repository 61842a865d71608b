"""Every line of the exit-code table, by the binary itself."""

import ctypes
import errno
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import time
import unittest

from harness import (BINARY, LIBC, TestCase, clean_environment, get, is_refused, patience,
                     wait_until)

# linux/filter.h, linux/seccomp.h, linux/prctl.h
BPF_LD_W_ABS, BPF_JEQ, BPF_RET = 0x20, 0x15, 0x06
SECCOMP_ALLOW, SECCOMP_ERRNO = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
IO_URING_SETUP = 425  # the same on every architecture


class FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def deny_io_uring(error, number=IO_URING_SETUP):
    """A preexec function: that call fails with `error`, as a container's profile has it."""
    instructions = [(BPF_LD_W_ABS, 0, 0, 0),  # seccomp_data.nr
                    (BPF_JEQ, 0, 1, number),
                    (BPF_RET, 0, 0, SECCOMP_ERRNO | error),
                    (BPF_RET, 0, 0, SECCOMP_ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in instructions))
    program = FilterProgram(len(instructions), ctypes.addressof(code))

    def install():
        if LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            os._exit(99)
        if LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), code) != 0:
            os._exit(98)
    return install


class Refusals(TestCase):
    def assert_refused(self, code, words, *options, listen="127.0.0.1:0", preexec=None,
                       environment=None, lines=1):
        """It ends with `code` and exactly as many lines; all of `words` stand in the last one."""
        ended = subprocess.run(
            [BINARY, *(["--listen", listen] if listen else []), *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, preexec_fn=preexec,
            env=clean_environment(**(environment or {})), timeout=patience(20))
        self.assertEqual(ended.returncode, code, ended.stderr)
        self.assertEqual(ended.stdout, "")
        said = ended.stderr.splitlines()
        self.assertEqual(len(said), lines, ended.stderr)
        for word in words:
            self.assertIn(word, said[-1])


class CouldNotStart(Refusals):
    def test_1_no_timer_for_the_watchdog(self):
        self.assert_refused(1, ["watchdog", "RLIMIT_SIGPENDING", "ulimit -i"],
                            preexec=lambda: resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0)))

    def test_1_a_port_that_another_program_listens_on(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"127.0.0.1:{other.getsockname()[1]}"
            self.assert_refused(1, [address, "another process listens there"],
                                listen=address, lines=2)

    def test_1_a_port_that_another_lastcall_listens_on(self):
        # SO_REUSEPORT would let it join the other's group, and take half of its clients.
        other = self.start()
        address = f"127.0.0.1:{other.port}"
        self.assert_refused(1, [address, "another process listens there"],
                                listen=address, lines=2)
        self.assertEqual(get(other.port, "/").status, 200)

    def test_1_an_admin_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"127.0.0.1:{other.getsockname()[1]}"
            # The main listener has been opened, and said so, before.
            ended = subprocess.run([BINARY, "--listen", "127.0.0.1:0", "--admin-listen", address],
                                   capture_output=True, text=True, timeout=patience(20),
                                   env=clean_environment())
            self.assertEqual(ended.returncode, 1, ended.stderr)
            self.assertIn(f"cannot listen on {address}", ended.stderr.splitlines()[-1])

    def test_1_an_address_that_is_not_this_machines(self):
        self.assert_refused(1, ["192.0.2.1", "does not have that address"],
                            listen="192.0.2.1:8080")

    def test_1_io_uring_asked_for_by_name_and_denied(self):
        for error in (errno.EPERM, errno.ENOSYS):
            with self.subTest(errno.errorcode[error]):
                self.assert_refused(1, ["io_uring", "seccomp", "kernel.io_uring_disabled",
                                        os.strerror(error)],
                                    "--io", "io_uring", "--workers", "2",
                                    preexec=deny_io_uring(error))


class BadOptions(Refusals):
    def test_2_an_option_that_does_not_exist(self):
        self.assert_refused(2, ["--drain-windows"], "--drain-windows", "5s")
        self.assert_refused(2, ["surprise"], "surprise")
        self.assert_refused(2, ["--work"], "--work", "2")  # no abbreviations

    def test_2_what_is_given_twice_or_not_to_the_end(self):
        self.assert_refused(2, ["--workers", "twice"], "--workers", "1", "--workers", "1")
        self.assert_refused(2, ["--workers", "needs a value: N"], "--workers")
        self.assert_refused(2, ["--hard", "true|1|false|0"], "--hard=perhaps")
        self.assert_refused(2, ["--upstream is missing"], "--", "sleep")

    def test_2_values_that_are_not_what_is_wanted(self):
        for option, value, wanted in (("--drain-window", "5 parsecs", "a duration such as"),
                                      ("--drain-window", "5", "a duration such as"),
                                      ("--idle-timeout", "-1s", "a duration such as"),
                                      ("--max-body-bytes", "1MB", "a size such as"),
                                      ("--max-header-bytes", "12", "must be from 4096"),
                                      ("--header-timeout", "0s", "must be from 1ms"),
                                      ("--workers", "0", "at least 1"),
                                      ("--workers", "many", "whole number"),
                                      ("--max-connections", "-5", "whole number"),
                                      ("--io", "kqueue", "auto|io_uring|epoll"),
                                      ("--log-format", "yaml", "text|json"),
                                      ("--log-level", "loud", "info")):
            with self.subTest(option=option, value=value):
                self.assert_refused(2, [option, wanted], f"{option}={value}")

    def test_2_an_address_that_cannot_be_read(self):
        for address, why in (("nonsense", "ADDRESS:PORT"), ("localhost:80", "literal"),
                             ("127.0.0.1:70000", "from 0 to 65535"), ("[::1:80", "")):
            with self.subTest(address):
                self.assert_refused(2, ["--listen", address, why], listen=address)

    def test_2_a_budget_that_does_not_fit_names_its_numbers_and_what_to_change(self):
        self.assert_refused(2, ["--pre-stop 5s", "--drain-window 10s", "--shutdown-timeout 15s",
                                "3s of margin", "= 33s", "--grace-period 30s",
                                "terminationGracePeriodSeconds"], "--pre-stop", "5s")

    def test_2_a_value_from_the_environment_is_judged_the_same(self):
        self.assert_refused(2, ["LASTCALL_DRAIN_WINDOW", "'soon'", "a duration such as"],
                            environment={"LASTCALL_DRAIN_WINDOW": "soon"})
        self.assert_refused(2, ["--listen", "elsewhere"], listen=None,
                            environment={"LASTCALL_LISTEN": "elsewhere"})

    def test_2_with_log_format_json_it_is_told_as_json(self):
        for options, environment in ((["--log-format", "json"], {}), (["--log-format=json"], {}),
                                     ([], {"LASTCALL_LOG_FORMAT": "json"})):
            for wrong in (["--workers", "0"], ["--bogus"], ["--max-body-bytes", "1MB"]):
                with self.subTest([*options, *wrong]):
                    ended = subprocess.run([BINARY, *wrong, *options], capture_output=True,
                                           text=True, timeout=patience(20),
                                           env=clean_environment() | environment)
                    self.assertEqual(ended.returncode, 2)
                    self.assertIn(wrong[0], json.loads(ended.stderr)["message"])

    def test_2_though_nobody_can_be_told(self):
        with open("/dev/full", "w") as full:
            for wrong in (["--workers", "0"], ["--bogus"]):
                ended = subprocess.run([BINARY, *wrong], stderr=full, timeout=patience(20))
                self.assertEqual(ended.returncode, 2)

    def test_an_argument_wins_over_the_environment(self):
        server = self.start("--drain-window", "0s",
                            environment={"LASTCALL_DRAIN_WINDOW": "soon",
                                         "LASTCALL_WORKERS": "1"})
        self.assertTrue(server.find(", drain window 0s"), server.story())
        server.terminate()
        self.assert_ends(server, 0)

    def test_2_fewer_descriptors_than_it_needs(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        self.assert_refused(2, ["RLIMIT_NOFILE"], preexec=few)

    def test_2_more_connections_than_descriptors(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
        self.assert_refused(2, ["--max-connections", "RLIMIT_NOFILE"], "--max-connections", "300",
                            preexec=few)

    def test_0_help_and_version(self):
        for option, text in (("--help", "--drain-window"), ("--version", "lastcall ")):
            ended = subprocess.run([BINARY, option], capture_output=True, text=True,
                                   timeout=patience(20))
            self.assertEqual((ended.returncode, ended.stderr), (0, ""))
            self.assertIn(text, ended.stdout)


class Finished(TestCase):
    def test_0_each_of_the_four_signals_drains(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            with self.subTest(number.name):
                server = self.start("--drain-window", "200ms")
                slow = self.client(server.port)
                slow.ask("/slow?ms=400")
                self.assertEqual(get(server.port, "/").status, 200)
                server.signal(number)
                server.wait_for(f"{number.name}: draining")
                self.assertEqual(get(server.port, "/").status, 200, "the window is open")
                self.assertEqual(slow.answer().status, 200)
                slow.close()
                audit = self.assert_ends(server, 0)
                self.assertEqual(audit["signal"], number.name)
                self.assertEqual(audit["requests_answered"], 3)

    def test_0_a_signal_that_lands_before_it_serves(self):
        # It is pending, and blocked, when the program begins: exec keeps both.
        def pending():
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            os.kill(os.getpid(), signal.SIGTERM)
        started = time.monotonic()
        server = self.start("--drain-window", "5s", serving=False, preexec=pending)
        self.assert_ends(server, 0, audited=False)
        self.assertTrue(server.find("before serving had begun"), server.story())
        self.assertFalse(server.find("listening on"), server.story())
        self.assertLess(server.ended_at - started, patience(2), "no window: nobody had come")

    def test_0_signals_that_are_not_for_us_change_nothing(self):
        server = self.start("--drain-window", "0s")
        for number in (signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2):
            server.signal(number)
        self.assertEqual(get(server.port, "/").status, 200)
        server.terminate()
        self.assert_ends(server, 0)


class Cut(TestCase):
    def test_3_the_deadline_cuts_a_request_and_names_it(self):
        server = self.start("--drain-window", "0s", "--shutdown-timeout", "500ms")
        client = self.client(server.port)
        client.ask("/slow?ms=60000")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        signaled_at = server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertGreater(server.ended_at - signaled_at, 0.45)
        self.assertEqual(audit["requests_cut"], 1)
        cuts = server.find("cut: ")
        self.assertEqual(len(cuts), 1, server.story())
        self.assertIn(f"GET /slow?ms=60000 from {client.name}", cuts[0]["message"])

    def start_slow(self):
        server = self.start("--drain-window", "300ms", "--shutdown-timeout", "20s")
        client = self.client(server.port)
        client.ask("/slow?ms=60000")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        return server

    def test_4_a_second_interrupt_makes_the_deadline_now(self):
        for first, second in ((signal.SIGINT, signal.SIGINT), (signal.SIGQUIT, signal.SIGQUIT),
                              (signal.SIGINT, signal.SIGQUIT)):
            with self.subTest(first=first.name, second=second.name):
                server = self.start_slow()
                server.signal(first)
                server.wait_for(f"{first.name}: draining")
                forced_at = server.signal(second)
                audit = self.assert_ends(server, 4)
                self.assertLess(server.ended_at - forced_at, patience(2))
                self.assertEqual(audit["requests_cut"], 1)
                self.assertIn("/slow?ms=60000", server.find("cut: ")[0]["message"])

    def test_4_two_interrupts_after_a_sigterm(self):
        server = self.start_slow()
        server.terminate()
        server.wait_for("SIGTERM: draining")
        server.signal(signal.SIGINT)
        server.wait_for("once more ends the process now")
        server.signal(signal.SIGINT)
        self.assert_ends(server, 4)

    def test_0_a_second_interrupt_that_cuts_nothing(self):
        server = self.start("--drain-window", "20s", "--grace-period", "60s")
        server.signal(signal.SIGINT)
        server.wait_for("SIGINT: draining")
        forced_at = server.signal(signal.SIGINT)
        self.assert_ends(server, 0)
        self.assertLess(server.ended_at - forced_at, patience(2))

    def test_repeated_sigterm_and_one_interrupt_after_it_change_nothing(self):
        server = self.start("--drain-window", "1s", "--shutdown-timeout", "10s")
        client = self.client(server.port)
        client.ask("/slow?ms=2000")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        signaled_at = server.terminate()
        server.wait_for("SIGTERM: draining")
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            before = len(server.find("while draining"))
            server.signal(number)
            wait_until(lambda: len(server.find("while draining")) > before, 5,
                       f"a line for {number.name}")
        self.assertEqual(get(server.port, "/").status, 200, "the window is open still")
        wait_until(lambda: is_refused(server.port), 5, "un-listen")
        self.assertGreater(time.monotonic() - signaled_at, 0.99)
        self.assertEqual(client.answer().status, 200)
        client.close()
        audit = self.assert_ends(server, 0)
        self.assertEqual(audit["signal"], "SIGTERM")
        self.assertEqual(audit["requests_cut"], 0)

    def test_143_the_control_ends_at_once(self):
        server = self.start("--hard")
        client = self.client(server.port)
        client.ask("/slow?ms=60000")
        wait_until(lambda: server.metrics()["requests_in_flight"] == 2, 5, "the slow request")
        signaled_at = server.terminate()
        self.assert_ends(server, 143, audited=False)
        self.assertLess(server.ended_at - signaled_at, patience(1))
        with self.assertRaises(ConnectionError):
            client.answer()


if __name__ == "__main__":
    unittest.main()
