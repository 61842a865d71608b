// One connection and its end: by the drain, by its client, at the deadline.
#include <doctest/doctest.h>

#include <csignal>

#include "server/audit.h"
#include "wire.h"

using namespace lastcall;

TEST_CASE("an answer in the window says close only from the connection's own moment on") {
  Wire wire;  // a window of 2 s: moments lie between 0.5 s and 1 s
  std::vector<int> sockets;
  for (int i = 0; i < 100; ++i) sockets.push_back(wire.connect());
  wire.signal(SIGTERM);
  std::vector<int> told(21);
  for (int slice = 0; slice <= 20; ++slice) {
    for (const int socket : sockets) {
      if (!wire.closed(socket)) told[slice] += says_close(wire.ask(socket, hello)) ? 1 : 0;
    }
    wire.pass(100);
    if (wire.process.close_began_at != never) break;
  }
  int all = 0;
  for (int slice = 0; slice <= 20; ++slice) {
    CAPTURE(slice);
    if (slice <= 4 || slice >= 12) CHECK(told[slice] == 0);
    CHECK(told[slice] < 50);
    all += told[slice];
  }
  CHECK(all == 100);
}

TEST_CASE("no close is said while bytes of a further request are here") {
  Wire wire;
  const int socket = wire.connect();
  wire.signal(SIGTERM);
  wire.pass(1500);
  const std::string answer = wire.ask(socket, std::string(hello) + std::string(hello));
  CHECK(answers(answer) == 2);
  CHECK(says_close(answer));
  CHECK_FALSE(says_close(answer.substr(0, answer.size() / 2)));
}

TEST_CASE("no close is said while a completion of the same turn holds bytes of a further request") {
  // 32 requests of 64 bytes fill one receive buffer to its end.
  const std::string request =
      "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(32, 'x') + "\r\n\r\n";
  REQUIRE(request.size() == 64);
  std::string batch;
  for (int i = 0; i < 100; ++i) batch += request;
  Wire wire;
  const int socket = wire.connect();
  wire.signal(SIGTERM);
  wire.pass(1500);
  const std::string answer = wire.ask(socket, batch);
  CHECK(answers(answer) == 100);
  CHECK(answer.find("Connection: close\r\n") > answer.rfind("HTTP/1.1 "));
  CHECK(wire.count("late_bytes") == 0);
  CHECK(wire.closed(socket));
}

TEST_CASE("who always has one more request under way is told to close, behind what came in time") {
  Wire wire(WorkerConfig{}, Budget{.window = 500, .timeout = 4000});
  const int socket = wire.connect();
  wire.signal(SIGTERM);
  std::size_t sent = 0;
  std::size_t answered = 0;
  std::size_t sent_before_closing = 0;
  std::string taken;
  while (!wire.closed(socket) && sent < 10'000) {
    // Never are there fewer than three: what is answered in a turn has its successor in the next.
    for (; sent < answered + 3; ++sent) wire.kernel.sockets[socket].to_server += hello;
    wire.kernel.now += limits::tick_ms;
    if (wire.process.close_began_at == never) sent_before_closing = sent;
    wire.worker.turn();
    taken += wire.take(socket);
    answered = answers(taken);
  }
  CHECK(sent < 10'000);
  CHECK(answered >= sent_before_closing);
  CHECK(taken.find("Connection: close\r\n") > taken.rfind("HTTP/1.1 "));
  CHECK(wire.count("late_bytes") == (sent - answered) * hello.size());
  CHECK(wire.process.sum("requests_cut") == 0);
}

TEST_CASE("a request that arrives with the signal is answered, and so is one in the queue") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 5000});
  const int open = wire.connect();
  const auto queued = wire.kernel.connect();
  (void)wire.kernel.finish_handshake(*queued);
  wire.kernel.sockets[*queued].to_server = hello;
  wire.kernel.sockets[open].to_server = hello;
  wire.signal(SIGTERM);
  wire.pass(200);
  CHECK(status(wire.take(open)) == 200);
  CHECK(says_close(wire.take(*queued)));
  CHECK(wire.connect() == -1);
}

