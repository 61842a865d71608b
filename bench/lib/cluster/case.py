"""A case: one server in one shape under an experiment. What a row of the result tells."""

from dataclasses import dataclass

from .servers import Server, Shape


@dataclass(frozen=True)
class Case:
    """A server in an experiment, shaped for it. `must_lose` is what this row is judged by."""

    server: Server
    shape: Shape
    note: str = ""  # what is different from the rows beside it
    must_lose: bool | None = None

    @property
    def title(self) -> str:
        return f"{self.server.title}, {self.note}" if self.note else self.server.title
