// A request's content that is read while it comes, on the wire.
#include <doctest/doctest.h>

#include <csignal>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "captured.h"
#include "server/audit.h"
#include "upload.h"

using namespace lastcall;

TEST_CASE("a content is read as it comes, whole or cut anywhere, and the next request behind it") {
  const std::string length = with_length(10) + "0123456789" + std::string(hello);
  const std::string chunks =
      std::string(chunked) + "4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n" + std::string(hello);
  for (const std::string& text : {length, chunks}) {
    for (std::size_t cut = 0; cut < text.size(); ++cut) {
      Upload upload;
      auto& [reader, wire, socket] = upload;
      wire.send(socket, text.substr(0, cut));
      std::string answer = wire.take(socket);
      answer += wire.ask(socket, text.substr(cut));
      INFO(cut);
      CHECK(answers(answer) == 2);
      CHECK(answer.find("\r\n\r\n10") != std::string::npos);
      CHECK(reader.bytes == 10);
      CHECK(wire.count("requests_answered") == 2);
    }
  }
}

TEST_CASE("the handler begins with the head, and the request counts as received") {
  Upload upload;
  auto& [reader, wire, socket] = upload;
  wire.send(socket, with_length(4));
  CHECK(wire.count("handlers_waiting") == 1);
  CHECK(wire.count("requests_received") == 1);
  wire.send(socket, "ab");
  CHECK(reader.bytes == 2);
  CHECK(body_of(wire.ask(socket, "cd")) == "4");
}

TEST_CASE("body throws until read_all has been awaited, and then has all of it") {
  bool threw = false;
  Wire wire;
  (void)take(wire, [&](Request& request, Response& response) -> Task<> {
    try {
      (void)request.body();
    } catch (const std::logic_error&) {
      threw = true;
    }
    (void)co_await request.read_all();
    response.body(request.body());
  });
  for (const bool in_two : {true, false}) {
    threw = false;
    const int socket = wire.connect();
    wire.send(socket, with_length(6) + (in_two ? "abc" : "abcdef"));
    if (in_two) wire.send(socket, "def");
    CHECK(threw);
    CHECK(body_of(wire.take(socket)) == "abcdef");
  }
  threw = false;
  const int socket = wire.connect();
  CHECK(body_of(wire.ask(socket, with_length(0))).empty());
  CHECK_FALSE(threw);  // there is none
}

