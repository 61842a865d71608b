"""Two CPUs, one for the server and one for the load, and what a process has used of its own."""

import os
from dataclasses import dataclass
from pathlib import Path

from harness.processes import HarnessError

TOPOLOGY = Path("/sys/devices/system/cpu")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Pair:
    server: int
    load: int
    siblings: bool  # two threads of one core: they slow each other down

    def describe(self) -> str:
        shared = ", two threads of one core" if self.siblings else ""
        return f"server on CPU {self.server}, wrk on CPU {self.load}{shared}"


def pair() -> Pair:
    """Of the CPUs that we may use; on different cores where there are two."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise HarnessError("two CPUs are needed, one for the server and one for the load")
    first, *others = usable
    siblings = siblings_of(first)
    apart = [cpu for cpu in others if cpu not in siblings]
    return Pair(first, apart[0], False) if apart else Pair(first, others[0], True)


def siblings_of(cpu: int) -> set[int]:
    try:
        text = (TOPOLOGY / f"cpu{cpu}/topology/thread_siblings_list").read_text()
    except OSError:  # not told in this container
        return set()
    found: set[int] = set()
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return found


@dataclass(frozen=True)
class Used:
    """CPU time of a process since its start, in seconds."""

    user: float
    system: float

    @property
    def total(self) -> float:
        return self.user + self.system

    def __sub__(self, earlier: "Used") -> "Used":
        return Used(self.user - earlier.user, self.system - earlier.system)


def used_by(pid: int) -> Used:
    """proc(5): fields 14 and 15, in ticks of 10 ms, which is 0.5 % of a round."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()  # the name may contain anything
    user, system = int(fields[11]), int(fields[12])
    return Used(user / TICKS_PER_SECOND, system / TICKS_PER_SECOND)
