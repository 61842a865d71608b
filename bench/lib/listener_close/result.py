"""What one way to close a listener gave: a run of bench/listener_close.cc."""

from dataclasses import dataclass

from harness.outcome import bound_of_none

@dataclass(frozen=True)
class Way:
    """To close a listener: as listener_close.cc calls it, and what serves."""

    name: str
    engine: str
    title: str


WAYS = (
    Way("close", "io_uring", "plain close of an accept loop"),
    Way("fallback", "io_uring", "lastcall without un-listen"),
    Way("fallback", "epoll", "lastcall by epoll, without un-listen"),
    Way("unlisten", "io_uring", "lastcall"),
    Way("unlisten", "epoll", "lastcall, by epoll"),
)


@dataclass(frozen=True)
class Result:
    """One way to close, as the clients saw it (listener_close.cc) and the server counted it."""

    way: str
    engine: str
    closes: int
    clients: int
    listeners: int
    answered: int
    refused: int
    reset: int
    cut: int
    timed_out: int
    harness: int
    answered_by_server: int
    accepted_after_unlisten: int
    accepted_in_sweep: int
    seconds: float
    own_network: bool

    @property
    def title(self) -> str:
        return next(
            way.title for way in WAYS if (way.name, way.engine) == (self.way, self.engine)
        )

    @property
    def lost(self) -> int:
        return self.reset + self.cut

    @property
    def connected(self) -> int:
        return self.answered + self.lost

    def broken_promises(self) -> list[str]:
        """What this row shows that it must not show."""
        found = []
        if self.harness:
            found.append(f"out of ports or files {self.harness} times: no result")
        if self.timed_out:
            found.append(f"{self.timed_out} clients were neither refused nor answered")
        if self.way == "close" and self.lost == 0:
            found.append("no client was reset, so this harness proves nothing")
        if self.way == "unlisten" and self.lost > 0:
            found.append(f"{self.lost:,} clients that had connected were lost, not 0")
        if self.answered != self.answered_by_server:
            found.append(
                f"the clients count {self.answered:,} answers,"
                f" the server {self.answered_by_server:,}"
            )
        return found


def bound(result: Result) -> str:
    """None lost is not never: what the sample allows to say."""
    clients = 100 * bound_of_none(result.connected)
    closes = 100 * bound_of_none(result.closes)
    return (
        f"0 of {result.connected:,} connected clients in {result.closes:,} closes: at 95 %"
        f" at most {clients:.2g} % of clients, {closes:.2g} % of closes"
    )


def lost_none(result: Result) -> bool:
    return result.lost + result.timed_out == 0 and result.connected > 0


def setting(result: Result) -> str:
    return (
        f"{result.listeners} listeners at a time, each under {result.clients} clients that never"
        " pause; loopback" + (" in a network namespace of its own." if result.own_network else ".")
    )


def sample(results: list[Result]) -> str:
    """What was run, and what it allows to say of lastcall."""
    told = [setting(results[0])]
    told += [f"{each.title}: {bound(each)}." for each in results if lost_none(each)]
    return " ".join(told)
