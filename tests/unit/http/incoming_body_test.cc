// A large content, which is received into the memory that it stands in, on the wire.
#include "http/incoming_body.h"

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <string_view>
#include <utility>

#include "upload.h"

using namespace lastcall;

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

TEST_CASE("read_all ends beyond its limit, before all of it is held") {
  for (const std::size_t piece : {3'000u, 50'000u}) {
    CAPTURE(piece);
    WorkerConfig config;
    config.parser.body_bytes_max = 100'000;
    Wire wire(config);
    (void)take(wire, [](Request& request, Response& response) -> Task<> {
      (void)co_await request.read_all();
      response.body("all");
    });
    const int socket = wire.connect();
    wire.send(socket, with_length(10'000'000));
    std::size_t sent = 0;
    std::string answer;
    while (sent < 10'000'000 && answer.empty()) {
      wire.kernel.sockets[socket].to_server += std::string(piece, 'x');
      wire.turn(3);
      sent += piece;
      answer = wire.take(socket);
    }
    CHECK(status(answer) == 413);
    CHECK(sent <= 700'000);
    CHECK(wire.worker.memory().peak() < 1'000'000);
  }
}

TEST_CASE("gather returns when more is here than it asks for") {
  for (const std::size_t comes : {18'000u, 30'000u, 50'000u}) {
    CAPTURE(comes);
    Wire wire(with_timeouts(1000));
    bool gathered = false;
    bool all = true;
    int incomplete = -1;
    (void)take(wire, [&](Request& request, Response& response) -> Task<> {
      try {
        all = co_await request.gather(16'000);
        gathered = true;
        while (const auto piece = co_await request.read()) (void)piece;
      } catch (const Incomplete& why) {
        incomplete = why.status;
        throw;
      }
      response.body("ok");
    });
    const int socket = wire.connect();
    wire.send(socket, with_length(60'000));
    wire.send(socket, std::string(comes / 2, 'x'));
    wire.send(socket, std::string(comes - comes / 2, 'x'));
    wire.turn(20);
    CHECK(gathered);
    CHECK_FALSE((all && gathered));
    wire.pass(1500);
  }
}

TEST_CASE("a half that is gathered is no loss at the deadline, unless the rest is here") {
  for (const bool comes : {false, true}) {
    CAPTURE(comes);
    Wire wire({}, {.window = 0, .timeout = 100});
    (void)take(wire, [](Request& request, Response& response) -> Task<> {
      (void)co_await request.gather(200'000);
      response.body("ok");
    });
    const int socket = wire.connect();
    wire.send(socket, with_length(80'000) + std::string(40'000, 'a'));
    wire.signal(SIGTERM);
    wire.kernel.now += 200;
    wire.kernel.faults.late = 1;
    if (comes) wire.kernel.sockets[socket].to_server += std::string(40'000, 'b');
    wire.turn(1);
    wire.kernel.faults.late = 0;
    wire.pass(400);
    CHECK(wire.count("requests_cut") == (comes ? 1 : 0));
    CHECK(wire.count("partial_cut") == (comes ? 0 : 1));
  }
}

TEST_CASE("a streamed content that nobody reads, and its client resets or sends its FIN") {
  for (const bool reset : {false, true}) {
    CAPTURE(reset);
    Wire wire(with_timeouts(2000));
    bool gone = false;
    (void)take(wire, [&](Request& request, Response& response) -> Task<> {
      for (int i = 0; i < 200 && !gone; ++i) {
        co_await sleep(std::chrono::milliseconds(100));
        gone = request.client_gone();
      }
      response.body("ok");
    });
    const int socket = wire.connect();
    wire.send(socket, with_length(60'000) + std::string(20'000, 'x'));
    reset ? wire.reset(socket) : wire.hang_up(socket);
    wire.pass(3000);
    CHECK(gone == reset);
    wire.pass(30'000);
    CHECK(wire.count("connections_open") == 0);
  }
}
