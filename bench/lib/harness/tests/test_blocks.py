"""Blocks of bench/README.md: exactly theirs is replaced, and what cannot be is told in one line."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness import blocks
from harness.blocks import Block, marks, provenance, replaced
from harness.processes import HarnessError

COMMAND, OTHER = "bench/this", "bench/that"


def block(command: str, body: str) -> str:
    begin, end = marks(command)
    return f"{begin}\n\n{body}\n\n{end}"


TEXT = f"# Title\r\n\n{block(OTHER, 'that')}\n\n{block(COMMAND, 'old')}  \n\nEnds without a line"


class Texts(unittest.TestCase):
    def test_exactly_the_block_is_replaced(self):
        expected = TEXT.replace("old", "| new |")
        self.assertEqual(replaced(TEXT, COMMAND, "| new |"), expected)
        self.assertEqual(replaced(expected, COMMAND, "| new |"), expected)

    def test_sentences_are_wrapped_and_tables_are_not(self):
        table, words = "| " + "x" * 200 + " |", "word " * 50
        told, sentences = blocks.wrapped(f"{table}\n\n{words}").split("\n\n")
        self.assertEqual(told, table)
        self.assertEqual(sentences.split(), words.split())
        self.assertLessEqual(max(map(len, sentences.split("\n"))), blocks.COLUMNS)

    def test_a_missing_mark_is_told_in_one_line(self):
        for mark in marks(COMMAND):
            with self.assertRaisesRegex(HarnessError, "no block of bench/this: <!--") as told:
                replaced(TEXT.replace(mark, ""), COMMAND, "new")
            self.assertNotIn("\n", str(told.exception))

    def test_where_it_was_measured_is_said_if_git_knows(self):
        day = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
        self.assertRegex(provenance("351ff91"), rf"^Measured on {day} at 351ff91\.$")
        self.assertRegex(provenance(""), rf"^Measured on {day}\.$")


class Commits(unittest.TestCase):
    def commit(self, *said: str | Exception) -> str:
        with mock.patch.object(blocks, "_git", side_effect=said):
            return blocks.commit()

    def test_one_that_was_changed_says_so(self):
        self.assertEqual(self.commit("351ff91\n", ""), "351ff91")
        self.assertEqual(self.commit("351ff91\n", " M src/main.cc\n"), "351ff91, with changes")

    def test_there_is_none_without_git(self):
        self.assertEqual(self.commit(FileNotFoundError()), "")


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "README.md"
        self.told: list[str] = []

    def publish(self, exit_code: int) -> bytes:
        Block(COMMAND, self.file).publish(exit_code, "| new |", self.told.append)
        return self.file.read_bytes()

    def test_all_but_the_block_is_left_byte_for_byte(self):
        before = TEXT.encode() + b"\xff\r\n"
        self.file.write_bytes(before)
        after = self.publish(0)
        self.assertIn(b"| new |\n\nMeasured on ", after)
        for part in before.split(b"old"):
            self.assertIn(part, after)

    def test_a_run_that_failed_is_not_published(self):
        self.file.write_bytes(TEXT.encode())
        self.assertEqual(self.publish(1), TEXT.encode())
        self.assertIn("the run failed", self.told[0])

    def test_what_cannot_be_written_is_known_before_anything_is_measured(self):
        with self.assertRaisesRegex(HarnessError, "does not exist"):
            Block(COMMAND, self.file)
        self.file.write_text("nothing")
        with self.assertRaisesRegex(HarnessError, "no block of bench/this"):
            Block(COMMAND, self.file)

    def test_the_readme_has_a_block_for_each_command(self):
        for command in ("rollout", "count", "cluster", "listener-close", "throughput"):
            replaced(blocks.README.read_text(encoding="utf-8"), f"bench/{command}", "")
