"""What runs inside the cluster's namespaces as PID 1: the machine room, then every process."""

import sys

from . import control_plane, lan, names, node, places, room
from .supervisor import Supervisor

START_SECONDS_MAX = 60


def main() -> None:
    try:
        run()
    except Exception as error:
        say(f"failed: {error}")
        raise


def say(text: str) -> None:
    with open(places.PROGRESS, "a", encoding="utf-8") as progress:
        progress.write(f"{text}\n")


def run() -> None:
    room.mount_memory()
    lan.make()
    control_plane.prepare()
    supervisor = Supervisor()
    supervisor.start(control_plane.etcd())
    supervisor.start(control_plane.apiserver())
    rooms = {each: room.Room(each) for each in places.NODES}
    if not supervisor.run_until(apiserver_is_ready, START_SECONDS_MAX):
        raise RuntimeError(f"no apiserver within {START_SECONDS_MAX} s: see {places.LOGS}")
    say("the apiserver is up")
    for program in control_plane.others():
        supervisor.start(program)
    for each, its_room in rooms.items():
        for program in node.programs(each, its_room):
            supervisor.start(program)
    say(f"rooms {' '.join(str(each.pid) for each in rooms.values())}")
    say("started")
    supervisor.run()


def apiserver_is_ready() -> bool:
    try:
        names.ask("/readyz")
    except ValueError:  # it says `ok`, which is no JSON
        return True
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
