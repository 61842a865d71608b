"""`lastcall -- COMMAND`: the command's start, its end, its signals, and what it leaves behind."""

import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
import unittest

from harness import (BINARY, Client, clean_environment, die_with_parent, enter_new_network,
                     free_port, get, is_refused, patience, rounds, wait_until)
from wrapped import APP, WrappedTestCase


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def field(text, name):
    return re.search(rf"^{name}:\s*(.*)$", text, re.MULTILINE)[1]


def run(*arguments, environment=None, seconds=20):
    """To its end: (exit code, stderr)."""
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=patience(seconds),
                          preexec_fn=die_with_parent, env=clean_environment(**(environment or {})))
    return done.returncode, done.stderr


@contextlib.contextmanager
def free_network():
    """A network whose sources are taken from few ports: a function that starts processes in it."""
    range_file = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")

    def enter():
        die_with_parent()
        if not enter_new_network():
            os._exit(1)  # as the test expects
        range_file.write_text("40000 40200")

    yield lambda argv: subprocess.Popen(argv, preexec_fn=enter, stderr=subprocess.PIPE, text=True,
                                        env=clean_environment())


class TheStart(WrappedTestCase):
    def test_the_command_is_born_with_what_we_were_born_with(self):
        def before():
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGRTMIN})
            for ignored in (signal.SIGXFSZ, signal.SIGALRM):
                signal.signal(ignored, signal.SIG_IGN)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_NOFILE, (777, 4000))

        server = self.wrap(preexec=before, environment={"LASTCALL_LOG_LEVEL": "info", "KEPT": "yes",
                                                        "PORT": "1"})
        here = subprocess.run([*APP[:1], "-c", "print(open('/proc/self/status').read())"],
                              preexec_fn=before, capture_output=True, text=True, check=True).stdout
        there = get(server.port, "/status").body.decode()
        self.assertEqual(field(there, "SigBlk"), field(here, "SigBlk"))
        caught = int(field(there, "SigCgt"), 16)  # by the app itself, which changes what is ignored
        libcs = 0b11 << 31  # its internal signals, 32 and 33, which posix_spawn ignores
        ignored = [int(field(text, "SigIgn"), 16) & ~caught & ~libcs for text in (there, here)]
        self.assertEqual(ignored[0], ignored[1])
        self.assertRegex(there, r"Max open files\s+777\s+4000")
        self.assertEqual(field(there, "Session"), "True")
        environment = json.loads(get(server.port, "/env").body)
        self.assertEqual([name for name in environment if name.startswith("LASTCALL_")], [])
        self.assertEqual(environment["KEPT"], "yes")
        self.assertEqual(environment["PORT"], server.upstream.rpartition(":")[2])
        server.terminate()
        self.assert_ends(server, 0)

    def test_standard_input_output_and_error_are_the_commands(self):
        command = ["sh", "-c", "read line; echo got $line; echo told >&2"]
        done = subprocess.run([BINARY, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
                               "--upstream", f"127.0.0.1:{free_port()}", "--", *command],
                              input="hello\n", capture_output=True, text=True, check=False,
                              timeout=patience(20), env=clean_environment())
        self.assertEqual(done.stdout, "got hello\n")
        self.assertIn("told\n", done.stderr)

    def test_clients_are_refused_until_it_is_ready(self):
        port = free_port()
        server = self.wrap(listen=f"127.0.0.1:{port}", app=["--start-after", "1"], serving=False)
        server.wait_for("listening on")
        while server.event("listens") is None and not server.find("the command is ready"):
            self.assertTrue(is_refused(port) or server.find("the command is ready"))
            time.sleep(0.01)
        server.wait_for("serving", ends_with=True)
        self.assertEqual(get(port, "/").body, b"hello")
        with self.assertRaises(OSError), socket.socket() as second:  # and nobody takes its place
            second.bind(("127.0.0.1", port))
        server.terminate()
        self.assert_ends(server, 0)

    def test_or_answered_503_or_kept_waiting(self):
        for how, status in (("503", 503), ("wait", 200)):
            port = free_port()
            while (upstream := free_port()) == port:
                pass
            server = self.wrap("--until-ready", how, listen=f"127.0.0.1:{port}", serving=False,
                               upstream=f"127.0.0.1:{upstream}",
                               app=["--start-after", "0.7"])
            server.wait_for("listening on")
            self.assertEqual(get(server.admin_port, "/readyz").status, 503)
            self.assertEqual(get(server.admin_port, "/livez").status, 200)
            self.assertEqual(get(port, "/").status, status, how)
            server.wait_for("serving", ends_with=True)
            self.assertEqual(get(port, "/").status, 200)
            self.assertEqual(get(server.admin_port, "/readyz").status, 200)
            server.terminate()
            self.assert_ends(server, 0)

    def test_it_is_ready_when_a_path_is_answered_well(self):
        server = self.wrap("--upstream-ready-path", "/missing", serving=False)
        wait_until(lambda: server.event("answered"), 10, "it is asked")
        time.sleep(0.2)
        self.assertEqual(server.find("the command is ready"), [])
        server.terminate()
        self.assert_ends(server, 0)
        server = self.wrap("--upstream-ready-path", "/slow?ms=100")
        self.assertEqual(get(server.port, "/").status, 200)

    def test_a_start_that_takes_too_long_ends_it(self):
        server = self.wrap("--start-timeout", "500ms", serving=False,
                           app=["--start-after", "60", "--on-term", "0:0"])
        self.assert_ends(server, 1)
        self.assertEqual(len(server.find("not ready after --start-timeout 500ms")), 1)

    def test_one_that_must_be_killed_for_it_is_no_loss(self):
        server = self.wrap("--start-timeout", "300ms", "--stop-timeout", "300ms", serving=False,
                           app=["--start-after", "60", "--on-term", "ignore"])
        self.assert_ends(server, 1)

    def test_what_it_waits_for_is_told(self):
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        server = self.wrap(command=command, serving=False)
        said = server.wait_for("waiting for the command", seconds=6)["message"]
        self.assertIn(f"{server.upstream}: Connection refused", said)
        server = self.wrap("--upstream-ready-path", "/missing", serving=False)
        said = server.wait_for("waiting for the command", seconds=6)["message"]
        self.assertIn("GET /missing is answered 404", said)

    def test_another_process_at_its_place_is_told(self):
        with socket.create_server(("127.0.0.1", free_port()), backlog=5) as other:
            command = [sys.executable, "-c", "import time; time.sleep(600)"]
            server = self.wrap(command=command, serving=False,
                               upstream="{}:{}".format(*other.getsockname()))
            server.wait_for("answers before the command is started")
            server.wait_for("as process")

    def test_a_look_that_hangs_is_dropped(self):
        path = ("--upstream-ready-path", "/slow?ms=60000")
        server = self.wrap(*path, "--start-timeout", "700ms", serving=False)
        wait_until(lambda: server.event("listens"), 10, "it listens")
        began = time.monotonic()
        self.assert_ends(server, 1)
        self.assertLess(server.ended_at - began, patience(4))
        server = self.wrap(*path, serving=False, window="9s")
        wait_until(lambda: server.event("listens"), 10, "it listens")
        began = server.terminate()
        self.assert_ends(server, 0)
        self.assertLess(server.ended_at - began, patience(4))

    def test_who_waits_for_a_command_that_never_is_ready_gets_503(self):
        port = free_port()
        server = self.wrap("--until-ready", "wait", listen=f"127.0.0.1:{port}", serving=False,
                           app=["--start-after", "60"])
        server.wait_for("as process")
        with Client(port) as client:
            client.ask("/")
            server.terminate()
            self.assertEqual(client.answer().status, 503)
        self.assert_ends(server, 0)

    def test_its_end_is_told_whatever_was_ignored(self):
        server = self.wrap(preexec=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        get(server.port, "/exit?code=7")
        self.assert_ends(server, 7)

    def test_a_connection_to_itself_is_no_command(self):
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        with free_network() as run_there:
            process = run_there([BINARY, "--listen", "127.0.0.1:8081", "--admin-listen",
                                 "127.0.0.1:9901", "--start-timeout", "3s", "--upstream",
                                 "127.0.0.1:40100", "--", *command])
            _, stderr = process.communicate(timeout=patience(20))
        self.assertEqual(process.returncode, 1, stderr)

    def test_a_signal_before_it_is_ready_ends_it_at_once(self):
        server = self.wrap(window="9s", app=["--start-after", "60"], serving=False)
        wait_until(lambda: server.event("started"), 10, "the command runs")
        began = server.terminate()
        audit = self.assert_ends(server, 0)
        self.assertLess(server.ended_at - began, patience(3))
        self.assertEqual(audit["command_exit"], 143)

    def test_what_is_wrong_is_said(self):
        upstream = ["--upstream", "127.0.0.1:3000"]
        quiet = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        for arguments, code, text in [
                (["--", "true"], 2, "--upstream is missing"),
                ([*upstream, "--"], 2, "a command stands behind --"),
                ([*upstream], 2, "--upstream needs a command behind --"),
                (["--upstream", "3000", "--", "true"], 2, "such as 127.0.0.1:3000"),
                (["--upstream", "http://127.0.0.1:3000", "--", "true"], 2, "no URL"),
                (["--upstream", "a b:3000", "--", "true"], 2, "such as 127.0.0.1:3000"),
                (["--upstream", "127.0.0.1/x:3000", "--", "true"], 2, "such as 127.0.0.1:3000"),
                (["--upstream", "[::1:3000", "--", "true"], 2, "such as 127.0.0.1:3000"),
                (["--upstream", "unix:", "--", "true"], 2, "1 to 107 bytes"),
                ([*upstream, "--listen", "[::]:9900", "--", "true"], 2, "have one port"),
                ([*upstream, "--", "--listen=x", "true"], 2, "stand before --"),
                ([*upstream, "gunicorn", "app"], 2, "gunicorn is no option"),
                ([*upstream, "--listen", "0.0.0.0:3000", "--", "true"], 2, "have one port"),
                ([*upstream, "--hard", "--", "true"], 2, "--hard"),
                ([*upstream, "--stop-signal", "TREM", "--", "true"], 2, "a signal such as TERM"),
                ([*upstream, "--pass-signals", "HUP,TERM", "--", "true"], 2, "'TERM'"),
                ([*upstream, "--upstream-ready-path", "x", "--", "true"], 2, "begins with '/'"),
                ([*upstream, "--upstream-ready-path", "/a b", "--", "true"], 2, "is encoded"),
                (["--upstream", "127.0.0.1:9900", "--", "true"], 2, "--admin-listen [::]:9900"),
                ([*upstream, "--tcp", "--upstream-max", "3", "--", "true"], 2, "--max-connections"),
                ([*upstream, "--stop-timeout", "15s", "--", "true"], 2,
                 "--after-drain 0s + --stop-timeout 15s"),
                ([*upstream, *quiet, "--", "/no/such"], 127, "'/no/such' cannot be started"),
                ([*upstream, *quiet, "--", "/etc/hostname"], 126, "cannot be started")]:
            got, stderr = run(*arguments)
            self.assertEqual((got, len(re.findall(re.escape(text), stderr))), (code, 1),
                             f"{arguments}: {stderr}")

    def test_a_connection_takes_two_descriptors(self):
        def limited():
            resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))

        arguments = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--upstream",
                     "127.0.0.1:3000", "--max-connections", "200", "--", "true"]
        ended = subprocess.run([BINARY, *arguments], preexec_fn=limited, text=True,
                               capture_output=True, timeout=patience(10))
        self.assertEqual(ended.returncode, 2, ended.stderr)
        allowed = int(re.search(r"RLIMIT_NOFILE allows (\d+)", ended.stderr)[1])
        self.assertLess(2 * allowed, 400)
        self.assertGreater(allowed, 100)

    def test_an_inherited_port_is_where_it_listens(self):
        port, upstream = free_port(), free_port()
        server = self.wrap(command=None, environment={"PORT": str(port)}, serving=False,
                           upstream=f"127.0.0.1:{upstream}", listen="127.0.0.1:0")
        server.wait_for("serving", ends_with=True)  # an option goes before it
        self.assertTrue(is_refused(port))
        code, stderr = run("--upstream", f"127.0.0.1:{upstream}", "--admin-listen", "127.0.0.1:0",
                           "--", "true", environment={"PORT": str(upstream)})
        self.assertEqual(code, 2)
        self.assertIn("(from PORT) and --upstream", stderr)
        code, stderr = run("--upstream", f"127.0.0.1:{upstream}", "--admin-listen", "127.0.0.1:0",
                           "--", "sh", "-c", "exit 7", environment={"PORT": str(port)})
        self.assertEqual(code, 7)
        self.assertRegex(stderr, rf"listening on \S+:{port},")


