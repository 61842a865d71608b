"""What happens in each run: the event, the load upon it, and what is no fault in it."""

from dataclasses import dataclass

from harness.vegeta import ATTACKS, Attack

from .event import Event
from .standing import Action, StandingCase

LEAD_SECONDS = 3.0
TOGETHER_MODEST = 2  # where two processors have more to do: a proxy, many pods that start


@dataclass(frozen=True)
class Plan:
    """What happens in each run of an experiment."""

    experiment: str
    seconds: float
    action: Action
    attacks: tuple[Attack, ...] = tuple(ATTACKS.values())
    lead: float = LEAD_SECONDS
    rate: int | None = None
    way: str = ""
    clients: int = 0  # in a closed loop, instead of a rate
    exact: bool = False  # not one request fewer than rate times seconds
    curls: int = 0  # so many in all, each a curl of its own; `seconds` is then the longest
    exits_meant: tuple[int, ...] = ()  # other than 0, and as it should be: nothing is judged
    refusals_meant: tuple[int, ...] = ()  # likewise, of pods that never were ready
    together: int = len(ATTACKS)  # attacks at the same time, upon the same event


def roll(standing: StandingCase, _event: Event) -> None:
    """The usual action."""
    standing.roll()
