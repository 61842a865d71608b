// Handshakes that are half-way when the listener ends, and those that nobody can see.
#include <doctest/doctest.h>

#include <csignal>

#include "server/audit.h"
#include "wire.h"

using namespace lastcall;

TEST_CASE("a handshake half-way is waited for while there is other work, and served") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 30'000});
  const int busy = wire.connect();
  const int idle = wire.connect();
  CHECK(status(wire.ask(idle, hello)) == 200);
  wire.send(busy, "GET /wait?ms=9000 HTTP/1.1\r\nHost: a\r\n\r\n");
  const int late = *wire.kernel.connect();
  wire.signal(SIGTERM);
  wire.pass(500);
  CHECK(wire.closed(idle));  // whose close does not wait for it
  wire.pass(7500);
  CHECK(wire.kernel.finish_handshake(late) == sim::Kernel::Ack::taken);
  wire.kernel.sockets[late].to_server = hello;
  wire.pass(300);
  CHECK(status(wire.take(late)) == 200);
  wire.pass(2000);
  CHECK(status(wire.take(busy)) == 200);
  CHECK(wire.count("handshakes_abandoned") == 0);
}

TEST_CASE("spoofed SYNs stretch no drain, and change no exit code") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 30'000});
  for (int i = 0; i < 100; ++i) REQUIRE(wire.kernel.spoof_syn());
  wire.signal(SIGTERM);
  wire.pass(limits::settle_ms_max - 100);
  CHECK_FALSE(wire.worker.stopped());
  wire.pass(400);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("handshakes_abandoned") == 100);
  CHECK(exit_code(wire.process) == 0);
}

TEST_CASE("spoofed SYNs are waited for as long as other work, and no longer") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 30'000});
  const int busy = wire.connect();
  wire.send(busy, "GET /wait?ms=6000 HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(wire.kernel.spoof_syn());
  wire.signal(SIGTERM);
  wire.pass(5900);
  CHECK(wire.process.settled_at == never);
  wire.pass(200);
  CHECK(status(wire.take(busy)) == 200);
  wire.hang_up(busy);
  wire.pass(600);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("handshakes_abandoned") == 1);
}

TEST_CASE("the deadline counts the handshakes that are half-way then") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 5000});
  const int busy = wire.connect();
  wire.send(busy, "GET /wait?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(wire.kernel.spoof_syn());
  wire.signal(SIGTERM);
  wire.pass(5500);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("handshakes_abandoned") == 1);
  CHECK(wire.count("requests_cut") == 1);
}

TEST_CASE("where a kernel cannot un-listen, new SYNs do not keep the listener") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 30'000});
  wire.process.can_unlisten = false;
  const int busy = wire.connect();
  wire.send(busy, "GET /wait?ms=9000 HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.signal(SIGTERM);
  for (int i = 0; i < 40; ++i) {
    (void)wire.kernel.spoof_syn();
    wire.pass(100);
  }
  CHECK(wire.process.settled_at != never);
  CHECK_FALSE(wire.worker.stopped());
}

TEST_CASE("while SYN cookies are sent the listener stays; for half of the time at most") {
  Wire wire(WorkerConfig{}, Budget{.window = 2000, .timeout = 10'000});
  const Ms began = wire.kernel.now;
  wire.kernel.syn_cookies = true;
  wire.signal(SIGTERM);
  wire.pass(1900);
  const int late = *wire.kernel.connect();
  wire.pass(600);
  CHECK(wire.process.close_began_at == never);  // the window ended at 2000
  CHECK(wire.kernel.finish_handshake(late) == sim::Kernel::Ack::taken);
  wire.kernel.sockets[late].to_server = hello;
  wire.pass(100);
  CHECK(says_close(wire.take(late)));
  SUBCASE("they end") {
    wire.pass(limits::cookies_quiet_ms);
    CHECK(wire.process.close_began_at - began >= 1900 + limits::cookies_quiet_ms);
    CHECK(wire.process.syn_cookies == 1);
  }
  SUBCASE("they go on") {
    while (wire.kernel.now < began + 8000 && wire.process.close_began_at == never) {
      (void)wire.kernel.connect();
      wire.pass(100);
    }
    CHECK(wire.process.close_began_at - began >= 7000);
    CHECK(wire.process.close_began_at - began < 7200);
    CHECK(wire.process.syn_cookies > 40);
  }
  wire.pass(1000);
  CHECK(exit_code(wire.process) == 0);
}

TEST_CASE("cookies of before the signal count as well: without a window nothing else is known") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 10'000});
  wire.kernel.syn_cookies = true;
  const int late = *wire.kernel.connect();
  wire.signal(SIGTERM);
  wire.pass(1000);
  CHECK(wire.process.close_began_at == never);
  CHECK(wire.kernel.finish_handshake(late) == sim::Kernel::Ack::taken);
  wire.kernel.sockets[late].to_server = hello;
  wire.pass(limits::cookies_quiet_ms);
  CHECK(status(wire.take(late)) == 200);
  CHECK(wire.process.close_began_at != never);
  CHECK(wire.process.syn_cookies == 0);
}

TEST_CASE("while an accept queue overflows the listener stays, and who is behind it is served") {
  WorkerConfig config;
  config.connections_max = 1;
  Wire wire(config, Budget{.window = 500, .timeout = 20'000});
  const int holds = wire.connect();
  wire.send(holds, "GET /slow?ms=3000 HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.kernel.backlog = 1;
  const int queued = wire.connect();
  wire.kernel.sockets[queued].to_server = hello;
  const int late = *wire.kernel.connect();
  CHECK(wire.kernel.finish_handshake(late) == sim::Kernel::Ack::dropped);
  wire.signal(SIGTERM);
  wire.pass(2000);
  CHECK(wire.process.close_began_at == never);  // the window ended at 500
  CHECK(wire.kernel.finish_handshake(late) == sim::Kernel::Ack::dropped);
  wire.pass(1500);
  CHECK(status(wire.take(queued)) == 200);
  CHECK(wire.kernel.finish_handshake(late) == sim::Kernel::Ack::taken);
  wire.kernel.sockets[late].to_server = hello;
  wire.pass(limits::overflows_quiet_ms);
  CHECK(status(wire.take(late)) == 200);
  CHECK(wire.process.close_began_at != never);
  CHECK(wire.process.queue_overflows > 0);
  CHECK(wire.count("handshakes_abandoned") == 0);
}

TEST_CASE("what waits in the queue is work that a handshake half-way is waited for with") {
  WorkerConfig config;
  config.connections_max = 1;
  Wire wire(config, Budget{.window = 0, .timeout = 20'000});
  const int holds = wire.connect();
  wire.send(holds, "GET /slow?ms=4000 HTTP/1.1\r\nHost: a\r\n\r\n");
  const int queued = wire.connect();
  wire.kernel.sockets[queued].to_server = "GET /slow?ms=4000 HTTP/1.1\r\nHost: a\r\n\r\n";
  const int late = *wire.kernel.connect();
  wire.signal(SIGTERM);
  wire.pass(7000);
  CHECK(wire.kernel.finish_handshake(late) == sim::Kernel::Ack::taken);
  wire.kernel.sockets[late].to_server = hello;
  wire.pass(3000);
  CHECK(status(wire.take(late)) == 200);
}
