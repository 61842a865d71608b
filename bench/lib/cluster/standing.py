"""One case in the cluster: applied, attacked, upset in mid-attack, and read afterwards.

bench ─ vegeta ─ (a proxy) ─ Service ─ pods
                                 └ kubectl: the action, and a watch over the pods' lives
"""

import contextlib
import http.client
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.polls import polls
from harness.processes import Children, HarnessError

from . import load as loads
from . import places, strays
from .accounts import Accounts, Told
from .clusters import Cluster
from .deployment import namespace, objects
from .event import Event, Run, invalidity, share_out, since
from .kubectl import DEPLOYMENT, NAME, SELECTOR, find
from .pods import Life, Watch
from .servers import Server, Shape

DEPLOY_SECONDS_MAX = 120
DEPLOY_LOOK_SECONDS = 10  # then it is asked what the pods wait for
HOPELESS = ("ImagePull", "ImageNeverPull", "InvalidImageName")  # of the kubelet's reasons
GONE_SECONDS_MAX = 120
ANSWER_SECONDS_MAX = 45  # kube-proxy beside the load waits half a minute for a node of its name
POLL_SECONDS = 0.2
LATE_SECONDS_MAX = 1.0  # that an action may go on after the load: nobody is asked any more
SETTLE_SECONDS = 1.0  # after the last exit, for the watch to hear of it
ASK_TRIES_MAX = 3  # how often a pod is asked what it has answered


Action = Callable[["StandingCase", Event], None]


