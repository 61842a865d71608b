"""Up, down, and the way in. START HERE.

    bench/cluster ── unshare (network, mounts, processes, cgroups) ── inside.py, PID 1 in there
                                                                       ├─ etcd, apiserver, …
                                                                       └─ nodes (room.py, lan.py)

Everything hangs on that one process: `down` kills it, and the kernel takes the processes, mounts,
network devices and rules along. What is left are empty cgroups, which are removed one by one.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.polls import polls
from harness.processes import LIBC, HarnessError, Interrupted, uninterrupted

from . import places
from .commands import CONTAINED, output
from .node import CONTAINERD, import_argv
from .places import NODES
from .room import door

START_SECONDS_MAX = 90
CONTAINERD_SECONDS_MAX = 30
READY_SECONDS_MAX = 90
ROUTED_SECONDS_MAX = 60
END_SECONDS_MAX = 20
CGROUPS_SECONDS_MAX = 2  # to get empty
POLL_SECONDS = 0.1
CLONE_NEWNET = 0x40000000
CGROUPS = Path("/sys/fs/cgroup")
CGROUPS_OF_OURS = ("k8s.io", "kubepods")


def up(say) -> None:
    """Starts the cluster and waits until both nodes are ready. It outlives this process: where that
    may fail, within `ended_by_failure`."""
    began = time.monotonic()
    for file in (places.PROGRESS, places.PIDS, places.KUBECONFIG):
        file.unlink(missing_ok=True)
    places.LOGS.mkdir(parents=True, exist_ok=True)
    for log in places.LOGS.glob("*.log"):
        log.unlink()
    remove_cgroups()
    say("starting etcd, the control plane and two nodes")
    _start()
    _wait_until_started()
    write_tools()
    import_image(places.ARCHIVES / "pause.tar")
    _wait_until_ready(say)
    say(f"both nodes are ready after {time.monotonic() - began:.0f} s")


def _start() -> None:
    with open(places.LOGS / "cluster.log", "wb") as log, uninterrupted():
        process = subprocess.Popen(
            [*CONTAINED, "--net", "--cgroup", sys.executable, "-B", "-m", "cluster.inside"],
            cwd=places.LIB,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_with_default_signals,
        )
        state = {"pid": process.pid, "started": _start_time(process.pid)}
        try:
            places.STATE.write_text(json.dumps(state))
        except OSError as error:  # nobody could end it later
            _end(process.pid)
            raise HarnessError(f"cannot write {places.STATE}: {error.strerror}") from error


def _with_default_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _wait_until_started() -> None:
    for _ in polls(START_SECONDS_MAX, POLL_SECONDS):
        lines = _progress()
        if "started" in lines:
            return
        if failure := next((line for line in lines if line.startswith("failed")), None):
            raise HarnessError(f"the cluster {failure}")
        if not is_up():
            raise HarnessError(f"the cluster ended early: {_last_line('cluster')}")
    raise HarnessError(f"no control plane within {START_SECONDS_MAX} s: see {places.LOGS}")


def _progress() -> list[str]:
    try:
        return places.PROGRESS.read_text().splitlines()
    except FileNotFoundError:
        return []


def _last_line(name: str) -> str:
    lines = (places.LOGS / f"{name}.log").read_text(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "it wrote nothing")


def _wait_until_ready(say) -> None:
    seen: set[str] = set()
    for _ in polls(READY_SECONDS_MAX, POLL_SECONDS):
        ready = _ready_nodes()
        for name in sorted(ready - seen):
            say(f"{name} is ready")
        seen |= ready
        if len(seen) == len(NODES):
            return
    missing = ", ".join(node.name for node in NODES if node.name not in seen)
    raise HarnessError(f"not ready within {READY_SECONDS_MAX} s: {missing}; see {places.LOGS}")


def _ready_nodes() -> set[str]:
    ready = '.status.conditions[?(@.type=="Ready")].status'
    template = f"{{range .items[*]}}{{.metadata.name}}={{{ready}}} {{end}}"
    argv = [str(places.TOOLS / "kubectl"), f"--kubeconfig={places.KUBECONFIG}", "get", "nodes"]
    try:
        text = output(enter_network([*argv, "-o", f"jsonpath={template}"]), seconds=10)
    except HarnessError:  # the apiserver is still about to know of nodes
        return set()
    return {word.removesuffix("=True") for word in text.split() if word.endswith("=True")}


def down() -> bool:
    """False if there was nothing to end. Returns when the kernel has cleaned up."""
    with uninterrupted():
        state = _state()
        if state is None:
            if places.STATE.exists():  # it ended by itself
                remove_cgroups()
                places.STATE.unlink()
            return False
        _end(state["pid"])
        places.STATE.unlink(missing_ok=True)
        remove_cgroups()
        return True


def _end(pid: int) -> None:
    # unshare that has just been started is about to fork; killed now, it might leave its child.
    _reap(pid, lambda: _init(pid) is not None)
    if found := _init(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(found, signal.SIGKILL)
    # It ends when the kernel has ended all of the namespace with its child.
    if not _reap(pid):
        raise HarnessError(f"the cluster (process {pid}) did not end within {END_SECONDS_MAX} s")


def _reap(pid: int, enough: Callable[[], bool] = lambda: False) -> bool:
    """Waits until that process has gone, or until it is `enough`. False when it took too long."""
    for _ in polls(END_SECONDS_MAX, POLL_SECONDS / 10):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if not _start_time(pid) or enough():  # gone, or a zombie that its parent does not want
            return True
    return False


@contextlib.contextmanager
def ended_by_failure() -> Iterator[None]:
    """What fails in here ends the cluster, and so does a signal as it is about to be ended."""
    try:
        try:
            yield
        except BaseException:
            down()
            raise
    except Interrupted:
        down()
        raise


def remove_cgroups() -> None:
    """Empty ones only: the kernel refuses the others, which are in use."""
    hierarchies = [CGROUPS, *(path for path in CGROUPS.iterdir() if path.is_dir())]
    for _ in polls(CGROUPS_SECONDS_MAX, POLL_SECONDS):
        left = [top / name for top in hierarchies for name in CGROUPS_OF_OURS]
        left = [folder for folder in left if folder.is_dir()]
        for folder in left:
            for path, _, _ in os.walk(folder, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
        if not left:
            return


def wait_until_routed() -> None:
    """Until the Services have their addresses where the load runs. kube-proxy there is no node's,
    and begins when it has waited half a minute for one of its name."""
    for _ in polls(ROUTED_SECONDS_MAX, POLL_SECONDS):
        if "kube-proxy" in output(enter_network(["nft", "list", "tables"])):
            return
    raise HarnessError(f"no rules within {ROUTED_SECONDS_MAX} s: see {places.LOGS}")


# ---- the way in


def is_up() -> bool:
    return _state() is not None


def _state() -> dict | None:
    """Of the cluster that runs; a process with its id but another birth is not it."""
    try:
        state = json.loads(places.STATE.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return state if _start_time(state["pid"]) == state["started"] else None


def _start_time(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _init(pid: int) -> int | None:
    """unshare ignores SIGTERM; its only child is the one to kill."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(children[0]) if children else None


