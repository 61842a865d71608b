"""The servers that are rolled: lastcall, and Go's net/http ended in the usual ways."""

from harness.servers import Server

SERVERS = {
    server.name: server
    for server in (
        Server("hard", "lastcall --hard", True, ("--hard",), must_lose=True),
        Server("drain", "lastcall", True, (), must_lose=False),
        Server("epoll", "lastcall, by epoll", True, ("--io", "epoll"), must_lose=False),
        Server("go-exit", "Go, exits at once", False, ("-mode", "exit")),
        Server("go-shutdown", "Go, Shutdown", False, ("-mode", "shutdown")),
        Server("go-delay", "Go, 503, delay, Shutdown", False, ("-mode", "delay")),
    )
}
