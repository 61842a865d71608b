"""file:PATH: what a 200 said is in the file whatever comes, and a file in doubt is not touched."""

import concurrent.futures
import fcntl
import multiprocessing
import os
import pathlib
import random
import resource
import signal
import stat
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from counting import (FILE_BYTES, INCREMENTS, SECTOR_BYTES, CountingTestCase, file_value,
                      offset_of, record_of)
from harness import (BINARY, BUILD, LIBC, Client, Server, clean_environment, die_with_parent,
                     enter_new_network, first_seed, get, patience, rounds,
                     wait_until)
from load import Load

DURABLE = os.environ.get("LASTCALL_DURABLE") or str(BUILD / "durable")
CHAINS = 4  # side by side, a file each
CLIENTS = 6


# ---- SIGKILL at random moments

class Hammer:
    """A keep-alive client in a thread of its own, that asks until the server is gone."""

    def __init__(self, port):
        self.confirmed = self.in_doubt = 0
        self.wrong = []
        self.client = Client(port)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                self.in_doubt = 1
                self.client.ask("/add", "POST")
                answer = self.client.answer()
                self.in_doubt = 0
                if (answer.status, answer.body) != (200, b"added\n"):
                    self.wrong.append(f"{answer.status} {answer.body!r}")
                    return
                self.confirmed += 1
        except OSError:  # it was killed
            pass
        finally:
            self.client.close()


def start_durable(file, workers, serving=True):
    command = [DURABLE, "127.0.0.1:0", str(workers), f"file:{file}", "0", "5000"]
    return Server(command=command, serving=serving)


def kill_again_and_again(seed, count):
    """One file, `count` kills: [what went wrong], and how much was confirmed in all."""
    enter_new_network()
    rng = random.Random(seed)
    problems = []
    least = most = total = 0
    with tempfile.TemporaryDirectory(prefix="lastcall-") as folder:
        file = pathlib.Path(folder, "counter")
        for turn in range(count):
            told = f"seed {seed}, kill {turn} of {count}: "
            if rng.random() < 0.1:  # while it comes up, perhaps while it makes the file
                with start_durable(file, 2, serving=False) as server:
                    time.sleep(rng.random() * patience(0.012))
                    problems += [told + server.story()] if not server.is_alive() else []
                if rng.random() < 0.3 and least == most == 0:
                    file.unlink(missing_ok=True)
                continue
            with start_durable(file, 2) as server:
                value = int(get(server.port, "/value").body)
                if not least <= value <= most:
                    problems.append(f"{told}{value}, confirmed {least}, asked for {most}")
                hammers = [Hammer(server.port) for _ in range(CLIENTS)]
                time.sleep(rng.random() ** 2 * patience(0.12))
                server.process.kill()
                for hammer in hammers:
                    hammer.thread.join(patience(10))
                confirmed = sum(h.confirmed for h in hammers)
                problems += [told + wrong for h in hammers for wrong in h.wrong]
                least = value + confirmed
                most = least + sum(h.in_doubt for h in hammers)
                total += confirmed
        if not least <= (value := file_value(file)) <= most:
            problems.append(f"seed {seed}: at last {value}, confirmed {least}, asked for {most}")
    return problems, total