TEST_CASE("a fresh connection has its first-byte deadline, counted from settling") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 9000});
  const int early = wire.connect();
  const int never = wire.connect();
  wire.signal(SIGTERM);
  wire.pass(2500);
  CHECK_FALSE(wire.closed(early));
  CHECK(says_close(wire.ask(early, hello)));
  wire.pass(1000);
  CHECK(wire.closed(never));
  CHECK(wire.count("lost_after_fin") == 0);
}

TEST_CASE(
    "bytes after an unannounced FIN are a lost request; after an announced one they are not") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 9000});
  const int silent = wire.connect();
  const int told = wire.connect();
  (void)wire.ask(silent, hello);
  wire.send(told, "GET /wait?ms=100 HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.signal(SIGTERM);
  wire.pass(300);
  REQUIRE(wire.closed(silent));
  CHECK(says_close(wire.take(told)));
  wire.send(silent, hello);
  wire.send(told, hello);
  CHECK(wire.count("lost_in_drain") == 1);
  CHECK(wire.count("late_bytes") == 2 * hello.size());
}

TEST_CASE("at the deadline a request in full is cut, a partial one only counted") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 500});
  const int waiting = wire.connect();
  const int partial = wire.connect();
  wire.send(waiting, "GET /wait?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(hello));
  wire.send(partial, "GET / HTTP/1.1\r\nHo");
  wire.signal(SIGTERM);
  wire.pass(600);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("requests_cut") == 2);
  CHECK(wire.count("partial_cut") == 1);
}

TEST_CASE("at the deadline a request that no buffer was free for is cut, too") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 500});
  const int socket = wire.connect();
  wire.send(socket, hello.substr(0, 9));
  wire.signal(SIGTERM);
  wire.pass(400);
  REQUIRE_FALSE(wire.worker.stopped());
  wire.kernel.now += 200;
  wire.kernel.faults.no_buffers = 1;
  wire.send(socket, std::string(hello.substr(9)) + std::string(hello));
  CHECK(wire.count("receive_starved") == 1);
  CHECK(wire.count("requests_cut") == 2);
  CHECK(wire.count("partial_cut") == 0);
}

TEST_CASE(
    "at the deadline a large request is cut, whatever the budget; one behind a close never was "
    "one") {
  WorkerConfig config;
  config.memory.bodies = 0;
  Wire wire(config, Budget{.window = 0, .timeout = 500});
  const int large = wire.connect();
  const int closing = wire.connect();
  wire.send(closing, "GET /wait?ms=60000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" +
                         std::string(hello));
  wire.send(large, hello.substr(0, 9));
  wire.signal(SIGTERM);
  wire.pass(400);
  wire.kernel.now += 200;
  wire.kernel.faults.no_buffers = 1;
  wire.send(large, std::string(hello.substr(9)) + post("/echo", 60'000) +
                       post("/echo", 100).substr(0, 80));
  wire.pass(20);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("requests_cut") == 3);
  CHECK(wire.count("partial_cut") == 1);
}

TEST_CASE("an answer that is ready in the turn of the deadline goes out") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 500});
  const int socket = wire.connect();
  wire.send(socket, "GET /wait?ms=400 HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.signal(SIGTERM);
  wire.kernel.now += 1000;
  wire.turn();
  CHECK(wire.worker.stopped());
  CHECK(status(wire.take(socket)) == 200);
  CHECK(wire.count("requests_answered") == 1);
  CHECK(wire.count("requests_cut") == 0);
}

TEST_CASE("a request that meets the FIN of an idle time-out in the window is lost; CRLF is none") {
  for (const std::string_view late : {hello, std::string_view("\r\n")}) {
    Wire wire(with_timeouts(1000));
    const int socket = wire.connect();
    (void)wire.ask(socket, hello);
    wire.signal(SIGTERM);
    wire.pass(1100);
    REQUIRE(wire.closed(socket));
    wire.send(socket, late);
    CHECK(wire.count("lost_in_drain") == (late == hello ? 1 : 0));
    CHECK(wire.count("lost_after_fin") == (late == hello ? 1 : 0));
  }
}

