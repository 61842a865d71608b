"""SIGTERM under load, at random moments, many times: nothing is lost, and the audit says the truth.

The rounds run in processes of their own, a few at a time: most of a round is waiting. Each has a
network of its own where that is permitted: the one-shot connections leave much in TIME_WAIT.
"""

import concurrent.futures
import multiprocessing
import unittest

from harness import TestCase, die_with_parent, enter_new_network, first_seed, rounds
from load import run_round

AT_ONCE = 3


def run_isolated(seed, **settings):
    enter_new_network()
    return run_round(seed, **settings)


def run_rounds(seeds, **settings):
    """Ends early once five rounds have failed: the rest would tell no more."""
    done = []
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(AT_ONCE, context, die_with_parent) as pool:
        futures = [pool.submit(run_isolated, seed, **settings) for seed in seeds]
        try:
            for future in concurrent.futures.as_completed(futures):
                done.append(future.result())
                if sum(bool(r.problems) for r in done) >= 5:
                    break
        finally:
            pool.shutdown(cancel_futures=True)
    return done


class SigtermUnderLoad(TestCase):
    def test_no_request_is_lost_and_the_audit_equals_what_the_clients_counted(self):
        seed = first_seed()
        count = rounds(200)
        done = run_rounds(range(seed, seed + count))
        failed = [r for r in done if r.problems]
        if failed:
            self.fail(f"{len(failed)} of {len(done)} rounds failed:\n" + "\n".join(
                problem for r in failed for problem in r.problems))
        # The rounds are worth something only if they saw every part of a drain.
        answered = sum(r.tally.answered for r in done)
        self.assertGreater(answered, 20 * count)
        if count >= 50:
            for name in ("accepted_in_window", "closes_announced"):
                self.assertGreater(sum(r.audit[name] for r in done), count, name)
            self.assertGreater(sum(len(r.tally.refused_at) for r in done), count)

    def test_the_same_load_sees_losses_when_the_server_ends_at_once(self):
        seed = first_seed()
        done = run_rounds(range(seed, seed + 6), hard=True)
        for r in done:
            self.assertEqual(r.tally.wrong, [])
        losing = [r for r in done if r.tally.losses]
        # A signal before the first connection costs nothing: not each of them need lose.
        self.assertGreaterEqual(len(losing), 4, [len(r.tally.losses) for r in done])


if __name__ == "__main__":
    unittest.main()