class StandingCase:
    """The case as it stands in the cluster. Attacks come one after another."""

    def __init__(
        self, cluster: Cluster, server: Server, shape: Shape, children: Children, folder: Path
    ):
        shape = replace(shape, seccomp=shape.seccomp or cluster.seccomp)
        self.cluster, self.server, self.shape = cluster, server, shape
        self.children, self.folder = children, folder
        self.kubectl = cluster.kubectl
        self.accounts = Accounts()
        self.running: list[loads.Running] = []
        applied = objects(self.kubectl, server, shape, cluster.images, cluster.address)
        self.kubectl.apply(applied)
        self.watch = Watch(self.kubectl, children, log_folder(server), folder)
        self.wait_until_deployed()
        self.check_nodes()
        self.url = cluster.address.rstrip("/") or f"http://{self.service_address()}"
        self.wait_until_answered()

    def service_address(self) -> str:
        service = find(self.kubectl.objects("get", "service", NAME), "Service")
        address = service["spec"]["clusterIP"]
        return f"[{address}]" if ":" in address else address

    def wait_until_rolled_out(self, seconds: float) -> None:
        limit = f"--timeout={seconds:.0f}s"
        self.kubectl.run("rollout", "status", DEPLOYMENT, limit, seconds=seconds + 10)

    def wait_until_deployed(self) -> None:
        """The first time: an image that cannot be pulled is told at once."""
        why = ""
        for _ in polls(DEPLOY_SECONDS_MAX, POLL_SECONDS):
            try:
                return self.wait_until_rolled_out(DEPLOY_LOOK_SECONDS)
            except HarnessError as error:
                why = "; ".join(sorted(set(map(waits_for, self.pods())) - {""})) or str(error)
                if any(word in why for word in HOPELESS):
                    break
        raise HarnessError(f"pods of {self.server.title} do not get ready: {why}")

    def check_nodes(self) -> None:
        """Two replicas are on our two nodes, or no request would cross from one to the other."""
        nodes = {pod["spec"]["nodeName"] for pod in self.pods()}
        if self.cluster.is_ours and self.shape.replicas > 1 and len(nodes) < 2:
            raise HarnessError(f"all pods of {self.server.title} are on {', '.join(nodes)}")

    def wait_until_answered(self) -> None:
        """kube-proxy hears of a new Service a moment later."""
        for _ in polls(ANSWER_SECONDS_MAX, POLL_SECONDS):
            if (pod := who_answers(self.url)) is None:
                continue
            if self.server.wraps:  # to which it was a request
                self.accounts.seen[pod] += 1
            return
        raise HarnessError(f"{self.url} does not answer within {ANSWER_SECONDS_MAX} s")

    def pods(self) -> list[dict]:
        return self.kubectl.pods(SELECTOR)

    def names(self) -> set[str]:
        return {pod["metadata"]["name"] for pod in self.pods()}

    def staying(self) -> set[str]:
        """Those that nobody has told to go."""
        pods = (pod["metadata"] for pod in self.pods())
        return {pod["name"] for pod in pods if "deletionTimestamp" not in pod}

    def wait_until_staying(self, replicas: int) -> None:
        for _ in polls(DEPLOY_SECONDS_MAX, POLL_SECONDS):
            if len(self.staying()) == replicas:
                return
        raise HarnessError(f"not {replicas} pods within {DEPLOY_SECONDS_MAX} s")

    def wait_until_ready(self, pod: str, ready: bool) -> None:
        """Or until it is not."""
        limit = f"--timeout={DEPLOY_SECONDS_MAX}s"
        wanted = f"--for=condition=Ready={str(ready).lower()}"
        self.kubectl.run("wait", wanted, "pod", pod, limit, seconds=DEPLOY_SECONDS_MAX + 10)

    def wait_until_gone(self, names: set[str]) -> None:
        left = names
        for _ in polls(GONE_SECONDS_MAX, POLL_SECONDS):
            left = names & self.names()
            if not left:
                return
        raise HarnessError(f"not gone within {GONE_SECONDS_MAX} s: {', '.join(sorted(left))}")

    def attack(
        self, together: list[loads.Load], lead: float, action: Action, url: str = ""
    ) -> list[Run]:
        """Starts the loads, waits for `lead` seconds, and does what the experiment is about."""
        began, strays_before = time.time(), self.strays()
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            running = [
                load.start(
                    self.cluster.vegeta,
                    self.children,
                    Path(tempfile.mkdtemp(dir=folder)),
                    url or self.url,
                )
                for load in together
            ]
            self.running = running
            time.sleep(lead)
            for each in running:
                each.child.check_running()
            event = Event(time.time())
            action(self, event)
            event.seconds = event.seconds or time.time() - event.at
            for each in running:
                each.wait()
            event.over_at = time.time()
            time.sleep(SETTLE_SECONDS)
            self.watch.check_running()
            runs = [Run(each.tally(), event) for each in running]
            for run, each in zip(runs, running, strict=True):
                run.invalid += invalidity(run, each)
        event.lives = since(self.watch.lives(), began)
        counts = zip(self.strays(), strays_before, strict=True)
        at_nodes, at_clients = (now - then for now, then in counts)
        if not strays.ready_throughout(event.lives, began, event.over_at):
            at_clients = 0  # there may have been no pod to lead them to
        share_out(at_nodes + at_clients, runs, event, behind_proxy=bool(url))
        late = event.at + event.seconds - began - max(load.seconds for load in together)
        if late > LATE_SECONDS_MAX:
            event.invalid.append(f"it went on for {late:.1f} s after the load")
        self.balance(runs, event)
        return runs

    def strays(self) -> tuple[int, int]:
        if not self.cluster.is_ours:
            return 0, 0
        return strays.at_nodes(), strays.at_clients()

    def balance(self, runs: list[Run], event: Event) -> None:
        """Pods and clients agree on what was answered; the control ends without a word."""
        for run in runs:
            self.accounts.add(run.tally)
        if not self.server.drains:
            return
        for tries_left in reversed(range(ASK_TRIES_MAX)):
            told = self.told()
            if not tries_left or not any(each.asked_in_vain for each in told.values()):
                break
            time.sleep(SETTLE_SECONDS)
        event.notes.append(self.accounts.sum(told))
        event.broken += self.accounts.disagreements(told)

    def told(self) -> dict[str, Told]:
        """What each pod says that it has answered since it started."""
        found: dict[str, Told] = {}
        for life in self.watch.lives():
            told = found[life.name] = Told()
            for container in life.containers:
                if container.audit:
                    told.add(container.audit)
                elif container.exit_code is None:
                    try:
                        told.add(self.metrics(life.name), "_total")
                    except HarnessError:  # it has just gone, or a policy denies it
                        told.complete = False
                        told.asked_in_vain = self.cluster.is_ours
                else:
                    told.complete = False
        return found

    def metrics(self, pod: str) -> dict[str, float]:
        path = f"/api/v1/namespaces/{self.kubectl.namespace}/pods/{pod}:9090/proxy/metrics"
        lines = (line.split() for line in self.kubectl.raw(path).splitlines())
        pairs = (words for words in lines if len(words) == 2)
        return {name.removeprefix("lastcall_"): float(value) for name, value in pairs}

    # ---- what actions are made of

    def under_load(self) -> bool:
        return all(each.child.running() for each in self.running)

    def wait_for_ends(self, exit_code: int, seconds: float) -> str:
        """Until a container has ended so; the message it left in its pod's status."""
        for _ in polls(seconds, POLL_SECONDS):
            for pod in self.pods():
                for status in pod["status"].get("containerStatuses", ()):
                    for state in (status.get("lastState", {}), status.get("state", {})):
                        ended = state.get("terminated", {})
                        if ended.get("exitCode") == exit_code:
                            return ended.get("message", "").strip()
        raise HarnessError(f"no container ended with exit code {exit_code} within {seconds} s")

    def life(self, pod: str) -> Life:
        found = next((each for each in self.watch.lives() if each.name == pod), None)
        if found is None:
            raise HarnessError(f"{pod} is gone, and nothing was heard of it")
        return found

    def roll(self) -> None:
        """A rollout, until the last of the old pods is gone."""
        old = self.names()
        self.kubectl.run("rollout", "restart", DEPLOYMENT)
        self.wait_until_rolled_out(DEPLOY_SECONDS_MAX)
        self.wait_until_gone(old)


