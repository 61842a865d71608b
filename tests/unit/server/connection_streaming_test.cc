// An answer that goes on while its handler runs, on the wire.
#include <doctest/doctest.h>

#include <csignal>
#include <stdexcept>
#include <vector>

#include <lastcall/context.h>

#include "captured.h"
#include "wire.h"

using namespace lastcall;

namespace {

constexpr std::string_view get = "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view get_1_0 = "GET /stream HTTP/1.0\r\n\r\n";

void stream(Wire& wire, Handler handler) {
  wire.router.add({.method = Method::get, .path = "/stream", .handler = std::move(handler)});
}

Handler writes(std::vector<std::string> pieces) {
  return [pieces = std::move(pieces)](Request&, Response& response) -> Task<> {
    auto body = co_await response.begin();
    for (const std::string& piece : pieces) {
      if (!co_await body.write(piece)) co_return;
      co_await sleep(std::chrono::milliseconds(4));
    }
  };
}

// The content of an answer in chunks; "cut" behind it where the last one is missing.
std::string dechunked(std::string_view answer) {
  std::string content;
  std::string_view rest = answer.substr(answer.find("\r\n\r\n") + 4);
  while (!rest.empty()) {
    const auto line = rest.find("\r\n");
    const std::size_t size = std::stoul(std::string(rest.substr(0, line)), nullptr, 16);
    rest.remove_prefix(line + 2);
    if (size == 0) return content;
    content += rest.substr(0, size);
    if (rest.size() < size + 2) break;
    rest.remove_prefix(size + 2);
  }
  return content + " cut";
}

}  // namespace

TEST_CASE("a stream's first piece leaves at once, and its end is told") {
  Wire wire;
  stream(wire, writes({"first ", "", "second"}));
  const int socket = wire.connect();
  const std::string begun = wire.ask(socket, get);
  CHECK(begun.find("Transfer-Encoding: chunked\r\n") != std::string::npos);
  CHECK(begun.find("Content-Length") == std::string::npos);
  CHECK(begun.ends_with("\r\n\r\n6\r\nfirst \r\n"));
  CHECK(wire.count("requests_in_flight") == 1);
  wire.pass(100);
  CHECK(dechunked(begun + wire.take(socket)) == "first second");
  CHECK(wire.count("requests_in_flight") == 0);
  CHECK(wire.count("requests_answered") == 1);
  CHECK(status(wire.ask(socket, hello)) == 200);  // the connection lives on
}

TEST_CASE("what is pipelined before and behind a stream is answered in order") {
  Wire wire;
  stream(wire, writes({"one", "two"}));
  const int socket = wire.connect();
  wire.send(socket, std::string(hello).append(get).append(get).append(hello));
  wire.pass(200);
  const std::string answer = wire.take(socket);
  CHECK(answers(answer) == 4);
  CHECK(answer.find("hello world") < answer.find("one"));
  CHECK(answer.rfind("hello world") > answer.rfind("two"));
  CHECK(wire.count("requests_answered") == 4);
}

TEST_CASE("a stream of a known length says it, and is whole or cut") {
  for (const bool whole : {true, false}) {
    Wire wire;
    stream(wire, [whole](Request&, Response& response) -> Task<> {
      auto body = co_await response.begin(10);
      CHECK(co_await body.write("12345"));
      if (whole) CHECK(co_await body.write("67890"));
    });
    const int socket = wire.connect();
    const std::string answer = wire.ask(socket, get);
    CHECK(answer.find("Content-Length: 10\r\n") != std::string::npos);
    CHECK(answer.ends_with(whole ? "1234567890" : "12345") == true);
    CHECK(wire.count("answers_broken_off") == (whole ? 0 : 1));
    CHECK(wire.closed(socket) == !whole);
  }
}

TEST_CASE("more than was announced is the handler's failure, and none of it is sent") {
  Wire wire;
  stream(wire, [](Request&, Response& response) -> Task<> {
    auto body = co_await response.begin(3);
    (void)co_await body.write("1234");
  });
  const int socket = wire.connect();
  CHECK(wire.ask(socket, get).find("1234") == std::string::npos);
  CHECK(wire.closed(socket));
  CHECK(wire.count("handler_failed") == 1);
}

