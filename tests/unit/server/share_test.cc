#include "server/share.h"

#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <string_view>
#include <vector>

#include "upload.h"

using namespace lastcall;

namespace {

std::vector<int> connect_to(Wire& wire, std::size_t clients) {
  std::vector<int> sockets;
  while (sockets.size() < clients) sockets.push_back(wire.connect());
  return sockets;
}

// From each of them, to be received in the next turn.
void send_at_once(Wire& wire, const std::vector<int>& sockets, std::string_view bytes) {
  for (const int socket : sockets) wire.kernel.sockets[socket].to_server += bytes;
}

constexpr std::string_view get_large = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace

TEST_CASE("a share is of a turn, and its last bytes may be passed") {
  Share share(100);
  CHECK(share.take(60));
  CHECK(share.take(60));
  CHECK_FALSE(share.take(1));
  share.begin_turn();
  CHECK(share.take(1000));
  CHECK_FALSE(share.take(1));
}

TEST_CASE("who waits comes first, in turn, and may wait again") {
  Share share(100);
  share.reserve(3);
  CHECK(share.take(100));
  for (const std::uint32_t slot : {7u, 8u, 9u}) share.wait(slot);
  std::vector<std::uint32_t> resumed;
  const auto resume = [&] {
    share.resume([&](std::uint32_t slot) {
      resumed.push_back(slot);
      CHECK(share.take(50));
      if (slot == 7 && resumed.size() == 1) share.wait(slot);
    });
  };
  resume();
  CHECK(resumed.empty());
  share.begin_turn();
  CHECK_FALSE(share.take(1));  // they come first
  resume();
  CHECK(resumed == std::vector<std::uint32_t>{7, 8});
  CHECK(share.is_waited_for());
  share.begin_turn();
  resume();
  CHECK(resumed == std::vector<std::uint32_t>{7, 8, 9, 7});
  CHECK_FALSE(share.is_waited_for());
  share.begin_turn();
  CHECK(share.take(1));
}

// ---- on the wire

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
  send_at_once(wire, sockets, content);
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
  std::vector<int> sockets = connect_to(wire, 6);
  send_at_once(wire, sockets, get_large);
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

TEST_CASE("answers that are ready at the deadline go out, share or no share") {
  for (const std::size_t share : {limits::share_bytes, std::size_t{1} << 30}) {
    WorkerConfig config;
    config.share_bytes = share;
    Wire wire(config, {.window = 0, .timeout = 1000});
    const std::vector<int> sockets = connect_to(wire, 10);
    wire.signal(SIGTERM);
    wire.kernel.now += 5000;  // stopped, and continued
    send_at_once(wire, sockets, get_large);
    wire.turn(1);
    wire.pass(400);
    CHECK(wire.count("requests_answered") == 10);
  }
}

TEST_CASE("contents that are here at the deadline are taken, share or no share") {
  for (const std::size_t share : {limits::share_bytes, std::size_t{1} << 30}) {
    WorkerConfig config;
    config.share_bytes = share;
    Wire wire(config, {.window = 0, .timeout = 1000});
    std::vector<int> sockets;
    for (int i = 0; i < 12; ++i) {
      sockets.push_back(wire.connect());
      wire.send(sockets.back(), "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n");
    }
    wire.signal(SIGTERM);
    wire.kernel.now += 5000;  // stopped, and continued
    send_at_once(wire, sockets, std::string(150'000, 'x'));
    wire.turn(1);
    wire.pass(400);
    CHECK(wire.count("requests_answered") == 12);
  }
}

TEST_CASE("who waits for a share while the process is stopped is no slow reader") {
  for (const std::size_t share : {std::size_t{1000}, std::size_t{1} << 30}) {
    WorkerConfig config;
    config.share_bytes = share;
    Wire wire(config);
    const std::vector<int> sockets = connect_to(wire, 6);
    send_at_once(wire, sockets, get_large);
    wire.turn(1);
    wire.kernel.now += 31'000;  // stopped, and continued; or a handler that blocks
    wire.turn(40);
    CHECK(wire.count("write_timeouts") == 0);
    CHECK(wire.count("requests_answered") == 6);
  }
}

TEST_CASE("a share is of what has come: small pieces of many large contents need one turn") {
  for (const std::size_t share : {limits::share_bytes, std::size_t{1} << 30}) {
    WorkerConfig config;
    config.share_bytes = share;
    Wire wire(config);
    std::vector<int> sockets;
    for (int i = 0; i < 100; ++i) {
      sockets.push_back(wire.connect());
      wire.send(sockets.back(), "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n" +
                                    std::string(400'000, 'x'));
      wire.turn(20);
    }
    send_at_once(wire, sockets, "1000 bytes, say");
    int turns = 0;
    do {
      wire.turn(1);
      ++turns;
    } while (wire.worker.share().is_waited_for());
    CHECK(turns == 1);
  }
}

TEST_CASE("receives that wait for a share while the process is stopped are no slow clients") {
  for (const int how : {0, 1, 2}) {
    CAPTURE(how);
    WorkerConfig config = with_timeouts(1000);
    config.share_bytes = 1000;
    Wire wire(config);
    (void)take(wire, [how](Request& request, Response& response) -> Task<> {
      if (how == 1) {
        (void)co_await request.read_all();
      } else {
        while (const auto piece = co_await request.read()) (void)piece;
      }
      response.body("ok");
    });
    std::vector<int> sockets;
    for (int i = 0; i < 8; ++i) {
      sockets.push_back(wire.connect());
      wire.send(sockets.back(), how == 0 ? post("/take", 200'000).substr(0, 120)
                                         : with_length(200'000) + std::string(1000, 'x'));
    }
    send_at_once(wire, sockets, std::string(120'000, 'x'));
    wire.turn(1);
    wire.kernel.now += 5000;
    wire.turn(60);
    CHECK(wire.count("body_timeouts") == 0);
    CHECK(wire.count("header_timeouts") == 0);
    send_at_once(wire, sockets, std::string(79'000, 'x'));
    wire.turn(200);
    if (how != 0) CHECK(wire.count("requests_answered") == 8);
  }
}

TEST_CASE("who waits for a share, and its client goes, or the deadline comes") {
  for (const int what : {0, 1, 2, 3}) {
    for (const bool out : {false, true}) {
      CAPTURE(what);
      CAPTURE(out);
      WorkerConfig config;
      config.share_bytes = 1000;
      Wire wire(config, {.window = 0, .timeout = 300});
      (void)take(wire, [](Request& request, Response& response) -> Task<> {
        auto body = co_await response.begin();
        while (const auto piece = co_await request.read()) {
          if (!co_await body.write(*piece)) co_return;
        }
      });
      std::vector<int> sockets;
      for (int i = 0; i < 6; ++i) {
        sockets.push_back(wire.connect());
        wire.send(sockets.back(), with_length(150'000));
      }
      send_at_once(wire, sockets, std::string(out ? 150'000 : 60'000, 'x'));
      wire.turn(3);
      CHECK(wire.worker.share().is_waited_for());
      if (what == 0)
        for (const int socket : sockets) wire.kernel.sockets[socket].client_fin = true;
      if (what == 1)
        for (const int socket : sockets) wire.kernel.sockets[socket].client_reset = true;
      if (what == 2) {
        wire.signal(SIGTERM);
        wire.kernel.now += 400;
        wire.turn(1);
      }
      wire.turn(200);
      wire.pass(1000);
      if (what == 3 && out) CHECK(wire.count("requests_answered") == 6);
      if (what == 0 && out) CHECK(wire.count("requests_answered") == 6);
      if (what == 0 || what == 1) CHECK(wire.count("connections_open") == 0);
    }
  }
}

TEST_CASE("an early answer while the receive waits for a share, or for its reader") {
  for (const std::size_t length : {100'000u, 600'000u}) {
    for (const bool waits : {false, true}) {
      CAPTURE(length);
      CAPTURE(waits);
      WorkerConfig config;
      if (waits) config.share_bytes = 1000;
      Wire wire(config);
      (void)take(wire, [](Request&, Response& response) -> Task<> {
        co_await sleep(std::chrono::milliseconds(4));
        response.body("early");
      });
      std::vector<int> sockets;
      for (int i = 0; i < 6; ++i) {
        sockets.push_back(wire.connect());
        wire.kernel.sockets[sockets.back()].to_server += with_length(length);
      }
      wire.turn(2);
      send_at_once(wire, sockets, std::string(length, 'x') + std::string(hello));
      wire.turn(2);
      wire.kernel.now += 8;
      wire.turn(400);
      for (const int socket : sockets) {
        const std::string answer = wire.take(socket);
        CHECK(answer.find("early") != std::string::npos);
        CHECK(answers(answer) == (length < 256 * 1024 ? 2 : 1));
      }
    }
  }
}
