// A connection that has become another protocol's, on the wire.
#include <doctest/doctest.h>

#include <csignal>
#include <stdexcept>

#include "captured.h"
#include "server/audit.h"
#include "wire.h"

using namespace lastcall;

namespace {

constexpr std::string_view get = "GET /tunnel HTTP/1.1\r\nHost: a\r\n\r\n";

Task<> echo_bytes(Request& request, Response& response, ResponseBody body) {
  (void)response;
  while (const auto piece = co_await request.read())
    if (!co_await body.write(*piece)) co_return;
  (void)co_await body.write("end");
}

Task<> echo(Request& request, Response& response) {
  response.field("X-Kept", "1");
  ResponseBody body = co_await response.switch_protocols("echo");
  co_await echo_bytes(request, response, std::move(body));
}

Task<> echo_raw(Request& request, Response& response) {
  ResponseBody body = co_await response.begin();
  co_await echo_bytes(request, response, std::move(body));
}

void tunnel(Wire& wire, Handler handler) {
  wire.router.add({.method = Method::get, .path = "/tunnel", .handler = std::move(handler)});
}

const std::string switched = "HTTP/1.1 101 Switching Protocols\r\n";

}  // namespace

TEST_CASE("behind a 101 bytes go both ways, up to the client's FIN and ours") {
  Wire wire;
  tunnel(wire, echo);
  const int socket = wire.connect();
  const std::string head = wire.ask(socket, get);
  CHECK(head.starts_with(switched));
  CHECK(head.find("X-Kept: 1\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n") !=
        std::string::npos);
  for (const char* absent : {"Content-Length", "Transfer-Encoding", "Content-Type", "close"})
    CHECK(head.find(absent) == std::string::npos);
  CHECK(wire.ask(socket, "GET / HTTP/1.1\r\n") == "GET / HTTP/1.1\r\n");
  CHECK(wire.ask(socket, std::string("\0\xff", 2)) == std::string("\0\xff", 2));
  CHECK(wire.count("tunnels_open") == 1);
  wire.hang_up(socket);
  CHECK(wire.take(socket) == "end");
  CHECK(wire.closed(socket));
  CHECK(wire.count("tunnels_open") == 0);
  CHECK(wire.count("tunnels_cut") == 0);
  CHECK(wire.count("requests_answered") == 1);
}

TEST_CASE("what a client sends before the 101 belongs to the other protocol") {
  Wire wire;
  tunnel(wire, echo);
  const int socket = wire.connect();
  CHECK(wire.ask(socket, std::string(get) + "early").ends_with("\r\n\r\nearly"));
}

TEST_CASE("who does not read holds back whoever sends") {
  Wire wire;
  tunnel(wire, echo);
  const int socket = wire.connect();
  (void)wire.ask(socket, get);
  wire.kernel.sockets[socket].window = 1000;
  wire.send(socket, std::string(2'000'000, 'x'));
  wire.turn(10'000);
  CHECK(wire.kernel.sockets[socket].received < 1'000'000);
  CHECK(wire.count("memory_bytes") < 1'000'000);
  std::size_t echoed = 0;
  for (int i = 0; i < 100'000 && echoed < 2'000'000; ++i) {
    echoed += wire.take(socket).size();
    wire.turn();
  }
  CHECK(echoed == 2'000'000);
}

TEST_CASE("a handler that fails resets its tunnel, and a client that has gone is told to it") {
  Wire wire;
  tunnel(wire, [](Request& request, Response& response) -> Task<> {
    (void)co_await response.switch_protocols("x");
    (void)co_await request.read();
    throw std::runtime_error("no");
  });
  const int socket = wire.connect();
  (void)wire.ask(socket, get);
  wire.send(socket, "x");
  CHECK(wire.kernel.sockets[socket].server_reset);
  const int gone = wire.connect();
  (void)wire.ask(gone, get);
  wire.reset(gone);
  CHECK(wire.count("handlers_waiting") == 0);
  CHECK(wire.count("tunnels_open") == 0);
}

TEST_CASE("in a drain a tunnel goes on to the deadline, and is no loss then") {
  Wire wire(WorkerConfig{}, Budget{.window = 100, .timeout = 3000});
  tunnel(wire, echo);
  const int socket = wire.connect();
  (void)wire.ask(socket, get);
  wire.signal(SIGTERM);
  wire.pass(2900);
  CHECK(wire.ask(socket, "still") == "still");
  const Captured log;
  wire.pass(1500);
  CHECK(log.count("cut: the tunnel of GET /tunnel from") == 1);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("tunnels_cut") == 1);
  CHECK(wire.count("requests_cut") == 0);
  CHECK(exit_code(wire.process) == 0);
}

