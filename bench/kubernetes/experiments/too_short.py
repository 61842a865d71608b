"""Less time than the drain needs: a grace period cut by hand, and options that do not add up."""

import time

from harness.processes import HarnessError
from harness.vegeta import ATTACKS

from ..case import LASTCALL, SELECTOR, Shape
from ..experiment import Done, Experiment, Plan, Variant
from ..runner import Course, run_all
from ..trial import DEPLOYMENT, Cluster, Event, Trial

SECONDS, LEAD_SECONDS = 40, 4
HAND_SECONDS = 5  # `kubectl delete --grace-period`: nobody tells the process of it
REFUSAL_SECONDS_MAX = 30
POLL_SECONDS = 0.5
KILLED = 137
ARGUMENTS = "/spec/template/spec/containers/0/args"


def delete_in_haste(standing: Trial, event: Event) -> None:
    name = sorted(standing.names())[0]
    grace = f"--grace-period={HAND_SECONDS}"
    standing.kubectl.run("delete", "pod", name, grace, "--wait=false")
    standing.wait_until_gone({name})
    life = next(each for each in standing.watch.lives() if each.name == name)
    took = (life.ended_at or 0) - (life.deleted_at or 0)
    event.notes.append(f"{name}: exit {life.exit_codes}, {took:.0f} s after its deletion")
    if life.exit_codes != [KILLED]:
        event.broken.append(f"{name} ended with {life.exit_codes}, not {KILLED}")


def ask_too_much(standing: Trial, event: Event) -> None:
    """A window that the grace period does not hold: the new pod says so, the old ones serve on."""
    flags = [flag for flag in arguments(standing) if not flag.startswith("--drain-window")]
    flags.append("--drain-window=60s")
    change = [{"op": "replace", "path": ARGUMENTS, "value": flags}]
    standing.kubectl.patch("deployment", "lastcall", change)
    message = wait_for_refusal(standing)
    event.notes.append(f"the new pod's status: {message}")
    if "grace-period" not in message:
        event.broken.append("the pod's status does not say which number to change")
    standing.kubectl.run("rollout", "undo", DEPLOYMENT)
    standing.wait_until_rolled_out(60)


def arguments(standing: Trial) -> list[str]:
    (deployment,) = standing.kubectl.objects("get", DEPLOYMENT)
    return deployment["spec"]["template"]["spec"]["containers"][0]["args"]


def wait_for_refusal(standing: Trial) -> str:
    deadline = time.monotonic() + REFUSAL_SECONDS_MAX
    while time.monotonic() < deadline:
        for pod in standing.kubectl.pods(SELECTOR):
            for status in pod["status"].get("containerStatuses", ()):
                for state in (status.get("lastState", {}), status.get("state", {})):
                    if message := state.get("terminated", {}).get("message"):
                        return message.strip()
        time.sleep(POLL_SECONDS)
    raise HarnessError(f"no pod refused to start within {REFUSAL_SECONDS_MAX} s")


def run(cluster: Cluster, plan: Plan, done: Done) -> None:
    attacks = (ATTACKS["post"],)
    courses = (
        ("delete --grace-period=5", delete_in_haste, None),
        ("window 60 s, grace 30 s", ask_too_much, False),
    )
    for way, action, must_lose in courses:
        course = Course(
            "too-short", SECONDS, action, attacks, LEAD_SECONDS, way=way, exits_meant=(2, KILLED)
        )
        variant = Variant(LASTCALL, Shape(), must_lose=must_lose)
        run_all(cluster, plan, course, [variant], done)


EXPERIMENT = Experiment("too-short", "Less time than the drain needs", False, run)
