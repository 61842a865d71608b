"""A case: one kind of server, shaped for one experiment, as objects to apply.

The shape is laid over k8s/base, so what is measured is what the manifests say but for what an
experiment is about.
"""

import copy
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from harness.build import ROOT

from .kubectl import NAMESPACE, Kubectl, find
from .places import NODE_PORTS

NAME = "lastcall"
SELECTOR = f"app.kubernetes.io/name={NAME}"
GO_DELAY_SECONDS = 5  # what everyone recommends


@dataclass(frozen=True)
class Server:
    name: str
    title: str
    is_lastcall: bool = True
    flags: tuple[str, ...] = ()


LASTCALL = Server("lastcall", "lastcall")
HARD = Server("hard", "lastcall --hard", flags=("--hard",))
GO = Server("go-delay", "Go, 503, 5 s, Shutdown", is_lastcall=False)


@dataclass(frozen=True)
class Shape:
    """What an experiment changes of the base. Times in seconds."""

    replicas: int = 2
    window: int = 10
    lead: int = 5
    timeout: int = 15
    grace: int = 30
    pre_stop: int = 0
    surge: int = 1
    unavailable: int = 0
    min_ready: int = 2
    start_delay: int = 0  # until a new pod may become ready
    readiness: str = "/servingz"
    service: dict = field(default_factory=dict)  # laid over the Service's spec
    pod: dict = field(default_factory=dict)  # laid over the pod's spec
    seccomp: dict = field(default_factory=dict)  # its profile, if another than the manifest's
    liveness: dict = field(default_factory=dict)  # laid over the liveness probe
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Images:
    lastcall: str
    peer: str = ""  # none in a cluster of somebody else
    redis: str = ""
    installer: str = ""  # what writes the seccomp profile
    pull: str = "Never"

    @property
    def of(self) -> dict[str, str]:
        """By the names of the manifests' containers."""
        return {NAME: self.lastcall, "redis": self.redis, "installer": self.installer}


def objects(kubectl: Kubectl, server: Server, shape: Shape, images: Images, url: str) -> list[dict]:
    found = copy.deepcopy(kubectl.kustomize(ROOT / "k8s" / "base"))
    for each in found:
        each["metadata"]["namespace"] = NAMESPACE
    change_deployment(find(found, "Deployment"), server, shape, images)
    change_service(find(found, "Service"), shape, url)
    return found


def change_deployment(deployment: dict, server: Server, shape: Shape, images: Images) -> None:
    spec = deployment["spec"]
    spec["replicas"] = shape.replicas
    spec["minReadySeconds"] = shape.min_ready
    rolling = {"maxSurge": shape.surge, "maxUnavailable": shape.unavailable}
    spec["strategy"]["rollingUpdate"] = rolling
    pod = spec["template"]["spec"]
    pod["terminationGracePeriodSeconds"] = shape.grace
    pod.update(shape.pod)
    if shape.seccomp:
        pod["securityContext"]["seccompProfile"] = shape.seccomp
    container = pod["containers"][0]
    container["imagePullPolicy"] = images.pull
    if shape.pre_stop:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": shape.pre_stop}}}
    container["startupProbe"]["initialDelaySeconds"] = shape.start_delay
    container["readinessProbe"]["httpGet"]["path"] = shape.readiness
    container["livenessProbe"].update(shape.liveness)
    if server.is_lastcall:
        container["image"] = images.lastcall
        container["args"] = lastcall_flags(container["args"], server, shape)
    else:
        container["image"] = images.peer
        container["args"] = peer_flags(shape)
        probe_as_go(container)


def lastcall_flags(base: list[str], server: Server, shape: Shape) -> list[str]:
    """The manifest's own, with other numbers."""
    seconds = {
        "drain-window": shape.window,
        "serving-lead": min(shape.lead, shape.window),
        "shutdown-timeout": shape.timeout,
        "grace-period": shape.grace,
        "pre-stop": shape.pre_stop,
    }
    flags = [f"--{name}={value}s" for name, value in seconds.items()]
    flags += ["--served-by", *server.flags, *shape.flags]
    given = {option(flag) for flag in flags}
    return [*(flag for flag in base if option(flag) not in given), *flags]


def option(flag: str) -> str:
    return flag.partition("=")[0]


def peer_flags(shape: Shape) -> list[str]:
    flags = ["-listen", ":8080", "-served-by", "-mode", "delay", "-delay", f"{GO_DELAY_SECONDS}s"]
    return [*flags, "-timeout", f"{shape.timeout}s", *shape.flags]


def probe_as_go(container: dict) -> None:
    """The usual Go service has one health path, which says 503 from the signal on."""
    del container["livenessProbe"]
    container["ports"] = [port for port in container["ports"] if port["name"] == "http"]
    for probe in ("startupProbe", "readinessProbe"):
        container[probe]["httpGet"]["path"] = "/readyz"


def change_service(service: dict, shape: Shape, url: str) -> None:
    """A given address whose port is a node port says that the Service must have that one."""
    service["spec"].update(shape.service)
    port = urlsplit(url).port if url else None
    if port in NODE_PORTS:
        service["spec"]["type"] = "NodePort"
        service["spec"]["ports"][0]["nodePort"] = port
