"""The servers that experiments compare, and the shape that an experiment gives to one."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Server:
    name: str
    title: str
    is_lastcall: bool = True
    flags: tuple[str, ...] = ()
    wraps: bool = False  # it stands in front of Go's server, in one image: k8s/overlays/wrapped

    @property
    def drains(self) -> bool:
        """Loses nothing, and its audit says so."""
        return self.is_lastcall and "--hard" not in self.flags


LASTCALL = Server("lastcall", "lastcall")
HARD = Server("hard", "lastcall --hard", flags=("--hard",))
GO = Server("go-delay", "Go, 503, 5 s, Shutdown", is_lastcall=False, flags=("-mode", "delay"))
BARE = Server("go-exit", "Go, exits at once", is_lastcall=False, flags=("-mode", "exit"))
WRAPPED = Server("wrapped", "Go, exits at once, behind lastcall", wraps=True)
OWN = (LASTCALL, HARD, GO)  # servers that know of their end
THEIRS = (WRAPPED, BARE)  # one that does not
SERVERS = (*OWN, *THEIRS)


@dataclass(frozen=True)
class Shape:
    """What an experiment changes of the base. Times in seconds."""

    replicas: int = 2
    window: int = 10
    lead: int = 5
    timeout: int = 15
    grace: int = 30
    pre_stop: int = 0
    surge: int = 1
    unavailable: int = 0
    min_ready: int = 2
    start_delay: int = 0  # until a new pod may become ready
    readiness: str = "/servingz"
    service: dict = field(default_factory=dict)  # laid over the Service's spec
    pod: dict = field(default_factory=dict)  # laid over the pod's spec
    seccomp: dict = field(default_factory=dict)  # its profile, if another than the manifest's
    liveness: dict = field(default_factory=dict)  # laid over the liveness probe
    flags: tuple[str, ...] = ()
    command: tuple[str, ...] = ()  # likewise, of the program that a server wraps