class Killed(CountingTestCase):
    def test_sigkill_200_times_under_load_loses_nothing_confirmed_and_adds_nothing(self):
        seed = first_seed()
        count = max(20, rounds(200))  # of fewer, all might come before the first increment
        context = multiprocessing.get_context("fork")
        with concurrent.futures.ProcessPoolExecutor(CHAINS, context, die_with_parent) as pool:
            futures = [pool.submit(kill_again_and_again, seed + n, -(-count // CHAINS))
                       for n in range(CHAINS)]
            results = [future.result() for future in futures]
        problems = [problem for found, _ in results for problem in found]
        self.assertEqual(problems, [], "\n".join(problems))
        self.assertGreater(sum(total for _, total in results), 20 * count, "worth something")


# ---- the file through the life of several processes

class FileTestCase(CountingTestCase):
    def setUp(self):
        self.directory = self.folder()
        self.file = self.directory / "counter"

    def start_on(self, file=None, *options, **settings):
        return self.start_counting(f"file:{file or self.file}", "--drain-window", "0s", *options,
                                   **settings)

    def count(self, number, *options):
        """A server counts so much, and ends; its log."""
        server = self.start_on(None, *options)
        self.incr(server.port, number)
        server.terminate()
        self.assert_ends(server, 0)
        return server

    def refused(self, file=None):
        """It ends at once with 1, and one line, which is returned."""
        ended = subprocess.run(
            [BINARY, "--listen", "127.0.0.1:0", "--counter", f"file:{file or self.file}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, env=clean_environment(),
            timeout=patience(20))
        self.assertEqual((ended.returncode, ended.stdout), (1, ""), ended.stderr)
        lines = [line for line in ended.stderr.splitlines() if "WARNING" not in line.upper()]
        self.assertEqual(len(lines), 1, ended.stderr)
        self.assertIn(str(file or self.file), lines[0])
        return lines[0]


class Restarted(FileTestCase):
    def test_the_count_goes_on_from_process_to_process_with_any_number_of_workers(self):
        expected = 0
        for workers in (2, 1, 3, 2):
            server = self.start_on(None, "--workers", workers)
            self.assertEqual(self.value(server.port), expected)
            for _ in range(10):  # a connection each: all workers count
                self.incr(server.port, 3)
            server.terminate()
            self.assert_ends(server, 0)
            expected += 30
            self.assertEqual(file_value(self.file), expected)

    def test_a_drain_under_load_leaves_exactly_what_was_answered(self):
        total = 0
        seed = first_seed()
        for number in range(rounds(4)):
            rng = random.Random(seed + number)
            server = self.start_counting(f"file:{self.file}", "--drain-window", "150ms")
            tally = Load(server, INCREMENTS * 3, rng, signal_after=rng.random() * 0.3).run()
            self.assert_ends(server, 0)
            self.assertEqual((tally.losses, tally.wrong), ([], []), server.story())
            total += tally.answered
            self.assertEqual(file_value(self.file), total, f"seed {seed + number}")

    def test_a_relative_path_and_one_with_spaces_are_taken_as_they_are(self):
        for name in ("counter", "a counter:1 @home"):
            with self.subTest(name):
                server = self.start_on(name, preexec=lambda: os.chdir(self.directory))
                self.incr(server.port, 2)
                server.terminate()
                self.assert_ends(server, 0)
                self.assertEqual(file_value(self.directory / name), 2)

    def test_the_file_appears_whole_and_leaves_nothing_beside_it(self):
        self.start_on()
        self.assertEqual(os.listdir(self.directory), ["counter"])
        self.assertEqual(file_value(self.file), 0)
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o644)


class InUse(FileTestCase):
    def test_1_a_second_process_on_the_same_file_refuses_and_the_first_counts_on(self):
        first = self.start_on()
        self.incr(first.port, 3)
        self.assertIn("in use by another process", self.refused())
        self.incr(first.port, 4)
        first.terminate()
        self.assert_ends(first, 0)
        self.assertEqual(file_value(self.file), 7)

    def test_a_lock_that_outlives_its_process_by_a_moment_is_waited_for(self):
        # After a SIGKILL the ring's last operations hold the file, and with it the lock, for some
        # 10 ms after the process has been waited for: its successor may be there sooner.
        self.count(3)
        with self.file.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            release = threading.Timer(0.1, fcntl.flock, (held.fileno(), fcntl.LOCK_UN))
            release.start()
            self.addCleanup(release.join)
            server = self.start_on(serving=False)
            release.join()
        server.wait_for("serving")
        server.terminate()
        self.assert_ends(server, 0)

    def test_1_under_another_name_too(self):
        self.start_on()
        os.link(self.file, self.directory / "other")
        self.assertIn("in use by another process", self.refused(self.directory / "other"))

    def test_of_several_that_begin_on_no_file_at_once_one_serves(self):
        for turn in range(rounds(4)):
            file = self.directory / f"counter{turn}"
            servers = [self.start_on(file, serving=False) for _ in range(4)]
            one = [s for s in servers if not self.is_refused_or_serves(s)]
            self.assertEqual(len(one), 1, "\n".join(s.story() for s in servers))
            for server in servers:
                server.stop()
            self.assertEqual(file_value(file), 0)

    def is_refused_or_serves(self, server):
        """True: it refuses."""
        try:
            server.wait_for("serving")
            return False
        except AssertionError:
            self.assertEqual(server.wait(), 1, server.story())
            self.assertTrue(server.find("in use by another process"), server.story())
            return True


# ---- files that are not whole

def flip(data, *offsets):
    """Bits of these bytes turned over."""
    for at in offsets:
        data[at] ^= 0xFF
    return data


def swap_slots(data):
    """Slot 0's records where slot 1's belong, and the other way round."""
    first, second = offset_of(0, 0), offset_of(1, 0)
    size = 2 * SECTOR_BYTES
    one, other = data[first:first + size], data[second:second + size]
    data[first:first + size], data[second:second + size] = other, one
    return data


def in_force(data, slot):
    """(sequence, value) and the offset of the record that counts."""
    sequence, value = max(record_of(data, slot, 0), record_of(data, slot, 1))
    return sequence, value, offset_of(slot, sequence)


class Damaged(FileTestCase):
    def setUp(self):
        super().setUp()
        server = self.start_on(None, "--workers", "1")
        for number in range(1, 10):  # a write each
            self.incr(server.port)
            wait_until(lambda: self.value(server.port) == number, 5, "one more")
        server.terminate()
        self.assert_ends(server, 0)
        self.good = self.file.read_bytes()

    def test_1_a_file_that_is_not_whole_is_refused_and_left_as_it_was(self):
        even, odd, last = offset_of(0, 0), offset_of(0, 1), offset_of(255, 0)
        rng = random.Random(first_seed())
        for name, make in (
                ("empty", lambda d: d[:0]),
                ("a header alone", lambda d: d[:4096]),
                ("one byte short", lambda d: d[:-1]),
                ("half", lambda d: d[:FILE_BYTES // 2]),
                ("one byte long", lambda d: d + b"\0"),
                ("zero bytes", lambda d: bytearray(FILE_BYTES)),
                ("zero bytes after the header", lambda d: d[:4096].ljust(FILE_BYTES, b"\0")),
                ("garbage", lambda d: rng.randbytes(FILE_BYTES)),
                ("garbage after the header", lambda d: d[:4096] + rng.randbytes(len(d) - 4096)),
                ("another version", lambda d: d.replace(b"version 1", b"version 2", 1)),
                ("another program's", lambda d: b"SQLite format 3\0" + d[16:]),
                ("a header with a byte flipped", lambda d: flip(d, 3)),
                ("both records flipped", lambda d: flip(d, even + 8, odd + 8)),
                ("both checksums flipped", lambda d: flip(d, even + 16, odd + 16)),
                ("both records of the last slot flipped",
                 lambda d: flip(d, last + 8, last + SECTOR_BYTES)),
                ("records of another slot", swap_slots),
                ("records that are not neighbours", self.with_records_apart)):
            with self.subTest(name):
                bad = bytes(make(bytearray(self.good)))
                self.file.write_bytes(bad)
                before = self.file.stat()
                self.assertIn("it is left as it is", self.refused())
                self.assertTrue(self.file.read_bytes() == bad, "not a byte of it has changed")
                self.assertEqual(self.file.stat().st_mtime_ns, before.st_mtime_ns)
                self.assertEqual(os.listdir(self.directory), ["counter"])
        self.file.write_bytes(self.good)  # restored, as the message says, it counts on
        self.count(1)
        self.assertEqual(file_value(self.file), 10)

    def with_records_apart(self, data):
        """The older record replaced by one from long before: both whole, but no write did that."""
        sequence, _, _ = in_force(data, 0)
        self.assertGreaterEqual(sequence, 3)
        old = struct.pack("<QQQ", sequence - 3, 0, 0)
        checksum = 0xCBF29CE484222325
        for byte in struct.pack("<QQQ", 0, sequence - 3, 0):
            checksum = (checksum ^ byte) * 0x100000001B3 % (1 << 64)
        at = offset_of(0, sequence - 3)
        data[at:at + 24] = old[:16] + struct.pack("<Q", checksum)
        return data

    def test_a_write_that_was_cut_short_is_taken_back_with_a_warning(self):
        # As a loss of power leaves it: the next record torn, and the one in force whole.
        sequence, value, _ = in_force(self.good, 0)
        at = offset_of(0, sequence + 1)
        for name, torn in (("zero bytes", bytes(SECTOR_BYTES)), ("garbage", b"\xa5" * SECTOR_BYTES),
                           ("half of it", struct.pack("<QQ", sequence + 1, value + 1))):
            with self.subTest(name):
                self.file.write_bytes(self.good[:at] + torn + self.good[at + len(torn):])
                server = self.start_on(None, "--workers", "1")
                lines = server.find("a write to slot 0 was cut short")
                self.assertEqual([line["level"] for line in lines], ["warning"], server.story())
                self.assertEqual(self.value(server.port), 9)
                self.incr(server.port, 2)
                server.terminate()
                self.assert_ends(server, 0)
                self.assertEqual(file_value(self.file), 11)
                # By the worker whose slot it was: another's would leave it as it is.
                again = self.count(2, "--workers", "1")
                self.assertFalse(again.find("cut short"), "it is whole again")
                self.assertEqual(file_value(self.file), 13)

    def test_a_write_that_was_cut_short_again_and_again_counts_each_confirmed_once(self):
        # Each process but the first finds a torn record where it is to write next.
        expected = 9
        for turn in range(rounds(20)):
            data = bytearray(self.file.read_bytes())
            sequence, value, _ = in_force(data, 0)
            self.assertEqual(value, expected)
            flip(data, offset_of(0, sequence + 1) + turn % 24)
            self.file.write_bytes(data)
            self.assertTrue(self.count(1, "--workers", "1").find("cut short"))
            expected += 1
        self.assertEqual(file_value(self.file), expected)


# ---- places where no file can be

class Unusable(FileTestCase):
    def test_1_what_is_no_regular_file(self):
        os.mkfifo(self.directory / "pipe")
        (self.directory / "link").symlink_to(self.file)
        for path, why in ((self.directory, "Is a directory"),
                          (self.directory / "pipe", "not a regular file"),
                          ("/dev/null", "not a regular file"),
                          (self.directory / "link", "symbolic link"),
                          (self.directory / "none" / "counter", "No such file or directory"),
                          ("/dev/null/counter", "Not a directory"),
                          (self.directory / ("x" * 300), "File name too long")):
            with self.subTest(str(path)):
                self.assertIn(why, self.refused(path))
        self.assertEqual(sorted(os.listdir(self.directory)), ["link", "pipe"])

    def mounted(self, options):
        """Our folder as a small file system of its own, for this process's children alone."""
        clone_newns, ms_rec, ms_private = 0x20000, 0x4000, 1 << 18
        if LIBC.unshare(clone_newns) != 0:
            self.skipTest("a file system of its own is not permitted")
        LIBC.mount(None, b"/", None, ms_rec | ms_private, None)
        target = str(self.directory).encode()
        if LIBC.mount(b"tmpfs", target, b"tmpfs", 0, options) != 0:
            self.skipTest("a file system of its own is not permitted")
        self.addCleanup(LIBC.umount2, target, 2)

    def test_1_a_directory_that_cannot_be_written(self):
        self.mounted(b"size=1m")
        ms_remount, ms_rdonly = 32, 1
        target = str(self.directory).encode()
        self.assertEqual(LIBC.mount(None, target, None, ms_remount | ms_rdonly, None), 0)
        self.assertIn("Read-only file system", self.refused())

    def test_1_a_disk_without_room_for_the_file_and_nothing_is_left_there(self):
        self.mounted(b"size=128k")
        self.assertIn("No space left on device", self.refused())
        self.assertEqual(os.listdir(self.directory), [])

    def test_a_disk_that_fills_up_later_costs_nothing(self):
        # The file has all its bytes from the beginning.
        self.mounted(b"size=400k")
        server = self.start_on()
        with (self.directory / "other").open("wb", buffering=0) as other:
            try:
                while other.write(bytes(4096)):
                    pass
            except OSError:
                pass
        self.incr(server.port, 20)
        server.terminate()
        self.assert_ends(server, 0)
        self.assertEqual(file_value(self.file), 20)

    def test_3_a_file_that_cannot_be_written_any_more_is_tried_again_and_its_jobs_are_named(self):
        # RLIMIT_FSIZE 0: each write is EFBIG. SIGXFSZ, which comes with it, must not be deadly.
        self.count(2)

        def no_writes():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        server = self.start_on(None, "--shutdown-timeout", "500ms", preexec=no_writes)
        self.incr(server.port, 5)
        server.wait_for("File too large; ")
        self.assertEqual(self.value(server.port), 2)
        self.assertEqual(get(server.port, "/readyz").status, 200)
        server.terminate()
        self.assert_unfinished(server, self.assert_ends(server, 3), "incr", 5)
        self.assertEqual(file_value(self.file), 2)


if __name__ == "__main__":
    unittest.main()
