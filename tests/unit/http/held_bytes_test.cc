// Bytes that are held, and what bodies may hold together, on the wire.
#include "http/held_bytes.h"

#include <doctest/doctest.h>

#include "wire.h"

using namespace lastcall;

TEST_CASE("all bodies together stay within their memory: 503 beyond, and the budget comes back") {
  WorkerConfig config;
  config.memory.bodies = 64 * 1024;
  Wire wire(config);
  const std::string part(30'000, 'x');
  const std::string head = "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
  const int first = wire.connect();
  const int second = wire.connect();
  wire.send(first, head + part);
  wire.send(second, head + part);
  CHECK(wire.take(first).empty());
  wire.send(second, part);
  CHECK(status(wire.take(second)) == 503);
  wire.send(first, part);
  CHECK(status(wire.take(first)) == 200);
  CHECK(wire.count("body_denied") == 1);
}

TEST_CASE(
    "answers that nobody reads stay within the memory of bodies; probes and small answers go on") {
  WorkerConfig config;
  config.memory.bodies = 450 * 1024;
  Wire wire(config);
  std::vector<int> readers_of_nothing;
  for (int i = 0; i < 10; ++i) {
    const int socket = readers_of_nothing.emplace_back(wire.connect());
    wire.kernel.sockets[socket].window = 1000;
    wire.send(socket, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  CHECK(wire.count("answers_denied") == 7);
  const int socket = wire.connect();
  CHECK(status(wire.ask(socket, hello)) == 200);
  CHECK(status(wire.ask(socket, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")) == 200);
  CHECK(status(wire.ask(socket, "HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n")) == 200);
  CHECK(status(wire.ask(socket, "GET /large-and-unsent HTTP/1.1\r\nHost: a\r\n\r\n")) == 204);
  CHECK(status(wire.ask(socket, post("/take", 60'000))) == 200);  // the quarter of requests
  int whole = 0;
  for (const int reader : readers_of_nothing) {
    wire.kernel.sockets[reader].window = 1 << 24;
    std::string answer;
    for (int i = 0; i < 20; ++i) {
      answer += wire.take(reader);
      wire.turn(10);
    }
    CHECK(answers(answer) == 1);
    whole += status(answer) == 200 ? 1 : 0;
  }
  CHECK(whole == 3);
  CHECK(status(wire.ask(socket, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n")) == 200);
  CHECK(wire.count("answers_denied") == 7);
  CHECK(wire.count("body_denied") == 0);
}

TEST_CASE("a body that is done with makes room for its answer") {
  WorkerConfig config;
  config.memory.bodies = 160 * 1024;
  Wire wire(config);
  CHECK(status(wire.ask(wire.connect(), post("/echo", 100'000))) == 200);
  CHECK(wire.count("answers_denied") + wire.count("body_denied") == 0);
}

TEST_CASE("an answer that waits behind another is charged as well; given up, it is not") {
  WorkerConfig config;
  config.memory.bodies = 300 * 1024;
  Wire wire(config);
  const std::string both =
      "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /wait-large HTTP/1.1\r\nHost: a\r\n\r\n";
  std::vector<int> readers_of_nothing;
  for (int i = 0; i < 3; ++i) {
    const int socket = readers_of_nothing.emplace_back(wire.connect());
    wire.kernel.sockets[socket].window = 10;
    wire.send(socket, both);
    wire.pass(20);
    CHECK(wire.count("answers_denied") == (i < 2 ? 0 : 1));
  }
  wire.reset(readers_of_nothing[0]);
  wire.pass(100);
  CHECK(wire.count("requests_undelivered") == 2);
  const int socket = wire.connect();
  wire.send(socket, both);
  wire.pass(100);
  CHECK(answers(wire.take(socket)) == 2);
  CHECK(wire.count("answers_denied") == 1);
}

TEST_CASE("an answer that will have no content needs no room while it waits") {
  WorkerConfig config;
  config.memory.bodies = 100 * 1024;
  Wire wire(config);
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 10;
  wire.send(socket,
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /wait-large HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.pass(20);
  wire.kernel.sockets[socket].window = 1 << 20;
  wire.pass(20);
  CHECK(answers(wire.take(socket)) == 2);
  CHECK(wire.count("answers_denied") == 0);
}

TEST_CASE(
    "while the memory of bodies is used up, pipelined answers go out a slab at a time, and all of "
    "them do") {
  WorkerConfig config;
  config.memory.bodies = 0;
  Wire wire(config);
  const int socket = wire.connect();
  constexpr std::size_t requests = 5000;
  std::string flood;
  for (std::size_t i = 0; i < requests; ++i) flood += hello;
  wire.send(socket, flood);
  std::size_t answered = answers(wire.take(socket));
  for (int i = 0; i < 2000 && answered < requests; ++i) {
    wire.turn();
    answered += answers(wire.take(socket));
  }
  CHECK(answered == requests);
  CHECK(wire.count("body_denied") == 0);
}

TEST_CASE("a probe's head has room where the account is full, and is charged") {
  Memory memory({.all = 1000, .bodies = 500});
  Exchange exchange(memory);
  memory.charge(1000);
  const std::string raw = "GET /livez HTTP/1.1\r\nHost: a\r\n";
  CHECK_FALSE(exchange.own_head(raw, 4096));
  CHECK_FALSE(exchange.add_field({"Host", "a"}));
  exchange.probes = true;
  CHECK(exchange.own_head(raw, 4096));
  CHECK(exchange.add_field({"Host", "a"}));
  CHECK(memory.charged() > 1000 + 4096);
}