def waits_for(pod: dict) -> str:
    """Why a pod does not run, in the kubelet's or the scheduler's words; empty if it does."""
    for container in pod["status"].get("containerStatuses", ()):
        if waiting := container.get("state", {}).get("waiting"):
            return ": ".join(filter(None, (waiting.get("reason"), waiting.get("message"))))
    for condition in pod["status"].get("conditions", ()):
        if condition["status"] == "False" and condition["type"] == "PodScheduled":
            return ": ".join(filter(None, (condition.get("reason"), condition.get("message"))))
    return ""


def who_answers(url: str) -> str | None:
    """Asks for a health path, which in our own accounts is no request. None: nobody answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=2)
    try:
        connection.request("GET", "/readyz", headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.getheader("X-Served-By", "") if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def log_folder(server: Server) -> Path:
    """What its pods say, kept until the next run of experiments."""
    places.POD_LOGS.mkdir(parents=True, exist_ok=True)
    prefix = f"{len(list(places.POD_LOGS.iterdir())) + 1:03}-{server.name}-"
    return Path(tempfile.mkdtemp(prefix=prefix, dir=places.POD_LOGS))


def clear(cluster: Cluster) -> None:
    """The case before is gone at once, and so is the address of its Service.

    A connection whose control died without a FIN stays in the clients' conntrack for minutes, as
    one to a pod that is gone. A client of the next case that happens on the same port would be
    sent there: `no route to host`, and no fault of whoever is measured. (9 of 12,000, measured.)
    """
    kubectl = cluster.kubectl
    names = [DEPLOYMENT] if cluster.address else [DEPLOYMENT, f"service/{NAME}"]
    kubectl.run("delete", *names, "--ignore-not-found", "--cascade=foreground", "--wait=false")
    kubectl.run("delete", "pods", "--selector", SELECTOR, "--grace-period=0", "--force")
    kinds = "deployments,replicasets,pods" + ("" if cluster.address else ",services")
    for _ in polls(GONE_SECONDS_MAX, POLL_SECONDS):
        if not kubectl.objects("get", kinds, "--selector", SELECTOR):
            return
    raise HarnessError(f"pods of the case before are there after {GONE_SECONDS_MAX} s")


@contextlib.contextmanager
def set_up(
    cluster: Cluster,
    server: Server,
    shape: Shape,
    prepare: Callable[[Cluster], None] | None = None,
) -> Iterator[StandingCase]:
    """`prepare` brings what the pods need before they start."""
    with (
        tempfile.TemporaryDirectory(prefix="lastcall-") as folder,
        Children(Path(folder)) as children,
    ):
        clear(cluster)
        cluster.kubectl.apply([namespace()])
        if prepare:
            prepare(cluster)
        yield StandingCase(cluster, server, shape, children, Path(folder))
