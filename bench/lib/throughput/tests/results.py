"""A result as a full run has it, with few rounds: what the tests look at."""

from throughput.course import Rows
from throughput.cpus import Pair
from throughput.fairness import Fairness, Shares
from throughput.latencies import Latencies
from throughput.loads import COROUTINES, FIXED_RATE, LOADS, NEIGHBOUR, Load
from throughput.rounds import Row, Turn
from throughput.steady import Latency
from throughput.table import Result


def load(name: str) -> Load:
    return next(each for each in LOADS if each.name == name)


def turns(*seconds: float) -> list[Turn]:
    return [Turn(1000, each, 0.0, 2) for each in seconds]


def latencies(*p99: float) -> list[Latency]:
    return [Latency(1000, 60.0, each, each + 10, 2000.0, 0.045) for each in p99]


def beside_floors() -> Row:
    return Row(load("keep-alive"), 41, {
        "floor": turns(1, 1, 1),
        "floor + llhttp": turns(1.02, 1, 1),
        "lastcall": turns(1.02, 1.1, 1),
        "epoll floor": turns(1, 1, 1),
        "lastcall by epoll": turns(1.02, 1.32, 1.05),
    })


def beside_peers(name: str) -> Row:
    return Row(load(name), 41, {
        "lastcall": turns(1, 1.1, 1),
        "lastcall by epoll": turns(1, 1.32, 1),
        "nginx": turns(2, 2, 4),
        "Go": turns(4, 4, 4),
    })


def result() -> Result:
    costs = [
        {"load": "GET", "ns_per_request": 200.0, "allocations": 0, "may_allocate": False},
        {"load": "pipelined", "ns_per_request": 164.0, "allocations": 0, "may_allocate": False},
    ]
    idle = beside_peers("idle")
    idle.idle_bytes = {"lastcall": 692.0, "nginx": 525.4}
    coroutines = Row(COROUTINES, 41, {
        "lastcall": turns(1, 1),
        "lastcall, coroutines": turns(5, 6),
        "lastcall by epoll": turns(2, 2),
        "lastcall by epoll, coroutines": turns(3, 4),
    })
    floors = {"floor": latencies(200, 200, 100), "lastcall": latencies(220, 240, 130)}
    peers = {"lastcall": latencies(230), "nginx": latencies(116)}
    rows = Rows(
        floors=[beside_floors()],
        peers=[beside_peers("keep-alive"), beside_peers("one"), idle],
        coroutines=[coroutines],
        steady_floors=[Latencies(FIXED_RATE, floors)],
        steady_peers=[Latencies(FIXED_RATE, peers), Latencies(NEIGHBOUR, peers)],
        fairness=[Fairness({"lastcall": [Shares(2245, 1698, 451800)]})],
    )
    return Result(Pair(0, 1, False), rows, costs, {"hyper": "cargo is not installed"}, False)
