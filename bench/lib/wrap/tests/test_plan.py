"""How a program is started, bare and behind lastcall."""

import unittest
from pathlib import Path

from harness.replica import Slot
from harness.servers import Binaries
from wrap.programs import PROGRAMS, WAYS, server_of
from wrap.run import Plan, setting_of

BINARIES = Binaries(Path("/lastcall"), Path("/peer"), Path("/vegeta"))
SLOT = Slot(8001, health_port=8002, inner_port=8003)


def plan(program: str, way: str, rate: int = 1000) -> Plan:
    setting = setting_of(PROGRAMS[program], BINARIES, rate, replicas=2, drain_window=5)
    return Plan(setting, PROGRAMS[program], WAYS[way])


class Bare(unittest.TestCase):
    def test_it_serves_where_the_proxy_sends(self):
        self.assertEqual(
            plan("go-exit", "bare").argv(SLOT, ""),
            ["/peer", "-listen", "127.0.0.1:8001", "-mode", "exit"],
        )

    def test_its_port_is_in_its_environment_and_its_health_is_its_own(self):
        launch = plan("node", "bare").launch("")
        self.assertEqual(launch.environment(SLOT), {"PORT": "8001"})
        self.assertEqual(launch.health_path, "")  # it has none: a connection is enough
        self.assertFalse(launch.has_health_port)


class Wrapped(unittest.TestCase):
    def test_lastcall_serves_there_and_the_program_unchanged_behind_it(self):
        argv = plan("go-exit", "lastcall").argv(SLOT, "")
        mine, inner = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
        self.assertEqual(mine[0], "/lastcall")
        self.assertEqual(mine[mine.index("--listen") + 1], "127.0.0.1:8001")
        self.assertEqual(mine[mine.index("--admin-listen") + 1], "127.0.0.1:8002")
        self.assertEqual(mine[mine.index("--upstream") + 1], "127.0.0.1:8003")
        self.assertEqual(inner, ["/peer", "-listen", "127.0.0.1:8003", "-mode", "exit"])

    def test_its_health_is_lastcalls(self):
        launch = plan("node", "lastcall").launch("")
        self.assertTrue(launch.has_health_port)
        self.assertEqual(launch.health_path, "/readyz")
        self.assertEqual(launch.environment(SLOT), {})  # lastcall tells it its port

    def test_the_engine_is_told_to_lastcall_and_not_to_the_program(self):
        argv = plan("go-exit", "epoll").argv(SLOT, "")
        self.assertIn("epoll", argv[: argv.index("--")])
        self.assertNotIn("epoll", argv[argv.index("--") :])

    def test_work_after_answers_has_its_time(self):
        argv = plan("incr", "lastcall").argv(SLOT, "redis://127.0.0.1:1")
        self.assertEqual(argv[argv.index("--after-drain") + 1], "6000ms")
        self.assertIn("redis://127.0.0.1:1", argv[argv.index("--") :])
        argv = plan("go-exit", "lastcall").argv(SLOT, "")
        self.assertEqual(argv[argv.index("--after-drain") + 1], "0ms")

    def test_the_grace_period_is_that_of_the_one_sum(self):
        argv = plan("incr", "lastcall").argv(SLOT, "redis://127.0.0.1:1")

        def seconds(option: str) -> float:
            return int(argv[argv.index(option) + 1].removesuffix("ms")) / 1000

        steps = ("--drain-window", "--shutdown-timeout", "--after-drain", "--stop-timeout")
        self.assertGreaterEqual(seconds("--grace-period"), sum(map(seconds, steps)) + 3)


class Loads(unittest.TestCase):
    def test_a_program_is_asked_for_what_it_can_do(self):
        self.assertEqual(plan("flask", "bare").setting.rate, 20)
        self.assertEqual(plan("flask", "bare", rate=5).setting.rate, 5)
        self.assertEqual(plan("node", "bare").setting.rate, 1000)

    def test_the_load_outlasts_answers_and_work_after_them(self):
        seconds = {name: plan(name, "lastcall").setting.seconds for name in PROGRAMS}
        self.assertEqual(seconds["flask"], seconds["node"] + 2 * 5)
        self.assertEqual(seconds["incr"], seconds["node"] + 2 * 6)

    def test_bare_and_behind_lastcall_the_load_is_the_same(self):
        for name in PROGRAMS:
            bare, wrapped = plan(name, "bare").setting, plan(name, "lastcall").setting
            self.assertEqual(bare, wrapped)


class Judged(unittest.TestCase):
    def test_bare_must_lose_and_behind_lastcall_must_not(self):
        for program in PROGRAMS.values():
            for way in WAYS.values():
                self.assertIs(server_of(program, way).must_lose, way.is_bare)