TEST_CASE(
    "a request that arrived before the FIN of an idle time-out counts, though nobody had read it") {
  for (const bool deadline : {false, true}) {
    CAPTURE(deadline);
    Wire wire(with_timeouts(1000), Budget{.window = 2000, .timeout = 500});
    const int socket = wire.connect();
    (void)wire.ask(socket, hello);
    wire.signal(SIGTERM);
    wire.pass(deadline ? 2400 : 1100);
    REQUIRE(wire.closed(socket));
    wire.kernel.now += deadline ? 200 : 5000;  // one turn: its time is over, and no buffer is free
    wire.kernel.faults.no_buffers = 1;
    wire.kernel.sockets[socket].to_server += hello;
    wire.turn(1);
    wire.kernel.faults.no_buffers = 0;
    wire.pass(500);
    CHECK(wire.count("lost_in_drain") == 1);
    CHECK(wire.count("late_bytes") == hello.size());
  }
}

TEST_CASE("of many requests of one client that are cut some are named, and all counted") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 500});
  const int socket = wire.connect();
  std::string many = "GET /wait?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n";
  for (int i = 0; i < 100; ++i) many += hello;
  wire.send(socket, many);
  wire.signal(SIGTERM);
  wire.pass(600);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("requests_cut") == 101);
}

TEST_CASE("a client that vanished with all of its answer is no loss, and not waited for") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 9000});
  const int socket = wire.connect();
  (void)wire.ask(socket, hello);
  wire.signal(SIGTERM);
  wire.pass(200);
  CHECK(wire.closed(socket));
  wire.kernel.sockets[socket].unacked = 1;  // our FIN
  wire.pass(limits::linger_ms + 1000);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("requests_answered") == 1);
  CHECK(wire.count("requests_undelivered") + wire.count("requests_cut") == 0);
}

TEST_CASE("who still reads when the door closes has a moment for its next request") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 9000});
  const int socket = wire.connect();
  (void)wire.ask(socket, hello);
  wire.kernel.sockets[socket].unacked = 50;
  wire.signal(SIGTERM);
  wire.pass(3000);
  CHECK_FALSE(wire.closed(socket));
  wire.kernel.sockets[socket].unacked = 0;
  wire.pass(limits::after_reading_ms - 100);
  CHECK(says_close(wire.ask(socket, hello)));
  wire.hang_up(socket);
  wire.pass(500);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("lost_in_drain") == 0);
}

TEST_CASE("a client whose reset no completion tells of is found, and is not waited for") {
  for (const bool drains : {true, false}) {
    CAPTURE(drains);
    Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 9000});
    wire.kernel.faults.reset_untold = 1;
    const int uploads = wire.connect();
    const int waits = wire.connect();
    wire.send(uploads, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nxxx");
    wire.send(waits, "GET /wait?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.reset(uploads);
    wire.reset(waits);
    CHECK(wire.count("resets_found") == 0);
    if (drains) wire.signal(SIGTERM);
    wire.pass(1500);
    CHECK(wire.count("resets_found") == 2);
    CHECK(wire.count("connections_open") == 0);
    CHECK(wire.count("requests_undelivered") == 1);
    CHECK(wire.count("requests_cut") + wire.count("partial_cut") == 0);
  }
}

TEST_CASE("a client that vanished without the end of its answer is a loss") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 9000});
  const int socket = wire.connect();
  (void)wire.ask(socket, hello);
  wire.kernel.sockets[socket].unacked = 2;
  wire.signal(SIGTERM);
  wire.pass(limits::linger_ms + 1000);
  CHECK_FALSE(wire.worker.stopped());
  wire.pass(7000);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("requests_cut") == 1);
}

