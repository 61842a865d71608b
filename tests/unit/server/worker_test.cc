// Who holds a place, for how long, and what becomes of those that wait for one.
#include <doctest/doctest.h>

#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <vector>

#include <lastcall/exit_code.h>

#include "captured.h"
#include "server/audit.h"
#include "wire.h"

using namespace lastcall;

namespace {

constexpr int starts_after_ms = 500;

WorkerConfig with_places(std::size_t count, bool evicts = false) {
  WorkerConfig config;
  config.connections_max = count;
  config.evict_silent = evicts;
  return config;
}

std::vector<int> connect(Wire& wire, int count) {
  std::vector<int> sockets;
  for (int i = 0; i < count; ++i) sockets.push_back(wire.connect());
  return sockets;
}

bool ask_and_keep(Wire& wire, int socket) {
  const std::string answer = wire.ask(socket, hello);
  return status(answer) == 200 && !says_close(answer);
}

// Each with half a head; all but the one of that number have gone again.
int one_stays_of_3000(Wire& wire, std::size_t number) {
  const std::vector<int> crowd = connect(wire, 3000);
  for (const int socket : crowd) wire.kernel.sockets[socket].to_server = "POST / HTTP/1.1\r\n";
  wire.turn(20);
  const int stays = crowd[number];
  for (const int socket : crowd) {
    if (socket != stays) wire.kernel.sockets[socket].client_reset = true;
  }
  wire.turn(20);
  return stays;
}

}  // namespace

