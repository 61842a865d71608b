"""As PID 1 of a PID namespace: the kernel discards a signal that PID 1 neither blocks nor handles.

pid1.cc does the rounds; here they are shared out, since most of a round is waiting.
"""

import concurrent.futures
import os
import re
import subprocess
import tempfile
import unittest

from harness import (BINARY, BUILD, TestCase, clean_environment, die_with_parent, first_seed,
                     may, patience, rounds)

PID1 = os.environ.get("LASTCALL_PID1") or str(BUILD / "pid1")
AT_ONCE = 4


@unittest.skipUnless(may("CAP_SYS_ADMIN"), "a PID namespace needs CAP_SYS_ADMIN")
class AsPid1(TestCase):
    def start_rounds(self, count, seed, deadline_seconds, when):
        log = tempfile.TemporaryFile()
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [PID1, str(count), str(seed), str(round(patience(3000))),
             str(round(deadline_seconds * 1000)), when, BINARY, "--listen", "127.0.0.1:0",
             "--drain-window", "0s", "--workers", "2", "--termination-log", "/dev/null/none"],
            stdout=subprocess.PIPE, stderr=log, preexec_fn=die_with_parent,
            env=clean_environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, log

    def result(self, process, log):
        out, _ = process.communicate(timeout=patience(280))
        log.seek(max(0, log.seek(0, os.SEEK_END) - 1500))
        last_lines = log.read().decode("utf-8", "replace")
        self.assertRegex(out, b"exited_0=", last_lines)
        counts = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", out.decode())}
        return counts, last_lines

    def test_sigterm_right_after_it_is_blocked_is_never_lost_and_never_hangs(self):
        seed = first_seed()
        count = rounds(500)
        shares = [count // AT_ONCE + (n < count % AT_ONCE) for n in range(AT_ONCE)]
        started = [self.start_rounds(share, seed + n, patience(5), "after")
                   for n, share in enumerate(shares) if share > 0]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(lambda one: self.result(*one), started))
        total = {name: sum(counts[name] for counts, _ in results)
                 for name in ("exited_0", "exited_otherwise", "not_ended", "never_blocked")}
        stderr = "\n".join(text for _, text in results)
        self.assertEqual(total, {"exited_0": count, "exited_otherwise": 0, "not_ended": 0,
                                 "never_blocked": 0},
                         f"LASTCALL_SEED={seed}; the last lines of stderr:\n{stderr}")

    def test_a_signal_that_comes_before_the_program_is_seen_to_be_lost(self):
        counts, _ = self.result(*self.start_rounds(1, 1, 2, "before"))
        self.assertEqual(counts["not_ended"], 1, "the kernel discards it: the harness must see it")


if __name__ == "__main__":
    unittest.main()
