"""How losses are counted, and what a row is judged by."""

import argparse
import contextlib
import io
import unittest
import xml.etree.ElementTree as xml
from dataclasses import replace
from unittest import mock

from cluster import experiments, picture, plan, report, runs, verdict
from cluster.case import Case
from cluster.clusters import Cluster
from cluster.deployment import lastcall_flags
from cluster.event import Event, Run, share_out, since
from cluster.images import Images
from cluster.load import NO_ROUTE, tally
from cluster.pods import Container, Life
from cluster.row import Row
from cluster.runs import judge
from cluster.scope import Scope
from cluster.servers import GO, HARD, LASTCALL, Shape
from cluster.standing import waits_for
from cluster.strays import ready_throughout
from harness.outcome import STATUS_5XX, Result
from harness.vegeta import ATTACKS

BODY = ATTACKS["post"].expected
PLAN = plan.Plan("x", 1, plan.roll)


def results(lost: str = "", count: int = 10) -> list[Result]:
    good = [Result(100 + 0.01 * n, 0.001, 200, "", BODY) for n in range(count)]
    return [*good, Result(100.5, 0.001, 0, lost, b"")] if lost else good


def row(server, must_lose, attack: str = "post", lost: str = "") -> Row:
    run = Run(tally(results(lost), BODY), Event(100.1, 0.2))
    return Row("x", Case(server, Shape(), must_lose=must_lose), ATTACKS[attack], runs=[run])


class Losses(unittest.TestCase):
    def test_a_missing_route_is_a_class_of_its_own(self):
        counted = tally(results("dial tcp: connect: no route to host"), BODY)
        self.assertEqual(dict(counted.lost_by), {NO_ROUTE: 1})

    def test_a_promise_breaks_with_one_lost_request(self):
        self.assertTrue(row(LASTCALL, False, lost="EOF").problems())
        self.assertFalse(row(LASTCALL, False).problems())

    def test_what_a_node_refused_by_itself_is_lost_but_not_by_the_server(self):
        mine = row(LASTCALL, False, lost="connection refused")
        share_out(3, mine.runs, mine.events[0])
        self.assertEqual((mine.lost, mine.lost_by_server, mine.problems()), (1, 0, []))
        self.assertEqual(len(mine.events[0].notes), 1)
        self.assertEqual(report.as_object(mine, [])["strays"], 1)

    def test_too_many_of_them_are_no_race_and_excuse_nothing(self):
        mine = row(LASTCALL, False, lost="connection refused")
        share_out(4, mine.runs, mine.events[0])
        self.assertEqual(mine.strays, 0)
        self.assertTrue(mine.problems())

    def test_behind_a_proxy_they_are_a_status_and_no_loss_of_the_controls_either(self):
        mine = row(HARD, True)
        mine.runs[0].tally.lost_by[STATUS_5XX] += 1
        share_out(1, mine.runs, mine.events[0], behind_proxy=True)
        self.assertEqual(mine.strays, 1)

    def test_what_was_excused_is_said_in_the_end(self):
        mine = row(LASTCALL, False, lost="connection refused")
        share_out(1, mine.runs, mine.events[0])
        self.assertIn("but for 1 that no rule", verdict.judgement([mine]))

    def test_rotation_is_surely_never_empty_only_where_ready_pods_overlap(self):
        def pod(
            ready_at: float | None, deleted_at: float | None, runs: int = 1, unready=None
        ) -> Life:
            containers = [Container(1.0) for _ in range(runs)]
            return Life("x", 1.0, ready_at, deleted_at, containers=containers, unready_at=unready)

        for lives, expected in (
            ([pod(90, None)], True),
            ([pod(90, 120), pod(110, None)], True),
            ([pod(90, 120), pod(118, None)], False),
            ([pod(90, 120), pod(110, 130), pod(125, None)], True),
            ([pod(90, 120), pod(None, None)], False),
            ([pod(101, None)], False),
            ([pod(90, None, runs=2)], False),
            ([pod(90, 149)], False),
            ([pod(90, None, unready=120)], False),
            ([pod(90, None, unready=120), pod(110, None)], True),
            ([], False),
        ):
            self.assertEqual(ready_throughout(lives, 100, 150), expected, lives)

    def test_a_control_that_loses_nothing_proves_nothing(self):
        self.assertTrue(verdict.idle_controls([row(HARD, True)]))
        self.assertFalse(verdict.idle_controls([row(HARD, True, lost="EOF")]))

    def test_vegeta_may_hide_a_lost_get_so_it_judges_no_control(self):
        self.assertFalse(verdict.idle_controls([row(HARD, True, "get")]))

    def test_of_the_attacks_upon_a_control_one_that_lost_is_enough(self):
        self.assertFalse(verdict.idle_controls([row(HARD, True, lost="EOF"), row(HARD, True)]))


