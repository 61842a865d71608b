"""How much of the experiments is asked for on the command line."""

from collections.abc import Iterable
from dataclasses import dataclass

from .case import Case
from .servers import Server


@dataclass(frozen=True)
class Scope:
    """How much of an experiment is wanted."""

    quick: bool = False
    full: bool = False
    repeat: int = 1
    rate: int = 1000
    attacks: tuple[str, ...] = ()  # only these, where an experiment has several
    servers: tuple[str, ...] = ()  # likewise

    def wants(self, server: Server) -> bool:
        return not self.servers or server.name in self.servers

    def of(self, cases: Iterable[Case]) -> list[Case]:
        return [each for each in cases if self.wants(each.server)]
