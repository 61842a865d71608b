"""Pods' own counts against what their clients saw."""

import unittest
from collections import Counter

from cluster.accounts import Accounts, Told
from harness.outcome import Tally


def seen(lost: int = 0, **answered: int) -> Accounts:
    accounts = Accounts()
    tally = Tally(served={pod: [count - 1, 1] for pod, count in answered.items()})
    tally.lost_by["eof"] = lost
    accounts.add(tally)
    return accounts


def told(answered: int, probes: int = 0, undelivered: int = 0) -> Told:
    found = Told()
    found.add(
        {
            "requests_answered": answered,
            "probes_received": probes,
            "requests_undelivered": undelivered,
        }
    )
    return found


class Books(unittest.TestCase):
    def test_what_pods_answered_is_what_clients_saw_but_for_the_probes(self):
        self.assertEqual(seen(a=10, b=5).disagreements({"a": told(17, 7), "b": told(5)}), [])

    def test_an_answer_too_many_or_too_few_is_told(self):
        for answered in (9, 11):
            found = seen(a=10).disagreements({"a": told(answered)})
            self.assertEqual(found, [f"a says that it answered {answered}, its clients 10"])

    def test_an_answer_that_a_client_lost_may_have_been_sent(self):
        self.assertEqual(seen(lost=1, a=10).disagreements({"a": told(11)}), [])

    def test_one_lost_answer_excuses_one_pod(self):
        found = seen(lost=1, a=10, b=10).disagreements({"a": told(11), "b": told(11)})
        self.assertEqual(len(found), 2)

    def test_a_refused_request_was_answered_by_nobody(self):
        accounts = seen(a=10)
        accounts.add(Tally(lost_by=Counter({"refused": 1})))
        self.assertEqual(len(accounts.disagreements({"a": told(11)})), 1)

    def test_an_answer_that_arrived_after_all_may_be_called_undelivered(self):
        self.assertEqual(seen(a=10).disagreements({"a": told(9, undelivered=1)}), [])

    def test_a_pod_that_could_not_be_asked_is_not_judged(self):
        unknown = told(3)
        unknown.complete = False
        self.assertEqual(seen(a=10).disagreements({"a": unknown}), [])

    def test_a_pod_that_answered_and_does_not_say_so_is_told(self):
        silent = Told(complete=False, asked_in_vain=True)
        self.assertEqual(len(seen(a=10).disagreements({"a": silent, "b": silent})), 1)

    def test_an_answer_of_nobody_is_told(self):
        self.assertEqual(len(seen(a=1, ghost=2).disagreements({"a": told(1)})), 1)

    def test_the_runs_of_a_container_add_up(self):
        both = told(4, 1)
        both.add(
            {"requests_answered_total": 8, "probes_received_total": 2, "requests_in_flight": 1},
            "_total",
        )
        self.assertEqual(both.answered, 10)