TEST_CASE("a client is held back by a handler that reads slowly, and nothing is lost") {
  Reader reader;
  reader.between = std::chrono::milliseconds(20);
  Wire wire;
  (void)take(wire, reader.handler());
  const int socket = wire.connect();
  const std::size_t size = 3'000'000;
  wire.send(socket, with_length(size));
  wire.send(socket, std::string(size, 'x'));
  // All that there are receive buffers for may come before the receive has ended.
  const std::size_t most = 600'000 + limits::receive_buffers * limits::receive_buffer_bytes;
  CHECK(wire.worker.memory().peak() < most);
  CHECK(wire.count("receive_paused") > 0);
  wire.pass(20'000);
  CHECK(body_of(wire.take(socket)) == std::to_string(size));
  CHECK(wire.worker.memory().peak() < most);
}

TEST_CASE("a content that is cut off is never taken for a whole one") {
  SUBCASE("by a FIN: 400") {
    Upload upload;
    auto& [reader, wire, socket] = upload;
    wire.send(socket, with_length(10) + "0123");
    wire.hang_up(socket);
    CHECK(reader.incomplete == 400);
    CHECK(status(wire.take(socket)) == 400);
    CHECK(wire.count("handler_failed") == 0);
    CHECK(wire.count("bodies_incomplete") == 1);
  }
  SUBCASE("by a reset: nobody is answered") {
    Upload upload;
    auto& [reader, wire, socket] = upload;
    wire.send(socket, with_length(10) + "0123");
    wire.reset(socket);
    wire.pass(8);
    CHECK(reader.incomplete == 0);
    CHECK(wire.count("requests_undelivered") == 1);
  }
  SUBCASE("malformed: 400, and the connection closes") {
    Upload upload;
    auto& [reader, wire, socket] = upload;
    wire.send(socket, std::string(chunked) + "4\r\n0123\r\n");
    const std::string answer = wire.ask(socket, "zz\r\n");
    CHECK(reader.incomplete == 400);
    CHECK(status(answer) == 400);
    CHECK(says_close(answer));
  }
  SUBCASE("stopped: 408") {
    Upload upload(with_timeouts(1000));
    auto& [reader, wire, socket] = upload;
    wire.send(socket, with_length(10) + "0123");
    wire.pass(2500);
    CHECK(reader.incomplete == 408);
    const std::string answer = wire.take(socket);
    CHECK(status(answer) == 408);
    CHECK(says_close(answer));
  }
  SUBCASE("too large for its route: 413") {
    Reader reader;
    Wire wire;
    take(wire, reader.handler()).max_body_bytes(100);
    const int socket = wire.connect();
    CHECK(status(wire.ask(socket, with_length(101))) == 413);
    const int second = wire.connect();
    wire.send(second, std::string(chunked) + "40\r\n" + std::string(64, 'x') + "\r\n");
    CHECK(status(wire.ask(second, "40\r\n")) == 413);
    CHECK(reader.incomplete == 413);
  }
}

TEST_CASE("a handler's own slowness is not the client's time-out") {
  Reader reader;
  reader.between = std::chrono::milliseconds(3000);
  Wire wire(with_timeouts(1000));
  (void)take(wire, reader.handler());
  const int socket = wire.connect();
  wire.send(socket, with_length(300'000));
  wire.send(socket, std::string(300'000, 'x'));
  wire.pass(60'000);
  CHECK(body_of(wire.take(socket)) == "300000");
}

TEST_CASE("a content of any size is read, unless the route bounds it; read_all is bounded") {
  Wire wire;
  Reader reader;
  (void)take(wire, reader.handler());
  wire.router.add(
      {.method = Method::post, .path = "/all", .handler = [](Request& q, Response& r) -> Task<> {
         r.body(std::to_string((co_await q.read_all()).size()));
       }});
  const std::size_t more = Options{}.max_body_bytes + 1;
  const int socket = wire.connect();
  wire.send(socket, with_length(more));
  wire.send(socket, std::string(more, 'x'));
  wire.pass(200);
  CHECK(body_of(wire.take(socket)) == std::to_string(more));
  const int second = wire.connect();
  std::string text = with_length(more);
  text.replace(5, 3, "/all");
  wire.send(second, text);
  wire.send(second, std::string(more, 'x'));
  wire.pass(200);
  CHECK(status(wire.take(second)) == 413);
}

TEST_CASE("100 Continue is sent with the first read, and not without") {
  Reader reader;
  Wire wire;
  (void)take(wire, reader.handler());
  wire.router.add(
      {.method = Method::post, .path = "/no", .handler = [](Request&, Response& r) -> Task<> {
         r.status(403);
         co_return;
       }});
  const int socket = wire.connect();
  CHECK(wire.ask(socket, with_length(2, "Expect: 100-continue\r\n")) ==
        "HTTP/1.1 100 Continue\r\n\r\n");
  CHECK(body_of(wire.ask(socket, "ab")) == "2");
  std::string text = with_length(2, "Expect: 100-continue\r\n");
  text.replace(5, 3, "/no");
  const std::string answer = wire.ask(socket, text);
  CHECK(status(answer) == 403);
  CHECK(says_close(answer));
  CHECK(wire.closed(socket));
}

TEST_CASE("a little that nobody read is discarded; of more the connection closes, and lingers") {
  Wire wire;
  (void)take(wire, [](Request&, Response& r) -> Task<> {
    r.body("no");
    co_return;
  });
  const int socket = wire.connect();
  std::string answer = wire.ask(socket, with_length(100'000) + "a");
  CHECK(answers(answer) == 1);
  CHECK_FALSE(says_close(answer));
  CHECK(status(wire.ask(socket, std::string(99'999, 'x') + std::string(hello))) == 200);
  CHECK(wire.count("requests_received") == 2);

  answer = wire.ask(socket, std::string(chunked) + "1\r\na\r\n");
  CHECK_FALSE(says_close(answer));
  CHECK(status(wire.ask(socket, "1\r\nb\r\n0\r\n\r\n" + std::string(hello))) == 200);
  (void)wire.ask(socket, std::string(chunked) + "1\r\na\r\n");
  for (int i = 0; i < 40; ++i) wire.send(socket, "2000\r\n" + std::string(0x2000, 'x') + "\r\n");
  CHECK(wire.closed(socket));
  CHECK(wire.count("contents_left") == 1);
  CHECK(wire.count("lost_after_fin") == 0);

  const int large = wire.connect();
  answer = wire.ask(large, with_length(300'000) + "a");
  CHECK(says_close(answer));
  CHECK(wire.count("contents_left") == 2);
  wire.send(large, std::string(100'000, 'x'));
  CHECK(wire.kernel.sockets[large].to_server.empty());  // read on: no reset for who still sends
  CHECK_FALSE(wire.kernel.sockets[large].server_reset);
}

TEST_CASE("a content is read while its answer goes on") {
  Wire wire;
  (void)take(wire, [](Request& request, Response& response) -> Task<> {
    auto body = co_await response.begin();
    while (const auto piece = co_await request.read()) {
      if (!co_await body.write(*piece)) co_return;
    }
  });
  const int socket = wire.connect();
  wire.send(socket, std::string(chunked) + "1\r\na\r\n");
  CHECK(wire.take(socket).ends_with("1\r\na\r\n"));
  CHECK(wire.ask(socket, "1\r\nb\r\n") == "1\r\nb\r\n");
  CHECK(wire.ask(socket, "0\r\n\r\n" + std::string(hello)).find("0\r\n\r\nHTTP/1.1 200") == 0);
}

TEST_CASE("at the deadline a request half received is cut and named; what comes is none") {
  const Captured log;
  Upload upload({}, {.window = 0, .timeout = 500});
  auto& [reader, wire, socket] = upload;
  wire.send(socket, with_length(500) + "abc");
  wire.signal(SIGTERM);
  wire.send(socket, std::string(hello));  // content, whatever it looks like
  wire.pass(1000);
  CHECK(reader.canceled);
  CHECK(wire.count("requests_cut") == 1);
  CHECK(wire.count("requests_received") == 1);
  CHECK(log.count("cut: POST /in from ") == 1);
}

namespace {

// A handler that gathers, and 500 bytes of content asked for, of which three have come.
struct Gathering {
  explicit Gathering(std::string_view fields = "") : wire({}, {.window = 0, .timeout = 500}) {
    (void)take(wire, [](Request& request, Response& response) -> Task<> {
      (void)co_await request.gather(1000);
      response.body("all");
    });
    socket = wire.connect();
    wire.send(socket, with_length(500, fields) + "abc");
    wire.signal(SIGTERM);
    wire.pass(400);
    CHECK_FALSE(wire.worker.stopped());
  }

  Captured log;
  Wire wire;
  int socket = -1;
};

}  // namespace

TEST_CASE("at the deadline half a request that is only gathered is named, and no loss") {
  Gathering half;
  half.wire.pass(600);
  CHECK(half.wire.worker.stopped());
  CHECK(half.wire.count("requests_cut") == 0);
  CHECK(half.wire.count("partial_cut") == 1);
  CHECK(half.wire.count("requests_undelivered") == 1);
  CHECK(exit_code(half.wire.process) == 0);
  CHECK(half.log.count("cut: POST /in from ") == 1);
  CHECK(half.log.count(" ms after it began, half received") == 1);
}

TEST_CASE("it is a loss when the rest of it, and what is behind, was there at the cut") {
  for (const std::string_view fields : {"", "Connection: close\r\n"}) {
    Gathering half(fields);
    half.wire.kernel.now += 200;
    half.wire.kernel.faults.no_buffers = 1;
    half.wire.send(half.socket, std::string(497, 'd') + std::string(hello));
    half.wire.pass(600);
    CHECK(half.wire.worker.stopped());
    CHECK(half.wire.count("requests_cut") == (fields.empty() ? 2 : 1));
    CHECK(half.wire.count("partial_cut") == 0);
    CHECK(exit_code(half.wire.process) == 3);
  }
}

TEST_CASE(
    "at the deadline a content that its handler reads is a loss before its first piece, too") {
  const auto reads = [](Request& request, Response&) -> Task<> {
    (void)co_await request.read_all();
  };
  const auto gathers_then_reads = [](Request& request, Response&) -> Task<> {
    (void)co_await request.gather(2);
    while (co_await request.read()) {
    }
  };
  for (const Handler& handler : {Handler(reads), Handler(gathers_then_reads)}) {
    Wire wire({}, {.window = 0, .timeout = 500});
    (void)take(wire, handler);
    const int socket = wire.connect();
    wire.send(socket, with_length(500) + "abc");
    wire.signal(SIGTERM);
    wire.pass(1000);
    CHECK(wire.count("requests_cut") == 1);
    CHECK(wire.count("partial_cut") == 0);
  }
}

TEST_CASE("an upload that is under way when the signal comes is finished") {
  Upload upload({}, {.window = 100, .timeout = 5000});
  auto& [reader, wire, socket] = upload;
  wire.send(socket, with_length(6) + "abc");
  wire.signal(SIGTERM);
  wire.pass(1000);
  const std::string answer = wire.ask(socket, "def");
  CHECK(body_of(answer) == "6");
  CHECK(says_close(answer));
  CHECK(wire.count("requests_cut") == 0);
}

TEST_CASE("a hook before may refuse an upload by its head") {
  Reader reader;
  Wire wire;
  (void)take(wire, reader.handler());
  wire.router.root().own.before.emplace_back([](Request&, Response& response) {
    response.status(401);
    return false;
  });
  wire.router.seal();
  const int socket = wire.connect();
  CHECK(status(wire.ask(socket, with_length(1'000'000) + "a")) == 401);
  CHECK(reader.pieces == 0);
}

TEST_CASE("what is read does not depend on how it came") {
  Wire wire;
  (void)take(wire, [](Request& request, Response& response) -> Task<> {
    const auto first = co_await request.read();
    std::string all(first.value_or("none"));
    const std::string_view rest = co_await request.read_all();
    all.append("|").append(rest).append("|");
    const auto more = co_await request.read();
    response.body(all.append(more.value_or("none")));
  });
  const int socket = wire.connect();
  CHECK(body_of(wire.ask(socket, with_length(6) + "abcdef")) == "abcdef||none");
  wire.send(socket, with_length(6) + "abc");
  CHECK(body_of(wire.ask(socket, "def")) == "abc|def|none");
}

TEST_CASE("a chunked content that is empty is read as one, however it came") {
  Wire wire;
  int threw = 0;
  (void)take(wire, [&](Request& request, Response& response) -> Task<> {
    try {
      (void)request.body();
    } catch (const std::logic_error&) {
      ++threw;
    }
    response.body(co_await request.read() ? "some" : "none");
  });
  const int socket = wire.connect();
  CHECK(body_of(wire.ask(socket, std::string(chunked) + "0\r\n\r\n")) == "none");
  wire.send(socket, chunked);
  CHECK(body_of(wire.ask(socket, "0\r\n\r\n")) == "none");
  CHECK(threw == 2);
}

TEST_CASE("a client that waits to be asked for its content is not timed out by who does not ask") {
  Wire wire(with_timeouts(1000));
  (void)take(wire, [](Request& request, Response& response) -> Task<> {
    co_await sleep(std::chrono::milliseconds(3000));
    response.body(co_await request.read_all());
  });
  const int socket = wire.connect();
  wire.send(socket, with_length(2, "Expect: 100-continue\r\n"));
  wire.pass(3100);
  CHECK(wire.take(socket) == "HTTP/1.1 100 Continue\r\n\r\n");
  wire.pass(500);
  CHECK(body_of(wire.ask(socket, "ab")) == "ab");
}

TEST_CASE("a relay asks for the content before its own head goes") {
  Wire wire;
  (void)take(wire, [](Request& request, Response& response) -> Task<> {
    auto body = co_await response.begin();
    while (const auto piece = co_await request.read()) {
      if (!co_await body.write(*piece)) co_return;
    }
  });
  const int socket = wire.connect();
  const std::string begun = wire.ask(socket, with_length(2, "Expect: 100-continue\r\n"));
  CHECK(begun.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"));
  CHECK_FALSE(says_close(begun));
  CHECK(wire.ask(socket, "ab").ends_with("2\r\nab\r\n0\r\n\r\n"));
}

TEST_CASE("what is wrong with the rest behind an early answer gets no answer of its own") {
  for (const char* rest : {"zz\r\n", "FFFFFFFFFFFFFFFFF\r\n"}) {
    Wire wire;
    (void)take(wire, [](Request&, Response& r) -> Task<> {
      r.body("early");
      co_return;
    });
    const int socket = wire.connect();
    CHECK(answers(wire.ask(socket, std::string(chunked) + "1\r\na\r\n")) == 1);
    CHECK(wire.ask(socket, rest).empty());
    CHECK(wire.closed(socket));
  }
}

TEST_CASE("however many uploads are cut off at once, each is the client's failure") {
  Reader reader;
  Wire wire;
  (void)take(wire, reader.handler());
  std::vector<int> sockets(limits::errors_kept + 50);
  for (int& socket : sockets) {
    socket = wire.connect();
    wire.send(socket, with_length(10) + "0123");
  }
  for (const int socket : sockets) wire.kernel.sockets[socket].client_fin = true;
  wire.turn(20);
  for (const int socket : sockets) CHECK(status(wire.take(socket)) == 400);
  CHECK(wire.count("handler_failed") == 0);
  CHECK(wire.count("bodies_incomplete") == sockets.size());
}

TEST_CASE("a status that is none is not what an incomplete content is answered by") {
  Wire wire;
  (void)take(wire, [](Request&, Response&) -> Task<> {
    co_await sleep(std::chrono::milliseconds(1));
    throw Incomplete(42);
  });
  const int socket = wire.connect();
  wire.send(socket, with_length(0));
  wire.pass(20);
  CHECK(status(wire.take(socket)) == 400);
}