TEST_CASE("the loss of an answer is not hidden by a request begun behind it, or refused") {
  const std::string begun = "GET / HTTP/1.1\r\nHo";
  const std::string refused = "no request\r\n\r\n";
  for (const std::string& behind : {std::string(), begun, refused}) {
    CAPTURE(behind);
    Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 500});
    const int socket = wire.connect();
    const std::size_t answer_bytes = wire.ask(socket, hello).size();
    (void)wire.ask(socket, hello);
    wire.kernel.sockets[socket].unacked = answer_bytes;
    wire.send(socket, behind);
    wire.kernel.sockets[socket].unacked += wire.take(socket).size();
    wire.signal(SIGTERM);
    wire.pass(600 + limits::last_ack_ms);
    CHECK(wire.worker.stopped());
    CHECK(wire.count("requests_answered") - wire.count("answers_unread") == 1);
    CHECK(wire.count("requests_cut") == 1);
    CHECK(wire.count("partial_cut") == (behind == begun ? 1 : 0));
  }
}

TEST_CASE("an acknowledgment that is on its way at the deadline is waited for") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 500});
  const int socket = wire.connect();
  (void)wire.ask(socket, hello);
  wire.kernel.sockets[socket].unacked = 1000;
  wire.signal(SIGTERM);
  wire.pass(500 + limits::last_ack_ms / 4);
  CHECK_FALSE(wire.worker.stopped());
  wire.kernel.sockets[socket].unacked = 0;
  wire.pass(limits::unread_poll_ms + 20);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("requests_cut") == 0);
}

