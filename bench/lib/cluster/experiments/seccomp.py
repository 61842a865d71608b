"""A rollout under each seccomp profile that a pod may have, side by side: the runtime's own, which
denies io_uring, so that epoll serves; ours, which the DaemonSet of k8s/seccomp has put onto the
nodes, in pods of the level *restricted*; and none at all. The promise is the same.
"""

import re
from dataclasses import dataclass

from .. import manifests
from ..case import Case
from ..clusters import Cluster
from ..deployment import namespace
from ..event import Event
from ..experiment import Done, Experiment
from ..plan import Plan
from ..runs import run_case
from ..scope import Scope
from ..servers import LASTCALL, Shape
from ..standing import StandingCase, set_up

SECONDS, LEAD_SECONDS = 40, 3
LEVEL = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True)
class Way:
    """A profile, the strictest Pod Security level that admits it, and what serves under it."""

    name: str
    profile: dict
    level: str
    engine: str


WAYS = (
    Way("RuntimeDefault", {"type": "RuntimeDefault"}, "restricted", "epoll"),
    Way(
        "our own",
        {"type": "Localhost", "localhostProfile": "lastcall/lastcall.json"},
        "restricted",
        "io_uring",
    ),
    Way(
        "our own without io_uring",
        {"type": "Localhost", "localhostProfile": "lastcall/lastcall-epoll.json"},
        "restricted",
        "epoll",
    ),
    Way("Unconfined", {"type": "Unconfined"}, "privileged", "io_uring"),
)


def roll_and_look(way: Way):
    """The usual action; then what the new pods say that they serve by."""

    def action(standing: StandingCase, event: Event) -> None:
        standing.roll()
        serving = engines(standing)
        event.notes.append(f"{way.name}: the pods serve by {', '.join(sorted(serving))}")
        if serving != {way.engine}:
            event.broken.append(f"under {way.name} it is not {way.engine} that serves")

    return action


def engines(standing: StandingCase) -> set[str]:
    said = (standing.kubectl.run("logs", f"pod/{name}") for name in standing.staying())
    return {found for text in said for found in re.findall(r"workers by (\w+)", text)}


def run(cluster: Cluster, scope: Scope, done: Done) -> None:
    for way in WAYS:
        case = Case(LASTCALL, Shape(seccomp=way.profile), must_lose=False)
        plan = Plan("seccomp", SECONDS, roll_and_look(way), lead=LEAD_SECONDS, way=way.name)

        def prepare(there: Cluster, level: str = way.level) -> None:
            manifests.install_profile(there)
            enforcing = namespace()
            enforcing["metadata"]["labels"] = {LEVEL: level}
            there.kubectl.apply([enforcing])

        for each in scope.of([case]):
            with set_up(cluster, each.server, each.shape, prepare) as standing:
                run_case(standing, scope, plan, each, done)


EXPERIMENT = Experiment("seccomp", "Under each seccomp profile", False, run, needs_nodes=True)
