"""A node: containerd, kubelet and kube-proxy, and what each of them is told."""

import json
from pathlib import Path

from . import places, runtime
from .control_plane import proxy_config
from .places import MEMORY, Node
from .room import Room
from .supervisor import Program

PAUSE = "localhost/pause:1"
CONTAINERD = "/run/containerd/containerd.sock"  # within the node
CONTAINERD_CONFIG = MEMORY / "containerd.toml"
KUBELET_CONFIG = MEMORY / "kubelet.json"
PROXY_CONFIG = MEMORY / "kube-proxy.json"
CNI = MEMORY / "cni"
CNI_PLUGINS = "/usr/lib/cni"  # where Debian has them

# The second version of the format is understood by containerd 1.6, 1.7 and 2.
CONTAINERD_TEXT = f"""\
version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true  # a container of ours may not lower it
  disable_apparmor = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{CNI}"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    runtime_path = "{runtime.SHIM}"
"""


def programs(node: Node, room: Room) -> list[Program]:
    """Writes what they are told into the node, and says how they start."""
    room.write(CONTAINERD_CONFIG, CONTAINERD_TEXT)
    room.write(CNI / "10-pods.conflist", json.dumps(cni_config(node)))
    room.write(KUBELET_CONFIG, json.dumps(kubelet_config(node)))
    room.write(PROXY_CONFIG, proxy_config(node.name))
    return [
        Program(f"containerd-{node.name}", containerd(), room),
        Program(f"kubelet-{node.name}", kubelet(node), room),
        Program(f"kube-proxy-{node.name}", ["kube-proxy", "--config", str(PROXY_CONFIG)], room),
    ]


def containerd() -> list[str]:
    return [str(places.RUNTIME / "containerd"), "--config", str(CONTAINERD_CONFIG)]


def kubelet(node: Node) -> list[str]:
    return [
        *("kubelet", "--config", str(KUBELET_CONFIG), "--kubeconfig", str(places.KUBECONFIG)),
        *("--hostname-override", node.name, "--node-ip", node.address),
        *("--node-labels", f"topology.kubernetes.io/zone={node.zone}"),
    ]


def cni_config(node: Node) -> dict:
    """A bridge for the node's pods. Nothing is masqueraded: everybody has routes to all pods."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True}
    plugins = [bridge | {"ipam": addresses}]
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": plugins}


def kubelet_config(node: Node) -> dict:
    machine_is_shared = {
        # Neither the machine's swap nor the age of its cgroups is ours to complain about.
        "failSwapOn": False,
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,
        # Without cgroupsPerQOS a resize in place is a panic (kubernetes issue 137993), which pods
        # that go just after their start meet.
        "featureGates": {"KubeletInUserNamespace": True, "InPlacePodVerticalScaling": False},
        "makeIPTablesUtilChains": False,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",  # the usual one is not below /var
        # Its disk may be as full as it likes; of memory the kubelet insists on some limit.
        "evictionHard": {
            "memory.available": "1Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
        "imageGCHighThresholdPercent": 100,
    }
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "clusterDNS": [places.LAN],
        "clusterDomain": "cluster.local",
        "resolvConf": "",  # the machine's is no business of pods
        **machine_is_shared,
    }


def import_argv(archive: Path) -> list[str]:
    """Gives the node an image. Its namespace is the one that the kubelet looks in."""
    return [
        str(places.RUNTIME / "ctr"),
        "--address",
        CONTAINERD,
        "--namespace",
        "k8s.io",
        "images",
        "import",
        str(archive),
    ]
