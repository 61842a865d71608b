"""The objects to apply for a case: those of k8s/base, with its shape laid over them.

So what is measured is what the manifests say, but for what an experiment is about.
"""

import copy
from urllib.parse import urlsplit

from harness.build import ROOT

from .images import WRAPS, Images
from .kubectl import NAMESPACE, Kubectl, find
from .places import NODE_PORTS
from .servers import BARE, Server, Shape

GO_DELAY_SECONDS = 5  # what everyone recommends
MANIFESTS = ROOT / "k8s"
BEHIND = "127.0.0.1:3000"  # where a wrapped program serves: k8s/overlays/wrapped


def objects(kubectl: Kubectl, server: Server, shape: Shape, images: Images, url: str) -> list[dict]:
    manifests = MANIFESTS / ("overlays/wrapped" if server.wraps else "base")
    found = copy.deepcopy(kubectl.kustomize(manifests))
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
        container["image"] = images.of(container)
        container["args"] = lastcall_flags(container["args"], server, shape)
    else:
        container["image"] = images.peer
        container["args"] = peer_flags(server, shape)
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
    flags += [*server.flags, *shape.flags]
    if not server.wraps:  # else its command signs
        flags.append("--served-by")
    given = {option(flag) for flag in flags}
    kept = [flag for flag in own_flags(base) if option(flag) not in given]
    return [*kept, *flags, *(wrapped_command(*shape.command) if server.wraps else ())]


def own_flags(arguments: list[str]) -> list[str]:
    """Of lastcall, without the command behind it."""
    return arguments[: arguments.index(WRAPS)] if WRAPS in arguments else arguments


def wrapped_command(*flags: str) -> list[str]:
    """What our image has behind lastcall: a program that SIGTERM ends at once."""
    return [WRAPS, "/peer", "-listen", BEHIND, "-served-by", *BARE.flags, *flags]


def option(flag: str) -> str:
    return flag.partition("=")[0]


def peer_flags(server: Server, shape: Shape) -> list[str]:
    flags = ["-listen", ":8080", "-served-by", "-delay", f"{GO_DELAY_SECONDS}s"]
    return [*flags, "-timeout", f"{shape.timeout}s", *server.flags, *shape.flags]


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


def namespace() -> dict:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