TEST_CASE("who connects and says nothing keeps nobody out for longer than a head may take") {
  WorkerConfig config = with_places(10);
  config.header_timeout = 2000;
  config.idle_timeout = 20'000;
  Wire wire(config);
  const int spoken = wire.connect();
  CHECK(status(wire.ask(spoken, hello)) == 200);
  const int silent = wire.connect();
  wire.pass(10'000);  // there is room
  CHECK_FALSE(wire.closed(silent));
  const std::vector<int> more = connect(wire, 7);
  wire.pass(2100);
  CHECK(wire.closed(silent));
  CHECK(wire.take(silent).empty());
  CHECK_FALSE(wire.closed(spoken));
  CHECK(wire.count("idle_timeouts") >= 1);
}

TEST_CASE("where there is room, who connects and says nothing has the time between requests") {
  WorkerConfig config;
  config.header_timeout = 2000;
  config.idle_timeout = 20'000;
  Wire wire(config);
  const int silent = wire.connect();
  wire.pass(19'000);
  CHECK_FALSE(wire.closed(silent));
  wire.pass(2100);
  CHECK(wire.closed(silent));
}

TEST_CASE("where nine of ten places are taken, answers say close") {
  Wire wire(with_places(10));
  const std::vector<int> sockets = connect(wire, 8);
  for (const int socket : sockets) CHECK(ask_and_keep(wire, socket));
  const int ninth = wire.connect();
  CHECK(says_close(wire.ask(ninth, hello)));
  CHECK(says_close(wire.ask(sockets[0], hello)));
  wire.hang_up(ninth);
  wire.hang_up(sockets[0]);
  CHECK(ask_and_keep(wire, sockets[1]));
  CHECK(wire.count("closes_announced") == 2);
}

TEST_CASE(
    "who has been silent longest is evicted where that is wanted, and nobody before his time") {
  for (const bool evicts : {false, true}) {
    CAPTURE(evicts);
    Wire wire(with_places(20, evicts));
    const std::vector<int> early = connect(wire, 10);
    for (const int socket : early) CHECK(ask_and_keep(wire, socket));
    wire.pass(1000);
    const std::vector<int> late = connect(wire, 10);
    for (const int socket : late) wire.send(socket, "GET / HTTP/1.1\r\n");
    const int waiting = wire.connect();
    wire.kernel.sockets[waiting].to_server = hello;
    wire.pass(limits::evicted_silent_ms - 1200);
    CHECK(wire.take(waiting).empty());
    wire.pass(1000 + limits::linger_ms);
    CHECK((status(wire.take(waiting)) == 200) == evicts);
    std::size_t gone = 0;
    for (const int socket : early) gone += wire.closed(socket) ? 1 : 0;
    CHECK((gone > 0) == evicts);
    CHECK(gone < early.size());
    for (const int socket : late) CHECK_FALSE(wire.closed(socket));
  }
}

TEST_CASE("a client that goes frees its place, though its handler runs on; within a bound") {
  Wire wire(with_places(2));
  for (int i = 0; i < 2; ++i) {
    const int socket = wire.connect();
    wire.send(socket, "GET /wait?ms=3000 HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(wire.count("handlers_waiting") == static_cast<std::uint64_t>(i + 1));
    wire.reset(socket);
    CHECK(wire.count("connections_open") == 0);
  }
  const int third = wire.connect();  // there are as many handlers left behind as places
  wire.kernel.sockets[third].to_server = hello;
  wire.turn();
  CHECK(wire.take(third).empty());
  wire.pass(3500);
  CHECK(wire.count("handlers_waiting") == 0);
  CHECK(status(wire.take(third)) == 200);
}

TEST_CASE("those in the queue of a full door that closes do not wait for those that only linger") {
  Wire wire(with_places(20), Budget{.window = 0, .timeout = 9000});
  const std::vector<int> pool = connect(wire, 17);  // of a client that does not look at FINs
  for (const int socket : pool) CHECK(ask_and_keep(wire, socket));
  for (const int socket : connect(wire, 3)) wire.send(socket, "GET / HTTP/1.1\r\n");
  std::vector<int> waiting;
  for (int i = 0; i < 100; ++i) {
    waiting.push_back(*wire.kernel.connect());
    (void)wire.kernel.finish_handshake(waiting.back());
    wire.kernel.sockets[waiting.back()].to_server = hello;
  }
  wire.signal(SIGTERM);
  wire.pass(limits::settle_ms_max + 1500);
  for (const int socket : waiting) CHECK(status(wire.take(socket)) == 200);
  CHECK(wire.count("accepted_after_unlisten") + wire.count("accepted_in_sweep") == 100);
}

// ---- memory, and turns

TEST_CASE(
    "where memory is scarce a request gets 503 before its handler runs; a probe is answered") {
  WorkerConfig config;
  config.memory = {.all = 640 * 1024, .bodies = 640 * 1024};
  Wire wire(config);
  const std::string part(250'000, 'x');
  const std::string head = "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 250001\r\n\r\n";
  const int first = wire.connect();
  const int second = wire.connect();
  wire.send(first, head + part);
  const int asks = wire.connect();
  CHECK(status(wire.ask(asks, hello)) == 200);
  wire.send(second, head + part);
  CHECK(status(wire.ask(asks, hello)) == 503);
  CHECK(wire.count("memory_denied") == 1);
  CHECK(wire.count("handler_failed") == 0);
  CHECK(status(wire.ask(asks, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")) == 200);
  wire.send(first, "x");
  wire.send(second, "x");
  CHECK(status(wire.take(first)) == 200);
  CHECK(status(wire.take(second)) == 200);
  CHECK(status(wire.ask(asks, hello)) == 200);
}

TEST_CASE("where memory is scarce a client is held back after a buffer, not after eight") {
  for (const bool scarce : {false, true}) {
    CAPTURE(scarce);
    WorkerConfig config;
    config.memory = {.all = 640 * 1024, .bodies = 640 * 1024};
    Wire wire(config);
    const int waits = wire.connect();
    wire.send(waits, "GET /wait?ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    const int holds = wire.connect();
    if (scarce)
      wire.send(holds, "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 340001\r\n\r\n" +
                           std::string(340'000, 'x'));
    const std::string piece(1024, 'x');  // of requests behind it
    std::size_t sent = 0;
    for (int i = 0; i < 64; ++i, sent += piece.size()) wire.send(waits, piece);
    const std::size_t taken = sent - wire.kernel.sockets[waits].to_server.size();
    const std::size_t held = scarce ? limits::spill_bytes_tight : limits::spill_bytes;
    CHECK(taken >= held);
    CHECK(taken <= held + 2 * piece.size());
    CHECK(wire.count("receive_paused") == 1);
  }
}

TEST_CASE("who pipelines without end takes two shares of a turn at most, and alone all of it") {
  Wire wire;
  const int greedy = wire.connect();
  const std::vector<int> others = connect(wire, 64);
  std::string flood;
  for (int i = 0; i < 2000; ++i) flood += hello;
  wire.kernel.sockets[greedy].to_server += flood;
  for (int round = 0; round < 4; ++round) {  // until it is known what the others want
    for (const int socket : others) wire.kernel.sockets[socket].to_server += hello;
    wire.turn(1);
  }
  for (const int socket : others) (void)wire.take(socket);
  (void)wire.take(greedy);
  std::size_t theirs = 0;
  constexpr std::size_t rounds = 20;
  for (std::size_t round = 0; round < rounds; ++round) {
    for (const int socket : others) wire.kernel.sockets[socket].to_server += hello;
    wire.turn(1);
  }
  for (const int socket : others) theirs += answers(wire.take(socket));
  const std::size_t its = answers(wire.take(greedy));
  CHECK(theirs >= 64 * (rounds - 1));
  CHECK(its > rounds / 2);
  CHECK(its <= 2 * (theirs / 64) + 4);
  wire.turn(30);
  CHECK(answers(wire.take(greedy)) > 30 * 10);
}

TEST_CASE("what was held for a burst goes back once it has been over for a second") {
  Wire wire;
  const int socket = wire.connect();
  const std::string part(900'000, 'x');
  std::vector<int> holders = connect(wire, 12);
  for (const int holder : holders)
    wire.send(holder, "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 900001\r\n\r\n" + part);
  wire.pass(5000);
  CHECK(wire.count("memory_returned") == 0);
  CHECK(wire.count("memory_bytes") > 12 * part.size());
  for (const int holder : holders) wire.send(holder, "x");
  wire.pass(2500);
  CHECK(wire.count("memory_returned") == 1);
  CHECK(wire.count("memory_bytes") < 64 * 1024);
  CHECK(status(wire.ask(socket, hello)) == 200);
}

TEST_CASE("a body that no handler will see is counted and not kept") {
  Wire wire;
  const std::string part(900'000, 'x');
  const int socket = wire.connect();
  for (const char* line : {"POST /nowhere", "PUT /take"}) {  // no such path; no such method there
    const std::size_t before = wire.count("memory_bytes");
    wire.send(socket,
              std::string(line) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 900001\r\n\r\n" + part);
    wire.pass(1100);
    CHECK(wire.count("memory_bytes") < before + 64 * 1024);
    wire.send(socket, "x");
    CHECK(status(wire.take(socket)) >= 404);
    CHECK(wire.ask(socket, post("/echo", 10)).ends_with("\r\n\r\n" + std::string(10, 'x')));
  }
}

TEST_CASE("where the kernel's buffers are narrow, some of those with large bodies have more") {
  WorkerConfig config;
  config.narrow = true;
  config.wide_sockets = 1;
  Wire wire(config);
  const int first = wire.connect();
  const int second = wire.connect();
  CHECK(status(wire.ask(first, post("/echo", 10'000))) == 200);
  CHECK(wire.kernel.sockets[first].receive_room == 0);  // as its listener has it
  CHECK(status(wire.ask(first, post("/echo", 100'000))) == 200);
  CHECK(wire.kernel.sockets[first].receive_room == limits::wide_socket_bytes);
  CHECK(status(wire.ask(second, post("/echo", 100'000))) == 200);
  CHECK(wire.kernel.sockets[second].receive_room == 0);
  wire.hang_up(first);
  CHECK(status(wire.ask(second, post("/echo", 100'000))) == 200);
  CHECK(wire.kernel.sockets[second].receive_room == limits::wide_socket_bytes);
}

TEST_CASE("places that a burst needed are given back, and those in use stay") {
  WorkerConfig config;
  config.memory = {.all = 16 << 20, .bodies = 8 << 20};
  Wire wire(config);
  const int stays = one_stays_of_3000(wire, 100);
  CHECK(wire.count("connections_open") == 1);
  wire.pass(3000);
  CHECK(wire.count("memory_returned") == 1);
  wire.kernel.sockets[stays].to_server += "Host: a\r\nContent-Length: 0\r\n\r\n";
  wire.turn(4);
  CHECK(status(wire.take(stays)) == 405);
  const std::size_t reserved = wire.kernel.reserved;
  for (const int socket : connect(wire, 2500)) CHECK(status(wire.ask(socket, hello)) == 200);
  CHECK(wire.kernel.reserved == reserved);  // of the first burst, once for all
}

TEST_CASE("one connection that stays keeps no other's place, wherever its own is") {
  WorkerConfig config;
  config.memory = {.all = 16 << 20, .bodies = 8 << 20};
  Wire wire(config);
  const int stays = one_stays_of_3000(wire, 2999);
  wire.pass(3000);
  CHECK(wire.count("memory_returned") == 1);
  CHECK(wire.worker.connections_kept() <= limits::slots_kept + 1);
  wire.kernel.sockets[stays].to_server += "Host: a\r\nContent-Length: 0\r\n\r\n";
  wire.turn(4);
  CHECK(status(wire.take(stays)) == 405);
  for (const int socket : connect(wire, 2500)) CHECK(status(wire.ask(socket, hello)) == 200);
}

TEST_CASE("an instant to try an accept again that has passed wakes nobody, room or no room") {
  sim::Kernel kernel(1, sim::Faults::none());
  sim::SimIo io(kernel);
  Metrics metrics;
  Listener listener(io, metrics, 0, false);
  listener.open(kernel.make_listener());
  listener.tend(1000, 1);
  (void)listener.on_accept({.ticket = {}, .result = -EMFILE}, 1000);
  CHECK(listener.retry_at() == 1000 + limits::accept_retry_ms);
  listener.tend(1000 + limits::accept_retry_ms, 0);
  CHECK(listener.retry_at() == never);
  while (io.operations() > 0) {
    io.submit_cancel(listener.fd(), {Kind::accept, 0, 0});
    (void)io.harvest(kernel.now);
  }
}

TEST_CASE("what runs before serving may fail before it is a coroutine: it ends by exit code 1") {
  WorkerConfig config;
  config.on_start = detail::Callable<Task<>()>::of(
      []() -> Task<> { throw std::runtime_error("not a coroutine yet"); });
  const Captured captured;
  Wire wire(config);
  wire.pass(3000);
  CHECK(captured.count("what was to run before serving failed: not a coroutine yet") == 1);
  CHECK(wire.worker.stopped());
  CHECK(exit_code(wire.process) == exit_failed.code);
}

TEST_CASE("clients wait until what runs before serving has ended; in a drain, too") {
  for (const bool drains : {false, true}) {
    CAPTURE(drains);
    WorkerConfig config;
    config.on_start = detail::Callable<Task<>()>::of(
        []() -> Task<> { co_await sleep(std::chrono::milliseconds(starts_after_ms)); });
    Wire wire(config);
    const int socket = wire.connect();
    CHECK(wire.ask(socket, hello).empty());
    CHECK_FALSE(wire.process.ready());
    if (drains) {
      wire.signal(SIGTERM);
      wire.pass(2500);
      CHECK(status(wire.take(socket)) == 200);
    } else {
      wire.pass(starts_after_ms + 100);
      CHECK(status(wire.take(socket)) == 200);
      CHECK(wire.process.ready());
    }
  }
}

TEST_CASE("halves of heads keep nobody from being served, however many there are") {
  WorkerConfig config;
  config.memory = {.all = 4 << 20, .bodies = 2 << 20};
  Wire wire(config);
  for (const int socket : connect(wire, 300)) {
    wire.kernel.sockets[socket].to_server =
        "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(30'000, 'x');
  }
  wire.turn(200);
  CHECK(wire.count("memory_bytes") < 4 << 20);
  CHECK(status(wire.ask(wire.connect(), hello)) == 200);
  CHECK(wire.count("memory_denied") == 0);
}
