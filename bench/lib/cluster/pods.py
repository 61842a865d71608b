"""The lives of pods, as the apiserver told them while they were: a pod that is gone tells nothing.

What follows them writes all of it into files; what is asked afterwards is read from there.
"""

import datetime
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from harness.processes import Child, Children

from . import follow, places
from .kubectl import SELECTOR, Kubectl, several

AUDIT = '"message":"audit: '


@dataclass
class Container:
    """One run of the container: a pod whose container is restarted in place has several."""

    started_at: float
    ended_at: float | None = None
    exit_code: int | None = None
    message: str = ""  # what it left in its termination log
    last_words: str = ""  # the audit as its log has it
    identity: str = ""  # the runtime's: two runs may begin in the same second

    @property
    def audit(self) -> dict:
        """The kubelet may not have had the time to tell of it; then its log has it."""
        return as_object(self.message) or as_object(self.last_words)


@dataclass
class Life:
    """A pod. Times are Unix seconds, of the apiserver's and the kubelet's whole seconds."""

    name: str
    created_at: float
    ready_at: float | None = None
    deleted_at: float | None = None  # when it was told to go
    containers: list[Container] = field(default_factory=list)
    grace_seconds: float = 0.0  # that it has from its deletion on
    gone: bool = False  # from the apiserver
    unready_at: float | None = None  # the first time that it was not ready any more

    @property
    def ended_at(self) -> float | None:
        return self.containers[-1].ended_at if self.containers else self.deleted_at

    @property
    def exit_codes(self) -> list[int]:
        return [each.exit_code for each in self.containers if each.exit_code is not None]

    def is_overdue(self, now: float) -> bool:
        return self.deleted_at is not None and now > self.deleted_at + self.grace_seconds + 1

    def describe(self) -> str:
        audits = [each.audit for each in self.containers if each.audit]
        text = f"{self.name}: exit {', '.join(map(str, self.exit_codes)) or 'unseen'}"
        keys = ("requests_answered", "requests_cut", "accepted_in_window", "last_arrival_ms")
        counts = [f"{key} {audit[key]:,}" for audit in audits for key in keys if key in audit]
        return f"{text}; {', '.join(counts)}" if counts else text


class Watch:
    """Follows the pods of a case from its beginning (follow.py)."""

    def __init__(self, kubectl: Kubectl, children: Children, folder: Path, errors: Path):
        self._folder = folder
        argv = [sys.executable, "-B", "-m", "cluster.follow", str(kubectl.binary)]
        argv += [str(kubectl.kubeconfig), kubectl.namespace, SELECTOR, str(folder), str(errors)]
        (folder / follow.CHANGES).touch()
        self._child: Child = children.start("following the pods", argv, cwd=places.LIB)

    def check_running(self) -> None:
        self._child.check_running()

    def lives(self) -> list[Life]:
        found: dict[str, Life] = {}
        for event in several((self._folder / follow.CHANGES).read_text(errors="replace")):
            see(found, event["object"], event["type"])
        for life in found.values():
            for run, container in enumerate(life.containers):
                container.last_words = self.last_words(life.name, run)
        return sorted(found.values(), key=lambda life: life.created_at)

    def last_words(self, pod: str, run: int) -> str:
        lines = reversed(self.log(pod, run).splitlines())
        return next((line for line in lines if AUDIT in line), "")

    def log(self, pod: str, run: int) -> str:
        """What the container said in this run of it."""
        file = self._folder / follow.log_name(pod, run)
        return file.read_text(errors="replace") if file.exists() else ""


def see(found: dict[str, Life], pod: dict, change: str = "MODIFIED") -> None:
    """Takes a change into account. `change` is the apiserver's word for it."""
    metadata, status = pod["metadata"], pod.get("status", {})
    name = metadata["name"]
    life = found.setdefault(name, Life(name, unix(metadata["creationTimestamp"])))
    life.gone = change == "DELETED"
    for condition in status.get("conditions", ()):
        if condition["type"] != "Ready":
            continue
        changed_at = unix(condition["lastTransitionTime"])
        if condition["status"] == "True":
            life.ready_at = life.ready_at or changed_at
        elif life.ready_at:
            life.unready_at = life.unready_at or changed_at
    if "deletionTimestamp" in metadata:  # when its grace period will be over
        grace = metadata.get("deletionGracePeriodSeconds") or 0
        if life.deleted_at is None:
            life.deleted_at = unix(metadata["deletionTimestamp"]) - grace
            life.grace_seconds = grace
    for container in status.get("containerStatuses", ()):
        for state in (container.get("lastState", {}), container.get("state", {})):
            see_container(life, state, container.get("containerID", ""))


def see_container(life: Life, state: dict, current: str) -> None:
    """`current`: the identity of what runs; what has ended names its own."""
    told = state.get("running") or state.get("terminated")
    if not told or not told.get("startedAt"):
        return
    run = unix(told["startedAt"]), told.get("containerID", current)
    known = (each for each in life.containers if (each.started_at, each.identity) == run)
    container = next(known, None)
    if container is None:
        container = Container(run[0], identity=run[1])
        life.containers.append(container)
    if "terminated" in state:
        container.ended_at = unix(told["finishedAt"])
        container.exit_code = told["exitCode"]
        container.message = told.get("message", "")


def as_object(text: str) -> dict:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def unix(text: str) -> float:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
