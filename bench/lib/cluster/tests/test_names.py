"""The cluster's DNS: what it answers, and what it does not answer."""

import struct
import unittest

from cluster.names import NO_SUCH_NAME, OK, SERVER_FAILED, address_of, answer

TYPE_A, TYPE_AAAA = 1, 28
NAME = "redis.here.svc.cluster.local"


def question(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def code_and_answers(reply: bytes) -> tuple[int, int]:
    _, flags, _, answers = struct.unpack_from("!4H", reply)
    return flags & 0xF, answers


class Answers(unittest.TestCase):
    def test_a_service_has_its_address(self):
        reply = answer(question(NAME, TYPE_A), lambda _: "10.96.0.9")
        self.assertEqual(code_and_answers(reply), (OK, 1))
        self.assertTrue(reply.endswith(bytes([10, 96, 0, 9])))

    def test_names_are_asked_for_in_small_letters(self):
        asked = []
        answer(question("Redis.Here", TYPE_A), asked.append)
        self.assertEqual(asked, [["redis", "here"]])

    def test_of_another_type_there_is_nothing_but_the_name_exists(self):
        reply = answer(question(NAME, TYPE_AAAA), lambda _: "10.96.0.9")
        self.assertEqual(code_and_answers(reply), (OK, 0))

    def test_a_name_that_is_none_does_not_exist(self):
        reply = answer(question(NAME, TYPE_A), lambda _: None)
        self.assertEqual(code_and_answers(reply)[0], NO_SUCH_NAME)

    def test_an_apiserver_that_is_away_is_told_as_a_failure(self):
        def away(_labels):
            raise OSError

        self.assertEqual(code_and_answers(answer(question(NAME, TYPE_A), away))[0], SERVER_FAILED)

    def test_names_outside_the_cluster_are_not_looked_for(self):
        self.assertIsNone(address_of(["example", "com"]))

    def test_rubbish_gets_no_reply(self):
        for text in (b"", b"abc", question(NAME, TYPE_A)[:-3]):
            with self.subTest(text):
                self.assertIsNone(answer(text, lambda _: None))