class TheEnd(WrappedTestCase):
    def test_the_command_hears_of_it_when_all_is_answered(self):
        server = self.wrap(window="300ms")
        with Client(server.port) as client:
            client.ask("/slow?ms=1500")
            self.wait_for_request(server)
            server.terminate()
            self.assertEqual(get(server.admin_port, "/readyz").status, 503)
            self.assertEqual(get(server.port, "/").status, 200)  # in the window
            self.assertEqual(client.answer().body, b"hello")
        audit = self.assert_ends(server, 0)
        self.assertGreaterEqual(server.event("term"), max(at for name, at in server.events()
                                                          if name == "answered"))
        self.assertEqual(audit["command_exit"], 143)
        self.assertEqual(audit["requests_cut"], 0)

    def test_a_process_whose_first_thread_has_ended_is_alive(self):
        script = ("import ctypes, os, signal, sys, threading, time; os.setsid(); "
                  "signal.signal(15, signal.SIG_IGN); "
                  "threading.Thread(target=time.sleep, args=(60,)).start(); "
                  "print(os.getpid(), flush=True); ctypes.CDLL(None).pthread_exit(None)")
        command = ["sh", "-c", f"{sys.executable} -c '{script}' & exec {' '.join(APP)}"]
        server = self.wrap("--stop-timeout", "500ms", command=command)
        server.terminate()
        self.assert_ends(server, 3)
        self.assertEqual(len(server.find("the command has left")), 1)

    def test_what_it_does_afterwards_has_its_time(self):
        server = self.wrap("--after-drain", "1s")
        get(server.port, "/")
        asked = server.terminate()
        self.assert_ends(server, 0)
        self.assertGreaterEqual(server.event("term") - asked, 1)

    def test_how_it_ends_then_is_what_is_told(self):
        for on_term, options, code in [("0:0", (), 0), ("0:143", (), 0), ("0.3:0", (), 0),
                                       ("0:7", (), 7), ("0:1", (), 1)]:
            server = self.wrap(*options, app=["--on-term", on_term])
            server.terminate()
            audit = self.assert_ends(server, code)
            self.assertEqual(audit["command_exit"], int(on_term.rpartition(":")[2]))

    def test_another_signal_may_tell_it(self):
        server = self.wrap("--stop-signal", "SIGUSR2", "--stop-timeout", "500ms")
        server.terminate()
        self.assert_ends(server, 3)
        self.assertIsNotNone(server.event("USR2"))
        self.assertIsNone(server.event("term"))

    def test_who_does_not_heed_it_is_killed_and_that_is_told(self):
        server = self.wrap("--stop-timeout", "700ms", app=["--on-term", "ignore"])
        orphan = int(get(server.port, "/orphan?heeds=no").body)
        asked = server.terminate()
        audit = self.assert_ends(server, 3)
        self.assertEqual(audit["command_exit"], 137)
        self.assertFalse(is_alive(orphan))
        self.assertGreaterEqual(server.ended_at - asked, 0.7)
        self.assertEqual(len(server.find("SIGKILL to")), 1)

    def test_whom_it_leaves_is_told_and_then_killed(self):
        server = self.wrap("--stop-timeout", "1s")
        heeds = int(get(server.port, "/orphan").body)
        server.terminate()
        self.assert_ends(server, 0)
        self.assertFalse(is_alive(heeds))
        server = self.wrap("--stop-timeout", "1s")
        stubborn = int(get(server.port, "/orphan?heeds=no").body)
        server.terminate()
        self.assert_ends(server, 3)
        self.assertFalse(is_alive(stubborn))

    def test_a_second_interrupt_kills_it(self):
        for moment in ("window", "request", "stop"):
            server = self.wrap("--stop-timeout", "9s", "--after-drain", "0s",
                               window="8s" if moment == "window" else "0s",
                               app=["--on-term", "ignore"])
            if moment == "request":
                client = self.client(server.port)
                client.ask("/slow?ms=60000")
                self.wait_for_request(server)
            began = server.signal(signal.SIGINT)
            server.wait_for("telling the command to stop" if moment == "stop" else "draining for")
            server.signal(signal.SIGINT)
            self.assert_ends(server, 4 if moment == "request" else 3)
            self.assertLess(server.ended_at - began, patience(5), moment)

    def test_half_an_upload_is_a_loss_once_the_command_has_been_asked(self):
        for size, sent, code, cut in ((1000, b"half", 0, (0, 1)), (1 << 20, b"half", 3, (1, 0)),
                                      (1 << 20, b"", 3, (1, 0))):
            server = self.wrap("--shutdown-timeout", "1s")
            with Client(server.port) as client:
                client.send(b"POST / HTTP/1.1\r\nHost: a\r\n"
                            b"Content-Length: %d\r\n\r\n%s" % (size, sent))
                wait_until(lambda: server.metrics(server.admin_port)["handlers_waiting"] > 0, 10,
                           "it has come")
                server.terminate()
                audit = self.assert_ends(server, code)
            self.assertEqual((audit["requests_cut"], audit["partial_cut"]), cut)

    def test_a_command_that_is_stopped_is_killed_in_time(self):
        server = self.wrap("--stop-timeout", "500ms", "--shutdown-timeout", "1s")
        pid = int(re.search(r"as process (\d+)", server.wait_for("as process")["message"])[1])
        with Client(server.port) as client:
            os.kill(pid, signal.SIGSTOP)
            client.ask("/")
            self.wait_for_request(server)
            server.terminate()
            audit = self.assert_ends(server, 3)
        self.assertEqual(audit["requests_cut"], 1)
        self.assertFalse(is_alive(pid))


