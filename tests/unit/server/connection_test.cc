// One connection through its life, on the wire.
#include <doctest/doctest.h>

#include <csignal>
#include <stdexcept>

#include "wire.h"

using namespace lastcall;

TEST_CASE("pipelined requests are answered in order and in one send") {
  Wire wire;
  const int socket = wire.connect();
  std::string batch;
  for (int i = 0; i < 20; ++i) {
    batch += "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n" + std::to_string(10 + i);
  }
  const std::string answer = wire.ask(socket, batch);
  CHECK(answers(answer) == 20);
  std::size_t at = 0;
  for (int i = 0; i < 20; ++i) {
    at = answer.find("\r\n\r\n" + std::to_string(10 + i), at);
    REQUIRE(at != std::string::npos);
  }
}

TEST_CASE("a request behind a waiting one is answered after it") {
  Wire wire;
  const int socket = wire.connect();
  wire.send(socket, "GET /wait?ms=50 HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(hello));
  CHECK(wire.take(socket).empty());
  wire.pass(60);
  const std::string answer = wire.take(socket);
  CHECK(answers(answer) == 2);
  CHECK(answer.find("waited") < answer.find("hello world"));
}

TEST_CASE("a client that half-closes gets its answers, waiting ones too") {
  Wire wire;
  const int socket = wire.connect();
  wire.send(socket, "GET /wait?ms=50 HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(hello));
  wire.hang_up(socket);
  wire.pass(60);
  CHECK(answers(wire.take(socket)) == 2);
  CHECK(wire.kernel.sockets[socket].server_closed);
}

TEST_CASE("a client that breaks off while its handler waits is counted as undelivered") {
  Wire wire;
  const int socket = wire.connect();
  wire.send(socket, "GET /wait?ms=50 HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.reset(socket);
  CHECK(wire.count("requests_undelivered") == 1);
  CHECK(wire.count("requests_in_flight") == 0);
  wire.pass(60);
  CHECK(wire.count("requests_answered") == 0);
}

TEST_CASE("a handler that throws is answered 500, and the connection lives on") {
  Wire wire;
  const int socket = wire.connect();
  CHECK(status(wire.ask(socket, "GET /throw HTTP/1.1\r\nHost: a\r\n\r\n")) == 500);
  wire.send(socket, "GET /wait-and-throw HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.pass(20);
  CHECK(status(wire.take(socket)) == 500);
  CHECK(status(wire.ask(socket, "GET /throw-and-wait HTTP/1.1\r\nHost: a\r\n\r\n")) == 500);
  CHECK(status(wire.ask(socket, hello)) == 200);
  CHECK(wire.count("handler_failed") == 3);
}

TEST_CASE("a client that does not read its answers is no longer read from") {
  Wire wire;
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 1000;
  // All the buffers there are may be filled before it can be paused.
  constexpr std::size_t flood_bytes = 3 * limits::receive_buffers * limits::receive_buffer_bytes;
  constexpr std::size_t requests = flood_bytes / hello.size();
  std::string flood;
  for (std::size_t i = 0; i < requests; ++i) flood += hello;
  wire.send(socket, flood);
  CHECK(wire.count("receive_paused") >= 1);
  CHECK(wire.kernel.sockets[socket].to_server.size() > flood.size() / 2);
  std::size_t answered = 0;
  wire.kernel.sockets[socket].window = 1 << 24;
  for (int i = 0; i < 4000; ++i) {
    wire.turn();
    answered += answers(wire.take(socket));
  }
  CHECK(answered == requests);
}

TEST_CASE("a large answer reaches a slow reader whole") {
  Wire wire;
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 700;
  wire.send(socket, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  std::string answer;
  for (int i = 0; i < 1000; ++i) {
    answer += wire.take(socket);
    wire.turn(1);
  }
  CHECK(answer.size() > 100'000);
  CHECK(answer.ends_with("xxx"));
}

TEST_CASE("connections above the bound wait in the queue and are served as others leave") {
  WorkerConfig config;
  config.connections_max = 2;
  Wire wire(config);
  int sockets[5];
  for (int& socket : sockets) {
    socket = wire.connect();
    wire.send(socket, hello);
  }
  CHECK(wire.count("connections_open") == 2);
  CHECK(wire.count("accept_paused") >= 1);
  for (const int socket : sockets) {
    CHECK(status(wire.take(socket)) == 200);
    wire.hang_up(socket);
    wire.turn(6);
  }
}

TEST_CASE("a hook that throws does not keep the drain from its end") {
  WorkerConfig config;
  config.on_drain =
      detail::Callable<void()>::of([] { throw std::runtime_error("the hook's own failure"); });
  Wire wire(config, Budget{.window = 0, .timeout = 500});
  wire.signal(SIGTERM);
  wire.pass(200);
  CHECK(wire.worker.stopped());
}

TEST_CASE("health paths answer by phase") {
  Wire wire;
  const int socket = wire.connect();
  const auto status = [&](const char* path) {
    const std::string answer = wire.ask(
        socket, std::string("GET ") + path + " HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(hello));
    return answer.substr(9, 3);
  };
  wire.process.slots[0].heartbeat = wire.kernel.now;
  CHECK(status("/readyz") == "200");
  CHECK(status("/servingz") == "200");
  wire.signal(SIGTERM);
  CHECK(status("/readyz") == "503");
  CHECK(status("/ready") == "503");
  CHECK(status("/servingz") == "200");
  CHECK(status("/livez") == "200");
  CHECK(status("/alive") == "200");
}

TEST_CASE("an answer that one send cannot take goes out by several, and is counted once") {
  WorkerConfig config;
  config.send_bytes_max = 7000;
  Wire wire(config);
  const int socket = wire.connect();
  wire.send(socket, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(hello));
  std::string answer = wire.take(socket);
  for (int i = 0; i < 40; ++i) {
    wire.turn(1);
    answer += wire.take(socket);
  }
  CHECK(answers(answer) == 2);
  CHECK(status(answer) == 200);
  CHECK(wire.count("requests_answered") == 2);
  CHECK(wire.count("requests_in_flight") == 0);
}
