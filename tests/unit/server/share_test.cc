#include "server/share.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "upload.h"

using namespace lastcall;

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