TEST_CASE("a handler that fails half-way cuts its answer, so that the client can tell") {
  Wire wire;
  stream(wire, [](Request&, Response& response) -> Task<> {
    auto body = co_await response.begin();
    (void)co_await body.write("half");
    co_await sleep(std::chrono::milliseconds(10));
    throw std::runtime_error("no more");
  });
  const int socket = wire.connect();
  wire.send(socket, std::string(get).append(hello));
  wire.pass(40);
  const std::string answer = wire.take(socket);
  CHECK(answers(answer) == 1);
  CHECK(dechunked(answer) == "half cut");
  CHECK(wire.closed(socket));
  CHECK(wire.count("answers_broken_off") == 1);
  CHECK(wire.count("requests_cut") == 1);  // the one behind it
}

TEST_CASE("to HTTP/1.0 a stream goes until the close, and a cut one is reset") {
  for (const bool whole : {true, false}) {
    Wire wire;
    stream(wire, [whole](Request&, Response& response) -> Task<> {
      auto body = co_await response.begin();
      (void)co_await body.write("text");
      co_await sleep(std::chrono::milliseconds(10));
      if (!whole) throw std::runtime_error("no more");
    });
    const int socket = wire.connect();
    std::string answer = wire.ask(socket, get_1_0);
    CHECK(answer.find("Transfer-Encoding") == std::string::npos);
    CHECK(says_close(answer));
    CHECK(answer.ends_with("\r\n\r\ntext"));
    wire.pass(40);
    CHECK(wire.take(socket).empty());
    CHECK(wire.closed(socket));
    CHECK(wire.kernel.sockets[socket].server_reset == !whole);
  }
}