def init() -> int:
    state = _state()
    found = _init(state["pid"]) if state else None
    if found is None:
        raise HarnessError("the cluster is not up: bench/cluster up")
    return found


def enter_network(argv: list[str]) -> list[str]:
    """The same command where the load runs: all addresses of the cluster, the machine's files."""
    return ["nsenter", f"--net=/proc/{init()}/ns/net", "--", *argv]


def join_network() -> None:
    """This process, and what it starts, from now on where the load runs."""
    with open(f"/proc/{init()}/ns/net", "rb") as namespace:
        if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise HarnessError(f"cannot enter the cluster: {os.strerror(ctypes.get_errno())}")


def enter_node(number: int, argv: list[str]) -> list[str]:
    rooms = next(line for line in _progress() if line.startswith("rooms")).split()[1:]
    room = outer_pid(int(rooms[number - 1]))
    return [*door(room), *argv]


def outer_pid(inner: int) -> int:
    """The id that we know a process of the cluster by."""
    namespace = os.readlink(f"/proc/{init()}/ns/pid")
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            ids = next(line for line in status.read_text().splitlines() if "NSpid" in line).split()
            if ids[-1] == str(inner) and os.readlink(status.parent / "ns/pid") == namespace:
                return int(ids[1])
    raise HarnessError(f"the cluster has no process {inner}")


def pid_of(program: str) -> int:
    """Of one of the cluster's processes, such as `kubelet-node-1`."""
    return outer_pid(json.loads(places.PIDS.read_text())[program])


def import_image(archive: Path) -> None:
    for node in NODES:
        _await_containerd(node.number)
        output(enter_node(node.number, import_argv(archive)))


def _await_containerd(number: int) -> None:
    """It makes its socket when it is ready, which a busy machine delays."""
    listens = enter_node(number, ["test", "-S", CONTAINERD])
    for _ in polls(CONTAINERD_SECONDS_MAX, 0.2):
        if subprocess.run(listens, stdin=subprocess.DEVNULL, check=False).returncode == 0:
            return
    raise HarnessError(f"containerd of node {number} is not there: see its log")


def write_tools() -> None:
    """`node-1 COMMAND` and so on, for people in `bench/cluster shell`."""
    for node in NODES:
        tool = places.TOOLS / node.name
        tool.write_text(f'#!/bin/sh\nexec {" ".join(enter_node(node.number, []))} "$@"\n')
        tool.chmod(0o755)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One at a time may start or end the cluster."""
    places.BUILT.mkdir(parents=True, exist_ok=True)
    with open(places.BUILT / "lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HarnessError("another bench/cluster is at work in this folder") from None
        yield
