"""What curl says, in the words that the harness knows the classes by."""

import unittest

from cluster.clients import curl_error
from cluster.load import NO_ROUTE, tally
from harness import outcome
from harness.outcome import Result

# As curl 7.88 (Debian 12) and 8.14 (Debian 13) write it.
TRYING = "*   Trying 10.9.9.9:80...\n"
ENDS = (
    """* Failed to connect to 10.9.9.9 port 80 after 0 ms: Couldn't connect to server
* Closing connection 0
curl: (7) Failed to connect to 10.9.9.9 port 80 after 0 ms: Couldn't connect to server
""",
    """* Failed to connect to 10.9.9.9 port 80 after 0 ms: Could not connect to server
* closing connection #0
curl: (7) Failed to connect to 10.9.9.9 port 80 after 0 ms: Could not connect to server
""",
)
PLAIN = "* connect to 10.9.9.9 port 80 failed: "
FROM = "* connect to 10.9.9.9 port 80 from 10.9.9.8 port 57580 failed: "
AT_ONCE = "* Immediate connect fail for 10.9.9.9: "


def class_of(exit_code: int, complaint: str) -> str:
    result = Result(100.0, 0.001, 0, curl_error(exit_code, complaint), b"")
    (name,) = tally([result], None).lost_by
    return name


class Curl(unittest.TestCase):
    def test_why_it_could_not_connect_is_in_what_it_says(self):
        for text, expected in (
            ("Connection refused", outcome.REFUSED),
            ("No route to host", NO_ROUTE),
            ("Cannot assign requested address", outcome.HARNESS),
            ("Network is unreachable", outcome.OTHER),
        ):
            for began in (PLAIN, FROM, AT_ONCE):
                for end in ENDS:
                    complaint = f"{TRYING}{began}{text}\n{end}"
                    self.assertEqual(class_of(7, complaint), expected, complaint)

    def test_where_it_does_not_say_it_is_not_called_refused(self):
        self.assertEqual(class_of(7, TRYING + ENDS[0]), outcome.OTHER)
        self.assertEqual(class_of(7, ""), outcome.OTHER)

    def test_other_exit_codes_speak_for_themselves(self):
        for exit_code, expected in (
            (28, outcome.TIMEOUT),
            (52, outcome.EOF),
            (55, outcome.RESET),
            (56, outcome.RESET),
            (18, outcome.OTHER),
        ):
            self.assertEqual(class_of(exit_code, TRYING), expected)

    def test_what_went_well_is_no_error(self):
        self.assertEqual(curl_error(0, TRYING), "")