TEST_CASE("bytes sent to a closing connection are no progress in reading its answer") {
  Wire wire(with_timeouts(5000));
  const int socket = wire.connect();
  (void)wire.ask(socket, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  wire.kernel.sockets[socket].unacked = 50;
  for (int i = 0; i < 20; ++i) {
    wire.send(socket, "z");
    wire.pass(1000);
  }
  CHECK(wire.kernel.sockets[socket].server_closed);
  CHECK(wire.count("requests_undelivered") == 1);
}

TEST_CASE("clients that have closed their side and read nothing are looked at ever more rarely") {
  Wire wire;
  const int socket = wire.connect();
  (void)wire.ask(socket, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  wire.kernel.sockets[socket].unacked = 50;
  wire.hang_up(socket);
  wire.kernel.looks = 0;
  wire.pass(25'000);
  CHECK(wire.kernel.looks > 20);
  CHECK(wire.kernel.looks < 60);
  CHECK_FALSE(wire.kernel.sockets[socket].server_closed);
  wire.pass(10'000);
  CHECK(wire.kernel.sockets[socket].server_closed);
}

namespace {

// A refused upload that goes on, 100 bytes a second. How long it was read, in seconds.
int seconds_read(Wire& wire, int socket) {
  CHECK(status(wire.ask(
            socket, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n")) == 413);
  for (int second = 0; second < 60; ++second) {
    if (wire.kernel.sockets[socket].server_closed) return second;
    wire.send(socket, std::string(100, 'x'));
    wire.pass(1000);
  }
  return 60;
}

}  // namespace

TEST_CASE("who uploads on is read, so that the refusal is not lost with a reset, within a bound") {
  Wire wire;
  const int seconds = seconds_read(wire, wire.connect());
  CHECK(seconds >= limits::linger_uploading_ms_max / 1000);
  CHECK(seconds <= limits::linger_uploading_ms_max / 1000 + 1);
  CHECK(wire.count("linger_timeouts") == 1);
  CHECK(wire.count("lost_after_fin") == 0);
}

TEST_CASE("who ends an upload that was refused is closed at once, without a reset") {
  Wire wire;
  const int socket = wire.connect();
  (void)wire.ask(socket, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n");
  for (int second = 0; second < 10; ++second) {
    wire.send(socket, std::string(100, 'x'));
    wire.pass(1000);
  }
  CHECK_FALSE(wire.kernel.sockets[socket].server_closed);
  wire.hang_up(socket);
  CHECK(wire.kernel.sockets[socket].server_closed);
  CHECK_FALSE(wire.kernel.sockets[socket].server_reset);
}

TEST_CASE("an upload of more than the bound is not read to its end") {
  Wire wire;
  const int socket = wire.connect();
  (void)wire.ask(socket, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n");
  const std::string piece(1 << 20, 'x');
  for (std::size_t sent = 0; sent <= limits::linger_bytes_max; sent += piece.size())
    wire.send(socket, piece);
  wire.pass(limits::linger_ms + 100);
  wire.send(socket, "x");
  wire.pass(100);
  CHECK(wire.kernel.sockets[socket].server_closed);
}

TEST_CASE("who uploads on in the drain has the usual time only") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 20'000});
  const int socket = wire.connect();
  CHECK(status(wire.ask(socket, hello)) == 200);
  wire.send(socket, "POST /echo HTTP/1.1\r\n");
  wire.signal(SIGTERM);
  wire.pass(100);
  (void)wire.ask(socket, "Host: a\r\nContent-Length: 9999999\r\n\r\n");
  for (int step = 0; step < 25; ++step) {
    wire.send(socket, "x");
    wire.pass(100);
  }
  CHECK(wire.kernel.sockets[socket].server_closed);
}

TEST_CASE("a client that has closed its side and still reads its answer is waited for") {
  Wire wire;
  const int socket = wire.connect();
  wire.kernel.sockets[socket].unacked = 5000;
  (void)wire.ask(socket, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  wire.hang_up(socket);
  wire.pass(5000);
  CHECK_FALSE(wire.kernel.sockets[socket].server_closed);
  wire.kernel.sockets[socket].unacked = 0;
  wire.pass(limits::linger_ms);
  CHECK(wire.kernel.sockets[socket].server_closed);
  CHECK(wire.count("requests_answered") == 1);
  CHECK(wire.count("linger_timeouts") == 0);
}

TEST_CASE(
    "bytes behind a request that said close are not answered, also when a coroutine answered it") {
  for (const char* request : {"GET /wait?ms=10 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                              "GET /wait?ms=10 HTTP/1.0\r\n\r\n"}) {
    CAPTURE(request);
    Wire wire;
    const int socket = wire.connect();
    wire.send(socket, request + std::string(hello));
    wire.pass(100);
    const std::string answer = wire.take(socket);
    CHECK(answers(answer) == 1);
    CHECK(answer.ends_with("waited"));
    CHECK(wire.closed(socket));
  }
}

TEST_CASE("half a request and a FIN behind an answer that is not acknowledged end the connection") {
  Wire wire;
  const int socket = wire.connect();
  (void)wire.ask(socket, hello);
  wire.kernel.sockets[socket].unacked = 50;
  wire.send(socket, hello.substr(0, 9));
  wire.hang_up(socket);
  CHECK(wire.closed(socket));
  wire.kernel.sockets[socket].unacked = 0;
  wire.pass(3000);
  CHECK(wire.kernel.sockets[socket].server_closed);
  CHECK(wire.count("requests_answered") == 1);
}

TEST_CASE("an answer that was never acknowledged is undelivered, whoever sees the reset first") {
  Wire wire;
  const int socket = wire.connect();
  wire.kernel.sockets[socket].unacked = 1'000'000;  // nothing of what is sent is acknowledged
  CHECK(status(wire.ask(socket, hello)) == 200);
  CHECK(wire.count("requests_answered") == 1);
  SUBCASE("a receive") { wire.reset(socket); }
  SUBCASE("the look at one that has closed") {
    wire.hang_up(socket);
    wire.kernel.sockets[socket].client_reset = true;
    wire.pass(3000);
  }
  CHECK(wire.count("requests_undelivered") == 1);
  CHECK(wire.count("answers_unread") == 1);
  CHECK(wire.count("connections_open") == 0);
}

TEST_CASE("requests behind one that is handled are counted when their client goes") {
  Wire wire;
  const int socket = wire.connect();
  std::string all = "GET /wait?ms=100 HTTP/1.1\r\nHost: a\r\n\r\n";
  for (int i = 0; i < 5; ++i) all += hello;
  all += "GET / HTTP/1.1\r\n";  // and a part of one
  wire.send(socket, all);
  CHECK(wire.count("requests_received") == 1);
  wire.reset(socket);
  CHECK(wire.count("requests_received") == 6);
  CHECK(wire.count("requests_undelivered") == 6);
  CHECK(wire.count("requests_cut") == 0);
  wire.pass(200);
  CHECK(wire.count("handlers_waiting") == 0);
}

TEST_CASE("a FIN that is not acknowledged is waited behind, as long as there is other work") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 20'000});
  const int silent = wire.connect();
  CHECK(status(wire.ask(silent, hello)) == 200);
  const int busy = wire.connect();
  wire.send(busy, "GET /wait?ms=6000 HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.signal(SIGTERM);
  wire.pass(200);
  REQUIRE(wire.closed(silent));
  SUBCASE("its client has not heard of it, and asks") {
    wire.kernel.sockets[silent].unacked = 1;
    wire.pass(4500);
    wire.send(silent, hello);
    CHECK(wire.count("lost_in_drain") == 1);
  }
  SUBCASE("its client hears of it before the usual time is over, and its request is on its way") {
    wire.kernel.sockets[silent].unacked = 1;
    wire.pass(1600);
    wire.kernel.sockets[silent].unacked = 0;
    wire.pass(1500);  // longer than the usual 2 s behind our FIN
    wire.send(silent, hello);
    CHECK(wire.count("lost_in_drain") == 1);
  }
  SUBCASE("its client hears of it late, and its request is on its way") {
    wire.kernel.sockets[silent].unacked = 1;
    wire.pass(2500);
    wire.kernel.sockets[silent].unacked = 0;
    wire.pass(2500);  // one look finds it heard of
    wire.send(silent, hello);
    CHECK(wire.count("lost_in_drain") == 1);
  }
  SUBCASE("its client has heard of it") {
    wire.pass(2500);
    CHECK(wire.count("connections_open") == 1);
  }
  SUBCASE("its client has gone for good") {
    wire.kernel.sockets[silent].unacked = 1;
    wire.pass(6500);
    CHECK(says_close(wire.take(busy)));
    wire.hang_up(busy);
    wire.pass(2500);
    CHECK(wire.worker.stopped());
    CHECK(wire.count("lost_in_drain") == 0);
  }
}

TEST_CASE("silent clients that have vanished are waited for together, and told") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 20'000});
  std::vector<int> vanished;
  for (int i = 0; i < 20; ++i) {
    vanished.push_back(wire.connect());
    CHECK(status(wire.ask(vanished.back(), hello)) == 200);
  }
  const Ms began = wire.kernel.now;
  wire.signal(SIGTERM);
  while (!wire.worker.stopped() && wire.kernel.now < began + 10'000) {
    wire.pass(50);
    for (const int socket : vanished)
      wire.kernel.sockets[socket].unacked = wire.kernel.sockets[socket].server_fin ? 1 : 0;
  }
  CHECK(wire.kernel.now - began < 4000);
  CHECK(wire.count("closes_unheard") == 20);
  CHECK(exit_code(wire.process) == 0);
}

TEST_CASE("at the deadline a silent client that has not heard of our FIN is told, too") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 4000});
  const int silent = wire.connect();
  CHECK(status(wire.ask(silent, hello)) == 200);
  const int busy = wire.connect();
  wire.send(busy, "GET /wait?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.signal(SIGTERM);
  wire.pass(200);
  wire.kernel.sockets[silent].unacked = 1;
  wire.pass(4500);
  CHECK(wire.worker.stopped());
  CHECK(wire.count("closes_unheard") == 1);
}
