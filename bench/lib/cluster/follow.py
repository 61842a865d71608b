"""Follows pods while they live, for a pod that is gone tells nothing: each change of theirs, and
what each container says.

    python3 -m cluster.follow KUBECTL KUBECONFIG NAMESPACE SELECTOR FOLDER ERRORS

FOLDER gets `changes`, the apiserver's events as they come, and a log for each run of a container;
ERRORS, a folder too, what kubectl complains of.
"""

import json
import os
import sys
from pathlib import Path
from subprocess import PIPE

from harness.processes import Children

from .kubectl import Kubectl, Objects

CHANGES = "changes"
CHUNK_BYTES = 1 << 16
WATCH_END_SECONDS_MAX = 10


def log_name(pod: str, run: int) -> str:
    """Of a container that has been restarted `run` times."""
    return f"{pod}-{run}.log"


def main(kubectl: Kubectl, selector: str, folder: Path, errors: Path) -> None:
    with Children(errors) as children:
        argv = kubectl.argv("get", "pods", "--selector", selector, "--watch")
        argv += ["--output-watch-events", "-o", "json"]
        followed: set[tuple[str, int]] = set()
        with open(folder / CHANGES, "wb", buffering=0) as changes:
            while True:  # the apiserver ends a watch after half an hour or more
                watch, objects = children.start("kubectl watch", argv, stdout=PIPE), Objects()
                while chunk := os.read(watch.stdout.fileno(), CHUNK_BYTES):
                    for event in objects.feed(chunk):
                        changes.write(json.dumps(event).encode() + b"\n")
                        for run in started(event["object"]) - followed:
                            followed.add(run)
                            follow(kubectl, children, folder, *run)
                if watch.wait(WATCH_END_SECONDS_MAX) != 0:
                    sys.exit(f"the watch ended, {watch.how_it_ended()}")


def started(pod: dict) -> set[tuple[str, int]]:
    """The runs of its container that have a log by now."""
    name, runs = pod["metadata"]["name"], set()
    for container in pod.get("status", {}).get("containerStatuses", ()):
        if {"running", "terminated"} & container.get("state", {}).keys():
            runs.add((name, container["restartCount"]))
    return runs


def follow(kubectl: Kubectl, children: Children, folder: Path, pod: str, run: int) -> None:
    with open(folder / log_name(pod, run), "wb") as log:
        children.start(f"logs of {pod}", kubectl.argv("logs", "--follow", pod), stdout=log)


if __name__ == "__main__":
    binary, config, namespace, wanted, place, complaints = sys.argv[1:]
    main(Kubectl(Path(binary), Path(config), namespace), wanted, Path(place), Path(complaints))
