"""What a case makes of the manifests' arguments."""

import unittest

from cluster.deployment import lastcall_flags, own_flags, peer_flags
from cluster.images import Images
from cluster.manifests import adapted
from cluster.servers import BARE, GO, LASTCALL, WRAPPED, Shape

BASE = ["--listen=[::]:8080", "--drain-window=15s", "--max-connections=9"]
BEHIND = [*BASE, "--upstream=127.0.0.1:3000", "--", "gunicorn", "--bind=x", "app:app"]
IMAGES = Images("lastcall:v1", "peer:v1", "wrapped:v1")


def deployment(arguments: list[str]) -> dict:
    container = {"name": "lastcall", "args": arguments}
    spec = {"template": {"spec": {"containers": [container]}}}
    return {"kind": "Deployment", "metadata": {}, "spec": spec}


def container_of(objects: list[dict]) -> dict:
    return objects[0]["spec"]["template"]["spec"]["containers"][0]


class Flags(unittest.TestCase):
    def test_a_shape_replaces_what_it_names_and_keeps_the_rest(self):
        flags = lastcall_flags(BASE, LASTCALL, Shape(window=10))
        self.assertEqual(flags[:2], ["--listen=[::]:8080", "--max-connections=9"])
        self.assertIn("--drain-window=10s", flags)
        self.assertIn("--served-by", flags)

    def test_a_wrapped_program_stands_behind_lastcalls_own(self):
        flags = lastcall_flags(BEHIND, WRAPPED, Shape(flags=("--after-drain=6s",), command=("-x",)))
        mine, theirs = flags[: flags.index("--")], flags[flags.index("--") :]
        self.assertIn("--after-drain=6s", mine)
        self.assertIn("--upstream=127.0.0.1:3000", mine)
        self.assertNotIn("--served-by", mine)  # its command says who answered
        self.assertEqual(theirs[1], "/peer")
        self.assertEqual(theirs[-1], "-x")
        self.assertNotIn("gunicorn", flags)

    def test_an_option_of_the_command_is_none_of_lastcalls(self):
        self.assertEqual(own_flags(BEHIND), BEHIND[:4])
        self.assertEqual(own_flags(BASE), BASE)

    def test_bare_it_ends_as_its_case_says(self):
        self.assertIn("exit", peer_flags(BARE, Shape()))
        self.assertIn("delay", peer_flags(GO, Shape()))


class Adapted(unittest.TestCase):
    def test_a_command_of_the_manifests_becomes_the_one_that_our_image_has(self):
        found = container_of(adapted([deployment(BEHIND)], IMAGES))
        self.assertEqual(found["image"], "wrapped:v1")
        self.assertEqual(found["args"][:4], BEHIND[:4])
        self.assertEqual(found["args"][5], "/peer")

    def test_without_one_it_is_lastcall_alone(self):
        found = container_of(adapted([deployment(BASE)], IMAGES))
        self.assertEqual((found["image"], found["args"]), ("lastcall:v1", BASE))