class ByItself(WrappedTestCase):
    def test_its_exit_code_is_ours_and_what_was_in_flight_is_502(self):
        for path, code in (("/exit?code=9", 9), ("/exit?code=0", 0), ("/kill?signal=9", 137),
                           ("/kill?signal=11", 139)):
            server = self.wrap(window="9s")
            with Client(server.port) as client, Client(server.port) as other:
                other.ask("/slow?ms=60000")
                self.wait_for_request(server)
                client.ask(path)
                answers = [client.answer(), other.answer()]
            audit = self.assert_ends(server, code)
            self.assertEqual([answer.status for answer in answers], [502, 502])
            self.assertEqual(answers[0].fields["proxy-status"],
                             "lastcall; error=connection_terminated")
            self.assertEqual(audit["command_exit"], code)
            self.assertEqual(audit["requests_answered"], audit["requests_received"])
            self.assertEqual(len(server.find("the command ended by")), 1)
            self.assertEqual(audit["upstream_failures"], 2)

    def test_in_the_window_that_ends_it(self):
        server = self.wrap(window="9s")
        began = server.terminate()
        server.wait_for("draining for")
        get(server.port, "/exit?code=5")
        audit = self.assert_ends(server, 5)
        self.assertLess(server.ended_at - began, patience(5))
        self.assertEqual(audit["command_exit"], 5)

    def test_before_it_is_ready(self):
        code, stderr = run("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
                           "--upstream", f"127.0.0.1:{free_port()}", "--", "sh", "-c", "exit 42")
        self.assertEqual(code, 42)
        self.assertIn("the command ended by exit code 42", stderr)

    def test_one_that_goes_into_the_background_is_no_command(self):
        server = self.wrap("--stop-timeout", "1s")
        get(server.port, "/daemonize")
        self.assert_ends(server, 1)
        self.assertEqual(len(server.find("has gone into the background")), 1)

    def test_orphans_are_reaped_while_it_serves(self):
        server = self.wrap()
        get(server.port, "/zombies?n=50")

        def zombies():
            children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children")
            return [pid for pid in children.read_text().split() if not is_alive(pid)]

        wait_until(lambda: not zombies(), 5, "all orphans are reaped")
        server.terminate()
        self.assert_ends(server, 0)