class Lives(unittest.TestCase):
    def test_what_ended_before_the_attack_belongs_to_another_one(self):
        old = Life("old", 0, 1, 2, [Container(0, 5.0, 0)])
        restarted = Life("restarted", 0, 1, None, [Container(0, 5.0, 0), Container(6.0)])
        found = since([old, restarted], 50)
        self.assertEqual([life.name for life in found], ["restarted"])
        self.assertEqual(len(found[0].containers), 1)

    def test_an_audit_that_names_what_no_client_lost_is_told(self):
        named = Container(0, 60.0, 0, '{"requests_cut": 1}')
        event = Event(0, lives=[Life("a", 0, 1, 2, [named])])
        judge(event, 0, PLAN)
        self.assertEqual(event.broken, ["a names 1 lost, its clients none"])

    def test_a_pod_that_is_gone_and_whose_end_was_not_seen_is_told(self):
        event = Event(0, lives=[Life("a", 0, 1, 2, [Container(0)], gone=True)])
        judge(event, 0, PLAN)
        self.assertEqual(event.broken, ["a was told to go, and its end was not seen"])

    def test_an_exit_that_a_refused_pod_may_have_is_no_ready_ones(self):
        lenient = replace(PLAN, refusals_meant=(1,))
        for ready_at, expected in ((None, 0), (1, 2)):  # the code, and no audit
            event = Event(0, lives=[Life("a", 0, ready_at, None, [Container(0, 60.0, 1)])])
            judge(event, 0, lenient)
            self.assertEqual(len(event.broken), expected)


class Waiting(unittest.TestCase):
    def test_why_a_pod_does_not_run_is_what_the_kubelet_or_the_scheduler_says(self):
        pulling = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
        pod = {"status": {"containerStatuses": [{"state": pulling}]}}
        self.assertEqual(waits_for(pod), "ErrImagePull: not found")
        full = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        self.assertEqual(waits_for({"status": {"conditions": [full]}}), "Unschedulable")

    def test_a_pod_that_runs_waits_for_nothing(self):
        status = {"containerStatuses": [{"state": {"running": {}}}]}
        self.assertEqual(waits_for({"status": status}), "")


class Scopes(unittest.TestCase):
    def test_only_the_servers_that_were_asked_for(self):
        both = [Case(LASTCALL, Shape()), Case(HARD, Shape())]
        self.assertEqual(Scope(servers=("hard",)).of(both), both[1:])
        self.assertEqual(Scope().of(both), both)


class Chosen(unittest.TestCase):
    """Of the experiments, in a cluster of somebody else."""

    def select(self, *names: str) -> tuple[list[str], list[str]]:
        theirs = Cluster(None, None, Images("x"), is_ours=False)
        told: list[str] = []
        chosen = argparse.Namespace(experiments=names, quick=False)
        return [each.name for each in experiments.select(theirs, chosen, told.append)], told

    def test_what_needs_our_nodes_is_left_out_and_told(self):
        names, (told,) = self.select()
        self.assertIn("rollout", names)
        self.assertNotIn("node-drain", names)
        self.assertIn("node-drain", told)

    def test_what_was_asked_for_is_had(self):
        self.assertEqual(self.select("rollout"), (["rollout"], []))


