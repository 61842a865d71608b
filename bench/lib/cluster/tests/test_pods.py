"""What a watch has written is read as the lives that pods had."""

import json
import unittest

from cluster.kubectl import several
from cluster.pods import Life, see

CREATED, DELETED = "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z"
READY, ENDED = "2026-01-01T00:00:02Z", "2026-01-01T00:01:12Z"
DELETED_AFTER = 60  # the deletion's time is the end of a grace period of 30 s


def pod(state: dict | None = None, last: dict | None = None, **metadata) -> dict:
    status = {
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": READY}],
        "containerStatuses": [{"state": state or {}, "lastState": last or {}}],
    }
    named = {"name": "a", "creationTimestamp": CREATED} | metadata
    return {"metadata": named, "status": status}


def ended(code: int, message: str = "", started: str = READY) -> dict:
    told = {"startedAt": started, "finishedAt": ENDED, "exitCode": code, "message": message}
    return {"terminated": told}


class Lives(unittest.TestCase):
    def test_a_pod_that_the_apiserver_has_forgotten_is_gone(self):
        see(self.found, pod())
        self.assertFalse(self.found["a"].gone)
        see(self.found, pod(), "DELETED")
        self.assertTrue(self.found["a"].gone)

    def setUp(self):
        self.found: dict[str, Life] = {}

    def see(self, each: dict) -> Life:
        see(self.found, each)
        return self.found["a"]

    def test_a_deletion_is_when_the_pod_was_told_not_when_its_grace_ends(self):
        leaving = pod(deletionTimestamp=DELETED, deletionGracePeriodSeconds=30)
        life = self.see(leaving)
        self.assertEqual(life.deleted_at - life.created_at, DELETED_AFTER)

    def test_a_later_shorter_grace_does_not_move_the_deletion(self):
        self.see(pod(deletionTimestamp=DELETED, deletionGracePeriodSeconds=30))
        life = self.see(pod(deletionTimestamp=DELETED, deletionGracePeriodSeconds=0))
        self.assertEqual(life.deleted_at - life.created_at, DELETED_AFTER)

    def test_the_termination_message_is_the_audit(self):
        life = self.see(pod(ended(0, '{"exit":0,"requests_answered":7}')))
        self.assertEqual(life.exit_codes, [0])
        self.assertEqual(life.containers[0].audit["requests_answered"], 7)

    def test_a_message_that_is_no_audit_is_none(self):
        self.assertEqual(self.see(pod(ended(1, "io_uring is denied"))).containers[0].audit, {})

    def test_a_container_restarted_in_place_is_a_second_one(self):
        self.see(pod(ended(0, started=CREATED)))
        life = self.see(pod({"running": {"startedAt": READY}}, ended(0, started=CREATED)))
        self.assertEqual([each.exit_code for each in life.containers], [0, None])

    def test_so_is_one_that_began_in_the_same_second(self):
        killed = ended(137)
        killed["terminated"]["containerID"] = "runtime://1"
        self.see(pod(killed))
        again = pod(ended(0), killed)
        again["status"]["containerStatuses"][0]["state"]["terminated"]["containerID"] = "runtime://2"
        self.assertEqual(self.see(again).exit_codes, [137, 0])

    def test_a_pod_that_was_ready_and_is_not_any_more_says_so(self):
        self.assertIsNone(self.see(pod()).unready_at)
        stalled = pod()
        stalled["status"]["conditions"][0] |= {"status": "False", "lastTransitionTime": ENDED}
        life = self.see(stalled)
        self.assertEqual(life.unready_at - life.created_at, 72)
        self.assertEqual(self.see(pod()).unready_at, life.unready_at)


class Stream(unittest.TestCase):
    def test_objects_follow_each_other_and_a_half_one_is_left(self):
        text = json.dumps({"a": 1}, indent=2) + "\n" + json.dumps({"b": 2}) + '\n{"c": '
        self.assertEqual(several(text), [{"a": 1}, {"b": 2}])
