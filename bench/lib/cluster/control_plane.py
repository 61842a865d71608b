"""The control plane: how etcd, the apiserver, the controllers and the scheduler are started.

Tokens instead of certificates, and everybody may do everything: nobody but us can reach it.
"""

import json
import secrets
import sys

from . import places
from .commands import output
from .places import APISERVER, LAN, MEMORY, SERVICE_RANGE
from .supervisor import Program

KEY = MEMORY / "service-accounts.key"
TOKENS = MEMORY / "tokens.csv"
ETCD = "http://127.0.0.1:2379"
PROXY = MEMORY / "kube-proxy.json"


def prepare() -> None:
    """Keys and tokens, and the kubeconfig that every component and every person uses."""
    TOKENS.write_text(f"{secrets.token_hex(16)},admin,admin,system:masters\n")
    output(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-out", str(KEY)])
    places.KUBECONFIG.touch(mode=0o600)
    places.KUBECONFIG.write_text(kubeconfig(token()))
    PROXY.write_text(proxy_config("lan"))


def token() -> str:
    return TOKENS.read_text().partition(",")[0]


def kubeconfig(secret: str) -> str:
    cluster = {"server": APISERVER, "insecure-skip-tls-verify": True}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lastcall", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": secret}}],
        "contexts": [{"name": "lastcall", "context": {"cluster": "lastcall", "user": "admin"}}],
        "current-context": "lastcall",
    }
    return json.dumps(config, indent=2) + "\n"


def proxy_config(host_name: str) -> str:
    """For a node and for the load alike: limits of conntrack are the machine's, so not ours."""
    untouched = {"maxPerCore": 0, "min": 0}
    untouched |= {"tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": host_name,
        "clientConnection": {"kubeconfig": str(places.KUBECONFIG)},
        "conntrack": untouched,
        "oomScoreAdj": 0,
    }
    return json.dumps(config)


def etcd() -> Program:
    peers = "http://127.0.0.1:2380"
    return Program(
        "etcd",
        [
            *("etcd", "--data-dir", str(MEMORY / "etcd"), "--unsafe-no-fsync"),
            *("--listen-client-urls", ETCD, "--advertise-client-urls", ETCD),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"default={peers}", "--log-level", "warn"),
        ],
    )


def apiserver() -> Program:
    return Program(
        "kube-apiserver",
        [
            *("kube-apiserver", "--etcd-servers", ETCD, "--cert-dir", str(MEMORY / "certificates")),
            *("--advertise-address", LAN, "--bind-address", LAN, "--secure-port", "6443"),
            *("--service-cluster-ip-range", SERVICE_RANGE),
            *("--token-auth-file", str(TOKENS), "--authorization-mode", "AlwaysAllow"),
            *("--service-account-issuer", "https://kubernetes.default.svc"),
            *("--service-account-key-file", str(KEY)),
            *("--service-account-signing-key-file", str(KEY)),
            *("--kubelet-preferred-address-types", "InternalIP"),
            # `kubectl drain` is an experiment here: evictions must not be slowed by fairness.
            *("--enable-priority-and-fairness=false", "--profiling=false"),
        ],
    )


def others() -> list[Program]:
    config = ("--kubeconfig", str(places.KUBECONFIG))
    return [
        Program(
            "kube-controller-manager",
            [
                *("kube-controller-manager", *config, "--leader-elect=false"),
                *("--service-account-private-key-file", str(KEY)),
                *("--flex-volume-plugin-dir", str(MEMORY / "volume-plugins")),  # else below /usr
            ],
        ),
        Program("kube-scheduler", ["kube-scheduler", *config, "--leader-elect=false"]),
        Program("kube-proxy", ["kube-proxy", "--config", str(PROXY)]),
        Program("names", [sys.executable, "-B", "-m", "cluster.names"]),
    ]