class Signals(WrappedTestCase):
    def test_some_are_passed_on_and_none_of_them_drains(self):
        server = self.wrap()
        for name in ("HUP", "USR1", "USR2", "WINCH"):
            server.signal(getattr(signal, "SIG" + name))
            wait_until(lambda name=name: server.event(name), 5, f"SIG{name} is passed on")
        self.assertEqual(get(server.port, "/").status, 200)
        self.assertEqual(get(server.admin_port, "/readyz").status, 200)
        server.signal(signal.SIGQUIT)
        self.assert_ends(server, 0)
        self.assertIsNone(server.event("QUIT"))

    def test_also_those_that_would_end_us(self):
        command = [sys.executable, "-B", "-c", "import signal; "
                   "signal.signal(signal.SIGPWR, lambda *_: print('got', flush=True)); "
                   f"import sys; sys.argv = {APP[2:]!r}; exec(open({APP[2]!r}).read())"]
        server = self.wrap("--pass-signals", "PWR", command=command)
        server.signal(signal.SIGPWR)
        time.sleep(0.2)
        self.assertEqual(get(server.port, "/").status, 200)

    def test_only_those_that_were_asked_for(self):
        server = self.wrap("--pass-signals", "USR1")
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGUSR2)
        server.signal(signal.SIGUSR1)
        wait_until(lambda: server.event("USR1"), 5, "SIGUSR1 is passed on")
        self.assertEqual([server.event("HUP"), server.event("USR2")], [None, None])
        self.assertTrue(server.is_alive())

    def test_at_a_terminal_ctrl_c_is_ours_and_the_command_may_read(self):
        leader, follower = pty.openpty()
        self.addCleanup(os.close, leader)
        port = free_port()

        def in_front():
            die_with_parent()
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        reads = ("import sys; print('read', sys.stdin.readline(), flush=True); "
                 f"exec(open({APP[2]!r}).read())")
        process = subprocess.Popen(
            [BINARY, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--drain-window",
             "0s", "--upstream", f"127.0.0.1:{port}", "--", sys.executable, "-c", reads],
            stdin=follower, stdout=follower, stderr=follower, preexec_fn=in_front,
            env=clean_environment())
        os.close(follower)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        text = b""

        def comes(what):
            nonlocal text
            if select.select([leader], [], [], 0.05)[0]:
                try:
                    text += os.read(leader, 4096)
                except OSError:  # the other end is closed
                    pass
            return what in text

        wait_until(lambda: comes(b"started "), 10, "it is started")
        os.write(leader, b"hello\n")
        wait_until(lambda: comes(b"read hello"), 10, "the command reads the terminal")
        wait_until(lambda: comes(b"serving"), 10, "it serves")
        os.write(leader, b"\x03")
        wait_until(lambda: comes(b"audit:"), 10, text.decode(errors="replace"))
        self.assertEqual(process.wait(patience(10)), 0)
        self.assertIn(b"SIGINT: draining", text)


