"""Less time than the drain needs: a grace period cut by hand, and options that do not add up."""

from harness.vegeta import ATTACKS

from ..case import LASTCALL, Shape
from ..experiment import Done, Experiment, Plan, Variant
from ..runner import Course, run_all
from ..trial import DEPLOYMENT, Cluster, Event, Trial

SECONDS, LEAD_SECONDS = 30, 4
HAND_SECONDS = 5  # `kubectl delete --grace-period`: nobody tells the process of it
REFUSAL_SECONDS_MAX = 30
KILLED, REFUSED = 137, 2
ARGUMENTS = "/spec/template/spec/containers/0/args"


def delete_in_haste(standing: Trial, event: Event) -> None:
    name = sorted(standing.names())[0]
    grace = f"--grace-period={HAND_SECONDS}"
    standing.kubectl.run("delete", "pod", name, grace, "--wait=false")
    standing.wait_until_gone({name})
    life = standing.life(name)
    took = (life.ended_at or 0) - (life.deleted_at or 0)
    event.notes.append(f"{name}: exit {life.exit_codes}, {took:.0f} s after its deletion")
    words = standing.watch.log(name, 0).splitlines() or ["nothing"]
    event.notes.append(f"the last line of its log: {words[-1]}")
    if "draining" not in words[-1]:
        event.broken.append(f"the log of {name} does not say that it was cut while it drained")
    if life.exit_codes != [KILLED]:
        event.broken.append(f"{name} ended with {life.exit_codes}, not {KILLED}")


def ask_too_much(standing: Trial, event: Event) -> None:
    """A window that the grace period does not hold: the new pod says so, the old ones serve on."""
    flags = [flag for flag in arguments(standing) if not flag.startswith("--drain-window")]
    flags.append("--drain-window=60s")
    change = [{"op": "replace", "path": ARGUMENTS, "value": flags}]
    standing.kubectl.patch("deployment", "lastcall", change)
    message = standing.wait_for_ends(REFUSED, REFUSAL_SECONDS_MAX)
    event.notes.append(f"the new pod's status: {message}")
    if "grace-period" not in message:
        event.broken.append("the pod's status does not say which number to change")
    standing.kubectl.run("rollout", "undo", DEPLOYMENT)
    standing.wait_until_rolled_out(60)


def arguments(standing: Trial) -> list[str]:
    (deployment,) = standing.kubectl.objects("get", DEPLOYMENT)
    return deployment["spec"]["template"]["spec"]["containers"][0]["args"]


def run(cluster: Cluster, plan: Plan, done: Done) -> None:
    attacks = (ATTACKS["post"],)
    courses = (
        ("delete --grace-period=5", delete_in_haste, None),
        ("window 60 s, grace 30 s", ask_too_much, False),
    )
    for way, action, must_lose in courses:
        course = Course(
            "too-short",
            SECONDS,
            action,
            attacks,
            LEAD_SECONDS,
            way=way,
            exits_meant=(REFUSED, KILLED),
        )
        variant = Variant(LASTCALL, Shape(), must_lose=must_lose)
        run_all(cluster, plan, course, [variant], done)


EXPERIMENT = Experiment("too-short", "Less time than the drain needs", False, run)
