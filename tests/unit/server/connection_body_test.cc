// A request's content that is read while it comes, on the wire.
#include <doctest/doctest.h>

#include <csignal>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "captured.h"
#include "server/audit.h"
#include "wire.h"

using namespace lastcall;

namespace {

constexpr std::string_view chunked =
    "POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string with_length(std::size_t bytes, std::string_view fields = "") {
  return std::string("POST /in HTTP/1.1\r\nHost: a\r\nContent-Length: ")
      .append(std::to_string(bytes))
      .append("\r\n")
      .append(fields)
      .append("\r\n");
}

RouteOptions take(Wire& wire, Handler handler) {
  class Open : public Routes {
   public:
    explicit Open(RouteGroup& group) : Routes(&group) {}
  };
  return Open(wire.router.root()).route("POST", "/in", std::move(handler));
}

// Reads to the end, and answers with how many bytes there were, and how they ended.
struct Reader {
  std::size_t bytes = 0;
  std::size_t pieces = 0;
  int incomplete = -1;
  bool canceled = false;
  std::chrono::milliseconds between{0};

  Handler handler() {
    return [this](Request& request, Response& response) -> Task<> {
      try {
        while (const auto piece = co_await request.read()) {
          bytes += piece->size();
          ++pieces;
          if (between.count() > 0) co_await sleep(between);
        }
      } catch (const Incomplete& why) {
        incomplete = why.status;
        throw;
      } catch (const Canceled&) {
        canceled = true;
        throw;
      }
      response.body(std::to_string(bytes));
    };
  }
};

// A client whose content is read to its end.
struct Upload {
  explicit Upload(const WorkerConfig& config = {},
                  Budget budget = {.window = 2000, .timeout = 1000})
      : wire(config, budget) {
    (void)take(wire, reader.handler());
    socket = wire.connect();
  }

  Reader reader;
  Wire wire;
  int socket = -1;
};

std::string body_of(std::string_view answer) {
  return std::string(answer.substr(answer.find("\r\n\r\n") + 4));
}

}  // namespace

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