class Liveness(WrappedTestCase):
    def test_it_fails_where_requests_wait_and_nothing_comes(self):
        server = self.wrap("--hang-timeout", "500ms")
        admin = server.admin_port
        time.sleep(0.7)
        self.assertEqual(get(admin, "/livez").status, 200)  # nobody waits
        with Client(server.port) as client:
            client.ask("/slow?ms=2000")
            wait_until(lambda: get(admin, "/livez").status == 503, 5, "it fails")
            self.assertEqual(client.answer().status, 200)
            self.assertEqual(get(admin, "/livez").status, 200)
            client.ask("/slow?ms=1500")
            wait_until(lambda: get(admin, "/livez").status == 503, 5, "it fails")
            server.terminate()
            wait_until(lambda: get(admin, "/livez").status == 200, 1, "in a drain it does not")
            self.assertEqual(client.answer().status, 200)
        self.assert_ends(server, 0)

    def test_every_path_is_the_commands(self):
        server = self.wrap()
        for path in ("/livez", "/readyz", "/metrics", "/servingz"):
            self.assertEqual(get(server.port, path).status, 404)
            self.assertEqual(get(server.admin_port, path).status, 200)


class UnderLoad(WrappedTestCase):
    """What the command itself loses by SIGTERM, and behind us does not."""

    def losses(self, port, stop):
        """Asked again and again, on kept connections: how many were asked, and how many lost."""
        asked = lost = 0
        refused = False
        while not refused:
            try:
                client = Client(port, 5)
            except ConnectionRefusedError:
                return asked, lost  # which may be tried elsewhere
            with client:
                closes = False
                while not closes:
                    asked += 1
                    try:
                        answer = client.get("/slow?ms=5")
                        lost += answer.status != 200
                        closes = answer.closes
                    except OSError:
                        lost += 1
                        closes = True
        return asked, lost

    def attack(self, port, terminate):
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.losses(port, None)))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.7)
        terminate()
        for thread in threads:
            thread.join()
        return sum(asked for asked, _ in results), sum(lost for _, lost in results)

    def test_it_loses_nothing_and_the_command_alone_does(self):
        asked = lost = 0
        for _ in range(rounds(5)):
            server = self.wrap(window="500ms")
            more = self.attack(server.port, server.terminate)
            asked, lost = asked + more[0], lost + more[1]
            audit = self.assert_ends(server, 0)
            self.assertEqual(audit["requests_cut"], 0)
        self.assertEqual(lost, 0, f"of {asked}")
        bare_lost = 0
        for _ in range(5):
            port = free_port()
            bare = subprocess.Popen([*APP, "--on-term", "0:0"], preexec_fn=die_with_parent,
                                    env=clean_environment(PORT=str(port)))
            self.addCleanup(bare.wait)
            self.addCleanup(bare.kill)
            wait_until(lambda port=port: not is_refused(port), 10, "it serves")
            bare_lost += self.attack(port, bare.terminate)[1]
        self.assertGreater(bare_lost, 0)


if __name__ == "__main__":
    unittest.main()
