"""The command line of bench/cluster: what would be ignored is refused."""

import contextlib
import io
import unittest

from cluster import options

THEIRS = ["--kubeconfig", __file__, "--address", "http://x:30000", "--image", "x"]


class Options(unittest.TestCase):
    def refused(self, *argv: str) -> str:
        complaint = io.StringIO()
        with contextlib.redirect_stderr(complaint), self.assertRaises(SystemExit) as ended:
            options.parse([*argv])
        self.assertEqual(ended.exception.code, 2)
        self.assertEqual(len(complaint.getvalue().splitlines()), 1)
        return complaint.getvalue()

    def test_alone_it_runs_everything(self):
        self.assertEqual(options.parse([]).command, "run")

    def test_experiments_go_with_run(self):
        self.assertEqual(options.parse(["run", "scale"]).experiments, ["scale"])
        for command in ("build", "up", "down", "shell"):
            self.assertIn("takes no experiments", self.refused(command, "scale"))
        self.assertIn("bench/cluster run scale", self.refused("--quick", "scale"))
        self.assertIn("no command 'rnu', but run", self.refused("rnu", "scale"))

    def test_little_and_much_exclude_each_other(self):
        self.assertIn("not allowed with", self.refused("run", "--quick", "--full"))

    def test_only_a_whole_run_in_our_own_cluster_is_written_down(self):
        self.assertTrue(options.parse(["--write"]).published)
        self.assertIsNone(options.parse(["--write", "--svg", "/tmp"]).published)
        self.assertIn("--write goes without", self.refused("--quick", "--write"))
        self.assertIn("not with --kubeconfig", self.refused("run", "--write", *THEIRS))
        self.assertIn("--write goes with run", self.refused("up", "--write"))

    def test_what_needs_our_nodes_is_refused_in_another_cluster(self):
        self.assertIn("node-drain needs the nodes", self.refused("run", *THEIRS, "node-drain"))

    def test_an_unknown_name_is_told_with_the_known_ones(self):
        self.assertIn("is none of rollout", self.refused("run", "rolout"))
        self.assertIn("is none of lastcall", self.refused("--variant", "nginx"))

    def test_what_is_for_another_cluster_goes_with_its_kubeconfig(self):
        self.assertEqual(options.parse(["run", *THEIRS]).image, "x")
        for option in ("address", "image", "seccomp"):
            value = "Localhost" if option == "seccomp" else "http://x"
            self.assertIn("--kubeconfig", self.refused("run", f"--{option}", value))
        self.assertIn("--image", self.refused("run", *THEIRS[:4]))
        self.assertIn("goes with run", self.refused("up", *THEIRS))

    def test_what_cannot_be_read_or_written_is_told_before_anything_is_built(self):
        there = ["--address", "http://x:30000", "--image", "x"]
        self.assertIn("is no file", self.refused("run", "--kubeconfig", "/nowhere", *there))
        for path in (__file__, f"{__file__}/below"):
            self.assertIn("cannot be made", self.refused("--svg", path))

    def test_what_is_for_a_measurement_goes_with_run(self):
        for command in ("build", "up", "down", "shell"):
            for option in (["--quick"], ["--rate", "5"], ["--json", "/tmp/x"]):
                self.assertIn(f"{option[0]} goes with run", self.refused(command, *option))

    def test_an_address_is_a_node_port(self):
        for url in ("http://172.18.0.2:30080", "http://[fd00::2]:32767/"):
            argv = ["--kubeconfig", __file__, "--address", url, "--image", "x"]
            self.assertEqual(options.parse(argv).address, url)
        hosts = ("http://x", "http://x:80", "http://x:29999", "http://x:32768", "http://:30080")
        for url in (*hosts, "https://x:30080", "http://x:30080/path", "x:30080", "http://x:port"):
            argv = ["--kubeconfig", __file__, "--address", url, "--image", "x"]
            self.assertIn("such as http://172.18.0.2:30080", self.refused(*argv))