TEST_CASE("the rest of a large content is received where it stands, whoever takes it, and how") {
  const std::string content = std::string(90'000, 'a') + std::string(60'000, 'b');
  const auto echo_of = [](int how) -> Handler {
    if (how == 0) return [](Request& request, Response& r) { r.body(request.body()); };
    return [how](Request& request, Response& response) -> Task<> {
      std::string all;
      if (how == 1) {
        all = co_await request.read_all();
      } else {
        if (how == 2) (void)co_await request.gather(200'000);
        while (const auto piece = co_await request.read()) all += *piece;
      }
      response.body(std::move(all));
    };
  };
  for (const int how : {0, 1, 2, 3}) {
    for (const std::size_t piece : {1'000u, 50'000u, 150'000u}) {
      CAPTURE(how);
      CAPTURE(piece);
      Wire wire;
      (void)take(wire, echo_of(how));
      const int socket = wire.connect();
      const sim::Socket& there = wire.kernel.sockets[socket];
      for (const std::size_t before : {0u, 100u, 10'000u}) {
        const std::size_t in_place = there.received_in_place;
        wire.send(socket, with_length(content.size()) + content.substr(0, before));
        for (std::size_t at = before; at < content.size(); at += piece)
          wire.send(socket, std::string_view(content).substr(at, piece));
        const std::string answer = wire.take(socket);
        CHECK(status(answer) == 200);
        CHECK(body_of(answer) == content);
        const std::size_t in_lent = limits::direct_bytes_min + 2 * limits::receive_buffer_bytes;
        CHECK(there.received_in_place - in_place >= content.size() - before - in_lent);
        CHECK(wire.io.buffers_lent() == 0);
      }
      CHECK(status(wire.ask(socket, hello)) == 200);
      CHECK(wire.count("memory_bytes") == 0);
    }
  }
}

TEST_CASE("a content that is received where it stands, and whose request has ended meanwhile") {
  const std::string half(40'000, 'a');
  SUBCASE("by an early answer") {
    Wire wire;
    (void)take(wire, [](Request&, Response& response) -> Task<> {
      co_await sleep(std::chrono::milliseconds(20));
      response.body("early");
    });
    const int socket = wire.connect();
    wire.send(socket, with_length(2 * half.size()) + half);
    wire.pass(40);
    CHECK(body_of(wire.take(socket)) == "early");
    CHECK(status(wire.ask(socket, half + std::string(hello))) == 200);  // on the same connection
  }
  SUBCASE("by its client") {
    for (const bool reset : {false, true}) {
      Upload upload;
      upload.wire.send(upload.socket, with_length(2 * half.size()) + half);
      reset ? upload.wire.reset(upload.socket) : upload.wire.hang_up(upload.socket);
      upload.wire.pass(8);
      CHECK(upload.wire.count("connections_open") == 0);
      CHECK(upload.wire.count("requests_undelivered") == (reset ? 1 : 0));
      CHECK(upload.reader.incomplete == (reset ? 0 : 400));
    }
  }
  SUBCASE("by the deadline: it is a loss if the rest is here, and none if it is not") {
    for (const bool comes : {false, true}) {
      Wire wire({}, {.window = 0, .timeout = 100});
      const int socket = wire.connect();
      wire.send(socket, "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 80000\r\n\r\n" + half);
      wire.signal(SIGTERM);
      wire.kernel.now += 200;
      wire.kernel.faults.late = 1;  // what comes is not received before the cut
      if (comes) wire.kernel.sockets[socket].to_server += half;
      wire.turn(1);
      wire.kernel.faults.late = 0;
      wire.pass(400);
      CHECK(wire.count("requests_cut") == (comes ? 1 : 0));
      CHECK(wire.count("partial_cut") == (comes ? 0 : 1));
    }
  }
  SUBCASE("by nobody: where memory grows short its room is given back") {
    WorkerConfig config;
    config.memory = {.all = 640 * 1024, .bodies = 640 * 1024};
    Wire wire(config);
    const int first = wire.connect();
    wire.send(first, "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n" +
                         std::string(3000, 'a'));
    const std::size_t with_room = wire.worker.memory().charged();
    CHECK(with_room > limits::direct_bytes_first);
    const int second = wire.connect();
    wire.send(second, "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");
    wire.send(second, std::string(330'000, 'b'));
    CHECK(wire.worker.tight());
    CHECK(wire.worker.memory().charged() < with_room + 400'000);
    wire.send(first, std::string(147'000, 'a'));
    CHECK(status(wire.take(first)) == 200);
    wire.send(second, std::string(70'000, 'b'));
    CHECK(status(wire.take(second)) == 200);
  }
}

TEST_CASE(
    "large contents have a share of each turn, in and out, and a small request goes between") {
  WorkerConfig config;
  config.share_bytes = 60'000;
  Wire wire(config);
  const std::string content(200'000, 'c');
  std::vector<int> sockets;
  for (int i = 0; i < 8; ++i) {
    sockets.push_back(wire.connect());
    wire.kernel.sockets[sockets.back()].to_server +=
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n";
  }
  wire.turn();
  for (const int socket : sockets) wire.kernel.sockets[socket].to_server += content;
  const int small = wire.connect();
  const auto received = [&] {
    std::size_t all = 0;
    for (const int socket : sockets) all += wire.kernel.sockets[socket].received;
    return all;
  };
  bool moved = true;
  std::size_t turns = 0;
  for (std::size_t before = received(); moved; ++turns) {
    wire.turn(1);
    const std::size_t now = received();
    CHECK(now - before <= config.share_bytes + 2 * limits::receive_bytes_max);
    moved = now > before || wire.worker.share().is_waited_for();
    before = now;
    if (turns == 5) {
      wire.kernel.sockets[small].to_server += hello;
      wire.turn(3);
      CHECK(status(wire.take(small)) == 200);
      CHECK(moved);
    }
  }
  CHECK(turns > 8);
  CHECK(wire.count("share_waits") > 8);
  wire.turn(100);
  for (const int socket : sockets) {
    const std::string answer = wire.take(socket);
    CHECK(body_of(answer) == content);
  }
}

TEST_CASE("who waits for a share when its client goes is forgotten, and its slot used again") {
  WorkerConfig config;
  config.share_bytes = 1000;
  Wire wire(config);
  std::vector<int> sockets;
  for (int i = 0; i < 6; ++i) {
    sockets.push_back(wire.connect());
  }
  for (const int socket : sockets)
    wire.kernel.sockets[socket].to_server += "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
  wire.turn(1);
  CHECK(wire.worker.share().is_waited_for());
  for (const int socket : sockets) wire.kernel.sockets[socket].client_reset = true;
  wire.turn();
  for (int& socket : sockets) {
    socket = wire.connect();
    wire.kernel.sockets[socket].to_server += "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  wire.turn(40);
  for (const int socket : sockets) CHECK(body_of(wire.take(socket)).size() == 100'000);
  CHECK(wire.count("requests_undelivered") == 6);
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
