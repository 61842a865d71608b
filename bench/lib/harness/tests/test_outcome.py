"""Which class a request belongs to, and the sums over many."""

import math
import unittest

from harness import outcome
from harness.outcome import Result, classify, classify_error, percentile, tally

DIAL = 'Post "http://127.0.0.1:9000/echo": dial tcp 0.0.0.0:0->127.0.0.1:9000: '
READ = 'Post "http://127.0.0.1:9000/echo": read tcp 127.0.0.1:5->127.0.0.1:9000: read: '


def answer(code: int = 200, error: str = "", body: bytes = b"hi", at: float = 100.0) -> Result:
    return Result(sent_at=at, latency=0.001, code=code, error=error, body=body)


class Classification(unittest.TestCase):
    def test_only_the_right_body_with_status_200_is_an_answer(self):
        self.assertEqual(classify(answer(), b"hi"), outcome.ANSWERED)
        self.assertEqual(classify(answer(body=b"h"), b"hi"), outcome.WRONG)
        self.assertEqual(classify(answer(body=b"hi!"), b"hi"), outcome.WRONG)
        self.assertEqual(classify(answer(code=404), b"hi"), outcome.WRONG)
        self.assertEqual(classify(answer(code=204), b"hi"), outcome.WRONG)

    def test_a_status_of_5xx_is_a_class_of_its_own(self):
        result = answer(code=503, error="503 Service Unavailable")
        self.assertEqual(classify(result, b"hi"), outcome.STATUS_5XX)

    def test_a_body_cut_short_is_lost_in_spite_of_its_status(self):
        result = answer(error="unexpected EOF", body=b"h")
        self.assertEqual(classify(result, b"hi"), outcome.EOF)

    def test_no_answer_and_no_error_is_not_an_answer(self):
        self.assertEqual(classify(answer(code=0, body=b""), b""), outcome.WRONG)

    def test_errors_of_gos_client_have_their_class(self):
        for error, expected in (
            (DIAL + "connect: connection refused", outcome.REFUSED),
            (READ + "connection reset by peer", outcome.RESET),
            ("write tcp 127.0.0.1:5->127.0.0.1:9000: write: broken pipe", outcome.RESET),
            ('Post "http://127.0.0.1:9000/echo": EOF', outcome.EOF),
            ("http: server closed idle connection", outcome.EOF),
            (DIAL + "i/o timeout", outcome.TIMEOUT),
            ("context deadline exceeded (Client.Timeout exceeded)", outcome.TIMEOUT),
            (DIAL + "connect: cannot assign requested address", outcome.HARNESS),
            (DIAL + "bind: address already in use", outcome.HARNESS),
            (DIAL + "socket: too many open files", outcome.HARNESS),
            (DIAL + "connect: no route to host", outcome.OTHER),
        ):
            with self.subTest(error):
                self.assertEqual(classify_error(error), expected)


class Percentiles(unittest.TestCase):
    def test_are_values_that_occurred(self):
        values = [float(n) for n in range(1, 1001)]
        self.assertEqual(percentile(values, 50), 500)
        self.assertEqual(percentile(values, 99), 990)
        self.assertEqual(percentile(values, 99.9), 999)
        self.assertEqual(percentile(values, 100), 1000)

    def test_of_one_value_are_that_value_and_of_none_are_nothing(self):
        self.assertEqual(percentile([7.0], 50), 7.0)
        self.assertTrue(math.isnan(percentile([], 99)))

    def test_none_lost_of_three_thousand_is_at_most_one_in_a_thousand(self):
        self.assertAlmostEqual(outcome.bound_of_none(3000), 0.001)
        self.assertEqual(outcome.bound_of_none(0), 1.0)


class Tallies(unittest.TestCase):
    def test_count_by_class_and_by_slice_of_the_sending(self):
        results = [answer(at=100.00), answer(at=100.05), answer(503, at=100.25)]
        counted = tally(results, b"hi")
        self.assertEqual((counted.requests, counted.answered, counted.lost), (3, 2, 1))
        self.assertEqual(counted.lost_by, {outcome.STATUS_5XX: 1})
        self.assertEqual(counted.bins, [[2, 0], [0, 0], [0, 1]])
        self.assertEqual(counted.began_at, 100.0)

    def test_a_result_sent_before_the_first_one_read_is_in_the_first_slice(self):
        counted = tally([answer(at=100.0), answer(at=99.9)], b"hi")
        self.assertEqual(counted.bins, [[2, 0]])

    def test_of_nothing_is_zero(self):
        counted = tally([], b"hi")
        self.assertEqual((counted.requests, counted.bins), (0, []))
