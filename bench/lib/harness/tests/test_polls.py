"""How long polls go on, and that they end."""

import time
import unittest

from harness.polls import polls


class Polls(unittest.TestCase):
    def test_no_time_is_one_look(self):
        self.assertEqual(sum(1 for _ in polls(0, 10)), 1)

    def test_the_last_look_is_when_the_time_is_over(self):
        began = time.monotonic()
        looks = [time.monotonic() - began for _ in polls(0.05, 0.02)]
        self.assertLess(looks[0], 0.02)
        self.assertGreaterEqual(looks[-1], 0.05)
        self.assertLessEqual(len(looks), 4)
        self.assertTrue(all(b - a >= 0.02 for a, b in zip(looks, looks[1:])))


if __name__ == "__main__":
    unittest.main()