TEST_CASE("HEAD, 204 and 304 have no content, and a writer is told at once") {
  bool wrote = false;
  Wire wire;
  Route route{.method = Method::any,
              .path = "/none/{status}",
              .handler = [&](Request& q, Response& r) -> Task<> {
                r.status(std::stoi(std::string(q.param("status"))));
                auto body = co_await r.begin();
                wrote = co_await body.write("text");
              }};
  wire.router.add(route);
  const int socket = wire.connect();
  for (const char* line : {"HEAD /none/200", "GET /none/204", "GET /none/304", "GET /none/205"}) {
    wrote = true;
    const std::string answer = wire.ask(socket, std::string(line) + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(answers(answer) == 1);
    CHECK(answer.ends_with("\r\n\r\n"));
    CHECK_FALSE(wrote);
  }
  CHECK(status(wire.ask(socket, hello)) == 200);
}

TEST_CASE("205 has no content, whatever length was announced") {
  Wire wire;
  stream(wire, [](Request&, Response& response) -> Task<> {
    response.status(205);
    auto body = co_await response.begin(5);
    CHECK_FALSE(co_await body.write("12345"));
  });
  const int socket = wire.connect();
  const std::string answer = wire.ask(socket, std::string(get).append(hello));
  CHECK(answer.find("Content-Length: 0\r\n") != std::string::npos);
  CHECK(answers(answer) + answers(wire.take(socket)) == 2);
}

TEST_CASE("a writer waits for a client that does not read, and holds a bounded amount") {
  std::size_t written = 0;
  Wire wire;
  stream(wire, [&](Request&, Response& response) -> Task<> {
    auto body = co_await response.begin();
    const std::string piece(10'000, 'x');
    while (written < 4'000'000) {
      if (!co_await body.write(piece)) co_return;
      written += piece.size();
    }
  });
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 50'000;
  wire.send(socket, get);
  wire.pass(100);
  const std::size_t stuck = written;
  CHECK(stuck < 250'000);
  CHECK(wire.count("writes_waited") > 0);
  CHECK(wire.worker.memory().charged() < 300'000);
  wire.pass(100);
  CHECK(written == stuck);
  std::string answer;
  for (int i = 0; i < 2000 && wire.count("requests_answered") == 0; ++i) {
    answer += wire.take(socket);
    wire.pass(4);
  }
  answer += wire.take(socket);
  CHECK(dechunked(answer).size() == 4'000'000);
}

TEST_CASE("one large write goes out in pieces, whole") {
  Wire wire;
  const std::string large(1'000'000, 'y');
  stream(wire, writes({large}));
  const int socket = wire.connect();
  std::string answer = wire.ask(socket, get);
  for (int i = 0; i < 200; ++i) {
    wire.pass(4);
    answer += wire.take(socket);
  }
  CHECK(dechunked(answer) == large);
  CHECK(wire.worker.memory().peak() < 400'000);
}

TEST_CASE("a client that resets is told to whoever writes, or waits to") {
  bool goes_on = true;
  Wire wire;
  stream(wire, [&](Request& request, Response& response) -> Task<> {
    auto body = co_await response.begin();
    while (goes_on) goes_on = co_await body.write(std::string(50'000, 'z'));
    CHECK(request.client_gone());
  });
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 10'000;
  wire.send(socket, get);
  wire.pass(20);
  CHECK(goes_on);
  wire.reset(socket);
  wire.pass(20);
  CHECK_FALSE(goes_on);
  CHECK(wire.count("requests_undelivered") == 1);
}

TEST_CASE("trailers stand behind the last chunk, and nothing more is written") {
  bool threw = false;
  Wire wire;
  stream(wire, [&](Request&, Response& response) -> Task<> {
    auto body = co_await response.begin();
    (void)co_await body.write("abc");
    const Field digest[] = {{"Digest", "x=1"}};
    body.end(digest);
    try {
      (void)co_await body.write("more");
    } catch (const std::logic_error&) {
      threw = true;
    }
  });
  const int socket = wire.connect();
  CHECK(wire.ask(socket, get).ends_with("3\r\nabc\r\n0\r\nDigest: x=1\r\n\r\n"));
  CHECK(threw);
  CHECK(wire.count("requests_answered") == 1);
}

TEST_CASE("an answer begins once, and in a coroutine") {
  Wire wire;
  stream(wire, [](Request&, Response& response) -> Task<> {
    (void)co_await response.begin();
    (void)co_await response.begin();
  });
  const int socket = wire.connect();
  (void)wire.ask(socket, get);
  CHECK(wire.count("handler_failed") == 1);
}

TEST_CASE("hooks behind run before the head is sent, once") {
  int runs = 0;
  Wire wire;
  stream(wire, writes({"a"}));
  wire.router.root().own.after.emplace_back(
      [&](const Request&, Response& response) { response.field("X-Run", std::to_string(++runs)); });
  wire.router.seal();
  const int socket = wire.connect();
  CHECK(wire.ask(socket, get).find("X-Run: 1\r\n") != std::string::npos);
  wire.pass(20);
  CHECK(runs == 1);
}

TEST_CASE("a stream that begins in a drain says close; one that began before ends itself") {
  Wire wire({}, {.window = 500, .timeout = 2000});
  stream(wire, [](Request&, Response& response) -> Task<> {
    auto body = co_await response.begin();
    while (!draining()) {
      if (!co_await body.write("tick ")) co_return;
      co_await sleep(std::chrono::milliseconds(20));
    }
    (void)co_await body.write("bye");
  });
  const int before = wire.connect();
  const std::string begun = wire.ask(before, get);
  CHECK_FALSE(says_close(begun));
  wire.signal(SIGTERM);
  const int during = wire.connect();
  const std::string all = wire.ask(during, get);
  CHECK(says_close(all));
  CHECK(dechunked(all) == "bye");
  wire.pass(40);
  CHECK(dechunked(begun + wire.take(before)).ends_with("bye"));
  CHECK(wire.count("requests_cut") == 0);
}

TEST_CASE("drain_begun resumes whoever waits for it, and at once where it has") {
  int resumed = 0;
  Wire wire({}, {.window = 500, .timeout = 2000});
  stream(wire, [&](Request&, Response& response) -> Task<> {
    co_await drain_begun();
    ++resumed;
    response.body("drained");
  });
  const int first = wire.connect();
  const int second = wire.connect();
  wire.send(first, get);
  wire.send(second, get);
  wire.pass(100);
  CHECK(resumed == 0);
  wire.signal(SIGTERM);
  CHECK(resumed == 2);
  CHECK(status(wire.take(first)) == 200);
  const int third = wire.connect();
  CHECK(status(wire.ask(third, get)) == 200);
}

TEST_CASE("at the deadline a stream is cut and named with its bytes; HTTP/1.0 sees a reset") {
  for (const std::string_view request : {get, get_1_0}) {
    const Captured log;
    Wire wire({}, {.window = 0, .timeout = 500});
    bool canceled = false;
    stream(wire, [&](Request&, Response& response) -> Task<> {
      auto body = co_await response.begin();
      try {
        for (;;) {
          if (!co_await body.write("12345")) co_return;
          co_await sleep(std::chrono::milliseconds(100));
        }
      } catch (const Canceled&) {
        canceled = true;
        throw;
      }
    });
    const int socket = wire.connect();
    (void)wire.ask(socket, request);
    wire.signal(SIGTERM);
    wire.pass(1000);
    CHECK(canceled);
    CHECK(wire.count("requests_cut") == 1);
    CHECK(log.count("cut: GET /stream from ") == 1);
    CHECK(log.count(" bytes into its answer") == 1);
    CHECK_FALSE(wire.take(socket).ends_with("0\r\n\r\n"));
    CHECK(wire.kernel.sockets[socket].server_reset == (request == get_1_0));
  }
}

TEST_CASE(
    "a client that never reads an answer in HTTP/1.0 is reset, and takes nothing for the end") {
  Wire wire(with_timeouts(1000));
  stream(wire, [](Request&, Response& response) -> Task<> {
    auto body = co_await response.begin();
    (void)co_await body.write(std::string(300'000, 'x'));
  });
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 1000;
  wire.send(socket, get_1_0);
  wire.pass(5000);
  CHECK(wire.count("write_timeouts") == 1);
  CHECK(wire.kernel.sockets[socket].server_reset);
}

TEST_CASE(
    "the deadline resets HTTP/1.0 also where the handler has ended, and the last is being sent") {
  Wire wire({}, {.window = 0, .timeout = 300});
  stream(wire, [](Request&, Response& response) -> Task<> {
    auto body = co_await response.begin();
    (void)co_await body.write(std::string(50'000, 'x'));
  });
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 1000;
  wire.send(socket, get_1_0);
  wire.signal(SIGTERM);
  wire.pass(2000);
  CHECK(wire.count("requests_cut") == 1);
  CHECK(wire.kernel.sockets[socket].server_reset);
}

TEST_CASE("an answer before one that is broken off may be read to its end") {
  Wire wire;
  stream(wire, [](Request&, Response& response) -> Task<> {
    auto body = co_await response.begin();
    (void)co_await body.write("half");
    throw std::runtime_error("no more");
  });
  const int socket = wire.connect();
  wire.kernel.sockets[socket].unacked = 100;
  wire.send(socket, std::string(hello).append(get));
  wire.pass(1000);
  CHECK(wire.closed(socket));
  CHECK_FALSE(wire.kernel.sockets[socket].server_closed);
  CHECK_FALSE(wire.kernel.sockets[socket].server_reset);
  wire.hang_up(socket);
  wire.pass(100);
  CHECK(wire.count("requests_cut") == 0);
}

TEST_CASE("an answer that begins when its client has gone goes nowhere, and says so") {
  bool wrote = true;
  Wire wire;
  stream(wire, [&](Request&, Response& response) -> Task<> {
    co_await sleep(std::chrono::milliseconds(20));
    auto body = co_await response.begin();
    wrote = co_await body.write("text");
  });
  const int socket = wire.connect();
  wire.send(socket, get);
  wire.reset(socket);
  wire.pass(100);
  CHECK_FALSE(wrote);
  CHECK(wire.count("handler_failed") == 0);
}
