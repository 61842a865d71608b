"""What the workers ask of the kernel's scheduler: short slices, and nothing else."""

import ctypes
import errno
import os
import pathlib
import platform
import unittest

from harness import LIBC, TestCase

GETATTR = {"x86_64": 315, "aarch64": 275}
SLICE_NS = 100_000
NICE = 5


class SchedAttr(ctypes.Structure):  # sched_setattr(2)
    _fields_ = [("size", ctypes.c_uint32), ("policy", ctypes.c_uint32),
                ("flags", ctypes.c_uint64), ("nice", ctypes.c_int32),
                ("priority", ctypes.c_uint32), ("runtime", ctypes.c_uint64),
                ("deadline", ctypes.c_uint64), ("period", ctypes.c_uint64)]


def attributes(thread):
    """None: it has ended meanwhile."""
    found = SchedAttr()
    number = GETATTR[platform.machine()]
    if LIBC.syscall(number, thread, ctypes.byref(found), ctypes.sizeof(found), 0) == 0:
        return found
    if ctypes.get_errno() == errno.ESRCH:
        return None
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Slices(TestCase):
    def threads(self, server):
        tasks = pathlib.Path(f"/proc/{server.pid}/task").iterdir()
        return list(filter(None, (attributes(int(task.name)) for task in tasks)))

    def setUp(self):
        if platform.machine() not in GETATTR or attributes(0).runtime == 0:
            self.skipTest("this kernel does not know of slices (Linux 6.12 does)")

    def test_each_worker_has_short_ones_and_the_nice_value_it_was_given(self):
        server = self.start("--workers", "2", "--drain-window", "0s",
                            preexec=lambda: os.nice(NICE))
        threads = self.threads(server)
        self.assertEqual([each.runtime for each in threads].count(SLICE_NS), 2, "the workers")
        self.assertGreater(len(threads), 2)
        given = min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE)
        self.assertEqual({each.nice for each in threads}, {given})
        self.assertEqual({each.policy for each in threads}, {os.SCHED_OTHER})
        server.terminate()
        self.assert_ends(server, 0)

    def test_another_policy_is_left_alone(self):
        server = self.start("--workers", "2", "--drain-window", "0s", preexec=lambda:
                            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)))
        threads = self.threads(server)
        self.assertEqual({each.policy for each in threads}, {os.SCHED_BATCH})
        self.assertNotIn(SLICE_NS, {each.runtime for each in threads})
        server.terminate()
        self.assert_ends(server, 0)


if __name__ == "__main__":
    unittest.main()
