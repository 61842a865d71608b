"""What is asked and answered here, in three words. START HERE.

- An *experiment* is a question: one event, the load upon it, and what is judged.
- A *case* is one server in one shape under an experiment (case.py). A row of the result tells
  what one attack met in it (row.py).
- A *run* is one execution of a case (runs.py, event.py). --repeat adds runs up in a row.

Where an experiment has several ways to the same event, each of them has a plan (plan.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

from .clusters import Cluster
from .row import Row
from .scope import Scope

Done = Callable[[list[Row]], None]  # takes rows as they are done: those of the same events


@dataclass(frozen=True)
class Experiment:
    name: str
    title: str
    quick: bool  # part of --quick
    run: Callable[[Cluster, Scope, Done], None]
    needs_nodes: bool = False  # cannot be had in a cluster of somebody else
    compared: str | None = None  # the way whose latencies are judged beside Go's
