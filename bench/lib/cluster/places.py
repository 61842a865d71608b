"""Where things are: what is built and kept, what belongs to the cluster that runs, addresses.

What is kept lies under build/kubernetes. What a running cluster writes lies on file systems in
memory that only its namespaces see, and is gone with them; but its logs are kept.
"""

from dataclasses import dataclass
from pathlib import Path

from harness.build import ROOT

LIB = ROOT / "bench" / "lib"  # where python3 -m finds this package
HERE = LIB / "cluster"
BUILT = ROOT / "build" / "kubernetes"
COMPONENTS = BUILT / "components"  # every component in one program
RUNTIME = BUILT / "containerd"  # a folder: containerd, its shim, ctr
TOOLS = BUILT / "bin"  # goes onto the PATH of `bench/cluster shell`
ARCHIVES = BUILT / "images"  # as the nodes import them
LOGS = BUILT / "logs"  # a file for each process of the cluster
POD_LOGS = LOGS / "pods"  # a folder for each case
STATE = BUILT / "state.json"  # which process the running cluster hangs on
PIDS = BUILT / "pids.json"  # the cluster's processes, by the ids they have inside
PROGRESS = BUILT / "progress"  # what the cluster says of its start, a line each
KUBECONFIG = BUILT / "kubeconfig"
KUBECTL_CACHE = BUILT / "kubectl-cache"

MEMORY = Path("/run/lastcall")  # on the tmpfs that hides /run in the cluster's namespace

LAN = "10.240.0.1"  # the control plane, and the load
SERVICE_RANGE = "10.96.0.0/16"
NODE_PORTS = range(30000, 32768)  # Kubernetes's own default
APISERVER = f"https://{LAN}:6443"


@dataclass(frozen=True)
class Node:
    number: int

    @property
    def name(self) -> str:
        return f"node-{self.number}"

    @property
    def address(self) -> str:
        return f"10.240.0.1{self.number}"

    @property
    def pods(self) -> str:
        return f"10.244.{self.number}.0/24"

    @property
    def zone(self) -> str:
        return f"zone-{self.number}"


NODES = (Node(1), Node(2))