TEST_CASE("a tunnel has no longer than its own time in the drain") {
  WorkerConfig config;
  config.tunnel_timeout = 500;
  Wire wire(config, Budget{.window = 100, .timeout = 30'000});
  tunnel(wire, echo);
  const int socket = wire.connect();
  (void)wire.ask(socket, get);
  const int busy = wire.connect();
  wire.send(busy, "GET /wait?ms=5000 HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.signal(SIGTERM);
  wire.pass(550);
  CHECK(wire.count("tunnels_open") == 1);
  wire.pass(150);
  CHECK(wire.count("tunnels_open") == 0);
  CHECK(wire.count("tunnels_cut") == 1);
  wire.pass(5000);
  CHECK(status(wire.take(busy)) == 200);
  CHECK(exit_code(wire.process) == 0);
}

TEST_CASE("a switch comes once, in a coroutine, and behind the content") {
  Wire wire;
  std::string told;
  tunnel(wire, [&](Request&, Response& response) -> Task<> {
    CHECK_THROWS_AS(co_await response.switch_protocols("no token"), std::invalid_argument);
    (void)co_await response.switch_protocols("x");
    CHECK_THROWS_AS(co_await response.switch_protocols("x"), std::logic_error);
  });
  wire.router.add({Method::post, "/early", [](Request&, Response& response) -> Task<> {
                     CHECK_THROWS_AS(co_await response.switch_protocols("x"), std::logic_error);
                   }});
  const int socket = wire.connect();
  CHECK(wire.ask(socket, get).starts_with(switched));
  CHECK(wire.closed(socket));
  const int other = wire.connect();
  wire.send(other, "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
}

TEST_CASE("a connection that is no HTTP is its handler's from the first byte on") {
  Wire wire(WorkerConfig{}, Budget{.window = 100, .timeout = 1000});
  wire.router.set_raw(echo_raw);
  const int socket = wire.connect();
  CHECK(wire.ask(socket, "\x16\x03\x01") == "\x16\x03\x01");
  const int half = wire.connect();
  wire.send(half, "all");
  wire.hang_up(half);
  CHECK(wire.take(half) == "allend");
  CHECK(wire.closed(half));
  CHECK(wire.count("requests_answered") == 1);
  wire.signal(SIGTERM);
  wire.pass(3000);
  CHECK(wire.count("tunnels_cut") == 1);
  CHECK(exit_code(wire.process) == 0);
}

TEST_CASE("our FIN may come before theirs, who may then send on") {
  Wire wire;
  std::string after;
  wire.router.set_raw([&after](Request& request, Response& response) -> Task<> {
    ResponseBody body = co_await response.begin();
    (void)co_await body.write("bye");
    body.end();
    while (const auto piece = co_await request.read()) after += *piece;
  });
  const int socket = wire.connect();
  wire.turn();
  CHECK(wire.take(socket) == "bye");
  CHECK(wire.closed(socket));
  wire.send(socket, "and ");
  wire.send(socket, "on");
  wire.hang_up(socket);
  CHECK(after == "and on");
}

TEST_CASE("informational answers go before the final one, and not to HTTP/1.0") {
  Wire wire;
  tunnel(wire, [](Request&, Response& response) -> Task<> {
    const Field link[] = {{"Link", "</a>"}};
    response.inform(103, link);
    co_await sleep(std::chrono::milliseconds(4));
    response.inform(102, {});
    response.body("final");
    CHECK_THROWS_AS(response.inform(100, {}), std::invalid_argument);
    CHECK_THROWS_AS(response.inform(200, {}), std::invalid_argument);
  });
  const int socket = wire.connect();
  const std::string early = wire.ask(socket, get);
  CHECK(early == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  wire.pass(8);
  const std::string rest = wire.take(socket);
  CHECK(rest.starts_with("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n"));
  CHECK(rest.ends_with("\r\n\r\nfinal"));
  const int old = wire.connect();
  wire.send(old, "GET /tunnel HTTP/1.0\r\n\r\n");
  wire.pass(8);
  CHECK(wire.take(old).starts_with("HTTP/1.1 200 OK\r\n"));
}