class Retries(unittest.TestCase):
    """Of a run for which the machine was too slow."""

    def runs(self, must_lose, *, lost: str = "", broken: str = "") -> int:
        """How often it was run."""
        mine = row(LASTCALL, must_lose)
        event = Event(0, invalid=["too slow"], broken=[broken] if broken else [])
        run = Run(tally(results(lost), BODY), event)
        with mock.patch.object(runs, "run_once", return_value=[run]) as once:
            runs.run_valid(None, Scope(), None, [mine], "")
        return once.call_count

    def test_it_is_repeated_once(self):
        self.assertEqual(self.runs(False), 2)
        self.assertEqual(self.runs(True, lost="EOF"), 2)

    def test_but_not_where_a_promise_was_broken(self):
        self.assertEqual(self.runs(False, lost="EOF"), 1)
        self.assertEqual(self.runs(False, broken="exit code 3, not 0"), 1)


class Judged(unittest.TestCase):
    """What is said when nothing failed."""

    def test_a_kept_get_alone_shows_nothing(self):
        rows = [row(LASTCALL, False, "get"), row(HARD, True, "get")]
        self.assertEqual(verdict.judgement(rows), "nothing was judged")

    def test_without_a_control_it_says_so(self):
        self.assertIn("without a control", verdict.judgement([row(LASTCALL, False)]))

    def test_with_one_likewise(self):
        rows = [row(LASTCALL, False), row(HARD, True, lost="EOF")]
        self.assertIn("each control lost something", verdict.judgement(rows))


class Compared(unittest.TestCase):
    """Latencies beside those of Go."""

    def rows(self, way: str = "service") -> tuple[Row, Row]:
        found = row(LASTCALL, False), row(GO, None)
        for each in found:
            each.experiment, each.way = "rollout", way
        return found

    def worse(self, factor: float, way: str = "service") -> list[str]:
        mine, theirs = self.rows(way)
        slow = (replace(each, latency=each.latency * factor) for each in results())
        mine.runs[0].tally = tally(slow, BODY)
        with contextlib.redirect_stdout(io.StringIO()):
            return verdict.compare([[mine], [theirs]])

    def test_no_worse_is_no_failure(self):
        self.assertEqual(self.worse(1), [])

    def test_a_row_of_go_that_is_invalid_compares_nothing(self):
        mine, theirs = self.rows()
        theirs.runs[0].invalid = ["too slow"]
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(len(verdict.compare([[mine], [theirs]])), 1)

    def test_beyond_noise_and_what_was_published_it_is_one(self):
        self.assertEqual(self.worse(20), [])
        (problem,) = self.worse(100)
        self.assertIn("p99 is 100.00 of Go's", problem)
        self.assertEqual(len(self.worse(200)), 2)

    def test_only_where_attacks_come_one_by_one_for_it(self):
        self.assertEqual(self.worse(200, "HAProxy"), [])


class Flags(unittest.TestCase):
    def test_the_lead_is_never_longer_than_the_window(self):
        flags = lastcall_flags([], LASTCALL, Shape(window=3, lead=5))
        self.assertIn("--serving-lead=3s", flags)

    def test_what_an_experiment_wants_is_said_once(self):
        shape = Shape(flags=("--max-connections=5",))
        flags = lastcall_flags(["--max-connections=9"], LASTCALL, shape)
        self.assertNotIn("--max-connections=9", flags)
        self.assertIn("--max-connections=5", flags)

    def test_the_manifests_own_stay_but_for_the_numbers(self):
        flags = lastcall_flags(
            ["--log-format=json", "--drain-window=15s"], LASTCALL, Shape(window=3)
        )
        self.assertIn("--log-format=json", flags)
        self.assertIn("--drain-window=3s", flags)
        self.assertNotIn("--drain-window=15s", flags)


class Picture(unittest.TestCase):
    def test_is_a_picture(self):
        each = row(LASTCALL, False, lost="EOF")
        each.events[0].lives = [Life("a-b-c", 99, 100.1, 100.2, [Container(99, 100.4, 0)])]
        xml.fromstring(picture.picture("Title <&>", "subtitle", [[each, each]]))

    def test_a_life_has_its_phases_from_its_audit(self):
        ended = Container(
            1, 60.0, 0, '{"draining_ms": 10000, "settling_ms": 500, "closing_ms": 1500}'
        )
        spans = picture.phases(Life("a", 0, 2, 48, [ended]), 99, "blue")
        self.assertEqual([span[:2] for span in spans], [(0, 2), (2, 48), (48, 58), (58, 60)])
