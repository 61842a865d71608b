"""What the tests of jobs and of the counter share: loads of increments, and the counter's file read
by other code than the program's own."""

import pathlib
import re
import struct
import tempfile
import time

from harness import Client, TestCase, get
from load import request

ACCEPTED = b"accepted\n"


# ---- kinds of clients for load.Load: each of their answers is a promise

def incr_post(rng, _):
    return [(request("POST", "/incr"), ACCEPTED)], False


def incr_get(rng, _):
    return [(request("GET", "/incr"), ACCEPTED)], False


def incr_one_shot(rng, _):
    return [(request("POST", "/incr", close=True), ACCEPTED)], True


def incr_pipelined(rng, _):
    return [(request("POST", "/incr"), ACCEPTED)] * rng.randrange(2, 9), False


INCREMENTS = [incr_post, incr_get, incr_one_shot, incr_pipelined]


# ---- the file (file_counter.h says what it holds)

HEADER = b"lastcall counter, version 1\n"
HEADER_BYTES, SECTOR_BYTES, SLOTS = 4096, 512, 256
FILE_BYTES = HEADER_BYTES + 2 * SLOTS * SECTOR_BYTES


def offset_of(slot, sequence):
    return HEADER_BYTES + (2 * slot + sequence % 2) * SECTOR_BYTES


def record_of(data, slot, parity):
    """(sequence, value) of a record that is whole, or None."""
    at = offset_of(slot, parity)
    sequence, value, checksum = struct.unpack("<QQQ", data[at:at + 24])
    expected = 0xCBF29CE484222325
    for byte in struct.pack("<QQQ", slot, sequence, value):
        expected = (expected ^ byte) * 0x100000001B3 % (1 << 64)
    return (sequence, value) if (checksum, sequence % 2) == (expected, parity) else None


def file_value(path):
    data = pathlib.Path(path).read_bytes()
    if len(data) != FILE_BYTES or not data.startswith(HEADER):
        raise AssertionError(f"{path}: {len(data)} bytes that begin {data[:40]!r}")
    total = 0
    for slot in range(SLOTS):
        records = [record for parity in (0, 1) if (record := record_of(data, slot, parity))]
        if not records:
            raise AssertionError(f"{path}: slot {slot} holds no record")
        total += max(records)[1]
    return total


# ---- tests

class CountingTestCase(TestCase):
    def folder(self):
        folder = tempfile.TemporaryDirectory(prefix="lastcall-")
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def start_counting(self, where, *options, delay="0s", **settings):
        return self.start("--counter", where, "--job-delay", delay, *options, **settings)

    def incr(self, port, count=1, statuses=(200,)):
        """That many increments one after the other on a connection of their own, and how long the
        slowest answer took."""
        slowest = 0
        with Client(port) as client:
            for _ in range(count):
                asked_at = time.monotonic()
                client.ask("/incr", "POST")
                self.assertIn(client.answer().status, statuses)
                slowest = max(slowest, time.monotonic() - asked_at)
        return slowest

    def value(self, port):
        """What /counter says: a number, or None where that is 503."""
        answer = get(port, "/counter")
        self.assertIn(answer.status, (200, 503))
        return int(answer.body) if answer.status == 200 else None

    def assert_unfinished(self, server, audit, name, count):
        """Exactly `count` jobs, all `name`, are named or summed in the log, and in the audit."""
        self.assertEqual(audit["jobs_unfinished"], count, server.story())
        self.assertEqual(audit["log_dropped"], 0)
        ages = ages_in_log(server, name)
        summed = server.find(f"more jobs unfinished at the deadline: {name} (the oldest of all ")
        more = sum(int(line["message"].split()[0]) for line in summed)
        self.assertEqual(len(ages) + more, count, server.story())
        rows = audit.get("unfinished", [])
        self.assertEqual([(row["name"], row["jobs"]) for row in rows], [(name, count)][:count])
        if count:
            ages += [milliseconds(line["message"].split()[-2]) for line in summed]
            self.assertEqual(rows[0]["oldest_ms"], max(ages))
            self.assertIn(f" unfinished={name}:{count}:", audit["message"])


def milliseconds(text):
    """'1h', '2s' or '1350ms', as the log has them."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|h)", text).groups()
    return int(number) * {"ms": 1, "s": 1000, "h": 3_600_000}[unit]


def ages_in_log(server, name):
    """The age of each job that the log names as unfinished, in ms; each line's count is checked."""
    ages = []
    for line in server.find(" unfinished at the deadline: "):
        if "more jobs" in line["message"]:
            continue
        count, kind, names = re.fullmatch(r"(\d+) (jobs?) unfinished at the deadline: (.*)",
                                          line["message"]).groups()
        each = re.findall(r"(\S+) \(([^ ]+) old\)(?:, |$)", names)
        if int(count) != len(each) or (kind == "job") != (len(each) == 1):
            raise AssertionError(f"this line counts wrongly: {line['message']}")
        ages += [milliseconds(age) for who, age in each if who == name]
    return ages
