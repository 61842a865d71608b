"""The servers that count."""

from harness.servers import Server

SERVERS = {
    server.name: server
    for server in (
        Server("go-forget", "Go, fire and forget", False, ("-mode", "exit")),
        Server("go-waitgroup", "Go, signals, WaitGroup", False, ("-mode", "waitgroup")),
        Server("hard", "lastcall --hard", True, ("--hard",), must_lose=True),
        Server("drain", "lastcall", True, (), must_lose=False),
        Server("epoll", "lastcall, by epoll", True, ("--io", "epoll"), must_lose=False),
    )
}
ENDS_AT_ONCE = ("go-forget", "hard")  # whatever is pending is lost
