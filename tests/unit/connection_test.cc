// One connection through its life, on the wire.
#include <doctest/doctest.h>

#include <csignal>
#include <stdexcept>

#include "wire.h"

using namespace lastcall;

namespace {

constexpr std::string_view hello = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

bool says_close(std::string_view answer) {
  return answer.find("Connection: close\r\n") != std::string_view::npos;
}
std::size_t answers(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find("HTTP/1.1 ", at)) != std::string_view::npos; ++at)
    ++count;
  return count;
}
std::string post(std::string_view path, std::size_t body_bytes) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body_bytes) + "\r\n\r\n" +
         std::string(body_bytes, 'x');
}
WorkerConfig with_timeouts(Ms ms) {
  WorkerConfig config;
  config.header_timeout = config.body_timeout = config.idle_timeout = config.write_timeout = ms;
  return config;
}

}  // namespace

TEST_CASE("pipelined requests are answered in order and in one send") {
  Wire wire;
  const int socket = wire.connect();
  std::string batch;
  for (int i = 0; i < 20; ++i) {
    batch += "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n" + std::to_string(10 + i);
  }
  const std::string answer = wire.ask(socket, batch);
  CHECK(answers(answer) == 20);
  std::size_t at = 0;
  for (int i = 0; i < 20; ++i) {
    at = answer.find("\r\n\r\n" + std::to_string(10 + i), at);
    REQUIRE(at != std::string::npos);
  }
}

TEST_CASE("a request behind a waiting one is answered after it") {
  Wire wire;
  const int socket = wire.connect();
  wire.send(socket, "GET /wait?ms=50 HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(hello));
  CHECK(wire.take(socket).empty());
  wire.pass(60);
  const std::string answer = wire.take(socket);
  CHECK(answers(answer) == 2);
  CHECK(answer.find("waited") < answer.find("hello world"));
}

TEST_CASE("a client that half-closes gets its answers, waiting ones too") {
  Wire wire;
  const int socket = wire.connect();
  wire.send(socket, "GET /wait?ms=50 HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(hello));
  wire.hang_up(socket);
  wire.pass(60);
  CHECK(answers(wire.take(socket)) == 2);
  CHECK(wire.kernel.sockets[socket].server_closed);
}

TEST_CASE("a client that breaks off while its handler waits is counted as undelivered") {
  Wire wire;
  const int socket = wire.connect();
  wire.send(socket, "GET /wait?ms=50 HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.reset(socket);
  CHECK(wire.count(Count::requests_undelivered) == 1);
  CHECK(wire.count(Count::requests_in_flight) == 0);
  wire.pass(60);
  CHECK(wire.count(Count::requests_answered) == 0);
}

TEST_CASE("a handler that throws is answered 500, and the connection lives on") {
  Wire wire;
  const int socket = wire.connect();
  CHECK(wire.ask(socket, "GET /throw HTTP/1.1\r\nHost: a\r\n\r\n").find("500") == 9);
  wire.send(socket, "GET /wait-and-throw HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.pass(20);
  CHECK(wire.take(socket).find("500") == 9);
  CHECK(wire.ask(socket, "GET /throw-and-wait HTTP/1.1\r\nHost: a\r\n\r\n").find("500") == 9);
  CHECK(wire.ask(socket, hello).find("200") == 9);
  CHECK(wire.count(Count::handler_failed) == 3);
}

TEST_CASE("a client that does not read its answers is no longer read from") {
  Wire wire;
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 1000;
  // All the buffers there are may be filled before it can be paused.
  constexpr std::size_t flood_bytes = 3 * limits::receive_buffers * limits::receive_buffer_bytes;
  constexpr std::size_t requests = flood_bytes / hello.size();
  std::string flood;
  for (std::size_t i = 0; i < requests; ++i) flood += hello;
  wire.send(socket, flood);
  CHECK(wire.count(Count::receive_paused) >= 1);
  CHECK(wire.kernel.sockets[socket].to_server.size() > flood.size() / 2);
  std::size_t answered = 0;
  wire.kernel.sockets[socket].window = 1 << 24;
  for (int i = 0; i < 4000; ++i) {
    wire.turn();
    answered += answers(wire.take(socket));
  }
  CHECK(answered == requests);
}

TEST_CASE("a large answer reaches a slow reader whole") {
  Wire wire;
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 700;
  wire.send(socket, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  std::string answer;
  for (int i = 0; i < 1000; ++i) {
    answer += wire.take(socket);
    wire.turn(1);
  }
  CHECK(answer.size() > 100'000);
  CHECK(answer.ends_with("xxx"));
}

TEST_CASE("a head that drips is answered 408 at its timeout, a body that stalls too") {
  Wire wire(with_timeouts(1000));
  const int head = wire.connect();
  for (int i = 0; i < 12; ++i) {
    wire.send(head, "G");
    wire.pass(100);
    if (wire.closed(head)) break;
    if (i == 0) wire.send(head, "ET / HTTP/1.1\r\nX: ");
  }
  CHECK(wire.take(head).find("408") == 9);
  const int body = wire.connect();
  wire.send(body, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  wire.pass(900);
  CHECK_FALSE(wire.closed(body));
  wire.pass(200);
  CHECK(wire.take(body).find("408") == 9);
  CHECK(wire.count(Count::header_timeouts) == 1);
  CHECK(wire.count(Count::body_timeouts) == 1);
}

TEST_CASE("a head that no buffer was free for in time is no slow client's") {
  Wire wire(with_timeouts(1000));
  const int socket = wire.connect();
  wire.send(socket, hello.substr(0, 9));
  wire.pass(900);
  wire.kernel.faults.no_buffers = 1;
  wire.kernel.now += 200;  // in one turn: its timer, and the bytes that find no buffer
  wire.send(socket, hello.substr(9));
  CHECK(wire.count(Count::receive_starved) == 1);
  CHECK(wire.count(Count::header_timeouts) == 0);
  wire.pass(100);
  CHECK(wire.take(socket).find("200") == 9);
}

TEST_CASE(
    "nor is one that has arrived and waits to be received, however long; it is looked for now "
    "and then") {
  Wire wire(with_timeouts(1000));
  const int socket = wire.connect();
  wire.send(socket, hello.substr(0, 9));
  wire.kernel.faults.late = 1;
  wire.kernel.looks = 0;
  wire.kernel.now += 10'000;  // stopped, and continued
  wire.send(socket, hello.substr(9));
  CHECK(wire.kernel.looks == 1);
  wire.pass(1000);
  CHECK(wire.kernel.looks > 10);
  CHECK(wire.kernel.looks <= 1 + 1000 / limits::unread_poll_ms);
  CHECK(wire.count(Count::header_timeouts) == 0);
  wire.kernel.faults.late = 0;
  wire.turn();
  CHECK(wire.take(socket).find("200") == 9);
  CHECK_FALSE(wire.closed(socket));
}

TEST_CASE("a body that moves slowly but above the least rate is awaited, a drip is not") {
  Wire wire(with_timeouts(1000));
  const int steady = wire.connect();
  const int drip = wire.connect();
  wire.send(steady, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n");
  wire.send(drip, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    wire.pass(400);
    wire.send(steady, std::string(300, 'x'));
    if (!wire.closed(drip)) wire.send(drip, "x");
  }
  CHECK(wire.take(steady).find("200") == 9);
  CHECK(wire.take(drip).find("408") == 9);
}

TEST_CASE("a silent connection is closed at the idle timeout, without a word") {
  Wire wire(with_timeouts(1000));
  const int socket = wire.connect();
  (void)wire.ask(socket, hello);
  wire.pass(1100);
  CHECK(wire.closed(socket));
  CHECK(wire.take(socket).empty());
  CHECK(wire.count(Count::idle_timeouts) == 1);
}

TEST_CASE("a client that reads nothing loses its connection at the write timeout") {
  Wire wire(with_timeouts(1000));
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 1000;
  wire.send(socket, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.pass(2500);
  CHECK(wire.kernel.sockets[socket].server_closed);
  CHECK(wire.count(Count::write_timeouts) == 1);
  CHECK(wire.count(Count::requests_undelivered) == 1);
}

TEST_CASE("connections above the bound wait in the queue and are served as others leave") {
  WorkerConfig config;
  config.connections_max = 2;
  Wire wire(config);
  int sockets[5];
  for (int& socket : sockets) {
    socket = wire.connect();
    wire.send(socket, hello);
  }
  CHECK(wire.count(Count::connections_open) == 2);
  CHECK(wire.count(Count::accept_paused) >= 1);
  for (const int socket : sockets) {
    CHECK(wire.take(socket).find("200") == 9);
    wire.hang_up(socket);
    wire.turn(6);
  }
}

TEST_CASE("a body has its own time, however long its head took") {
  WorkerConfig config = with_timeouts(1000);
  config.body_timeout = 200;
  Wire wire(config);
  const std::string request = post("/echo", 100);
  const int socket = wire.connect();
  wire.send(socket, request.substr(0, 9));
  wire.pass(900);
  wire.send(socket, request.substr(9, request.size() - 20));
  wire.pass(150);
  wire.send(socket, request.substr(request.size() - 11));
  CHECK(wire.take(socket).find("200") == 9);
  wire.send(socket, request.substr(0, request.size() - 1));
  wire.pass(250);
  CHECK(wire.take(socket).find("408") == 9);
}

TEST_CASE("all bodies together stay within their memory: 503 beyond, and the budget comes back") {
  WorkerConfig config;
  config.body_memory = 64 * 1024;
  Wire wire(config);
  const std::string part(30'000, 'x');
  const std::string head = "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
  const int first = wire.connect();
  const int second = wire.connect();
  wire.send(first, head + part);
  wire.send(second, head + part);
  CHECK(wire.take(first).empty());
  wire.send(second, part);
  CHECK(wire.take(second).find("503") == 9);
  wire.send(first, part);
  CHECK(wire.take(first).find("404") == 9);
  CHECK(wire.count(Count::body_denied) == 1);
}

TEST_CASE("answers that nobody reads stay within it, too; probes and small answers go on") {
  WorkerConfig config;
  config.body_memory = 450 * 1024;
  Wire wire(config);
  std::vector<int> readers_of_nothing;
  for (int i = 0; i < 10; ++i) {
    const int socket = readers_of_nothing.emplace_back(wire.connect());
    wire.kernel.sockets[socket].window = 1000;
    wire.send(socket, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  CHECK(wire.count(Count::answers_denied) == 7);
  const int socket = wire.connect();
  CHECK(wire.ask(socket, hello).find("200") == 9);
  CHECK(wire.ask(socket, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").find("200") == 9);
  CHECK(wire.ask(socket, "HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n").find("200") == 9);
  CHECK(wire.ask(socket, "GET /large-and-unsent HTTP/1.1\r\nHost: a\r\n\r\n").find("204") == 9);
  CHECK(wire.ask(socket, post("/nowhere", 60'000)).find("404") == 9);  // the quarter of requests
  int whole = 0;
  for (const int reader : readers_of_nothing) {
    wire.kernel.sockets[reader].window = 1 << 24;
    std::string answer;
    for (int i = 0; i < 20; ++i) {
      answer += wire.take(reader);
      wire.turn(10);
    }
    CHECK(answers(answer) == 1);
    whole += answer.find("200") == 9 ? 1 : 0;
  }
  CHECK(whole == 3);
  CHECK(wire.ask(socket, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n").find("200") == 9);
  CHECK(wire.count(Count::answers_denied) == 7);
  CHECK(wire.count(Count::body_denied) == 0);
}

TEST_CASE("a body that is done with makes room for its answer") {
  WorkerConfig config;
  config.body_memory = 160 * 1024;
  Wire wire(config);
  CHECK(wire.ask(wire.connect(), post("/echo", 100'000)).find("200") == 9);
  CHECK(wire.count(Count::answers_denied) + wire.count(Count::body_denied) == 0);
}

TEST_CASE("an answer that waits behind another is charged as well; given up, it is not") {
  WorkerConfig config;
  config.body_memory = 300 * 1024;
  Wire wire(config);
  const std::string both =
      "GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /wait-large HTTP/1.1\r\nHost: a\r\n\r\n";
  std::vector<int> readers_of_nothing;
  for (int i = 0; i < 2; ++i) {
    const int socket = readers_of_nothing.emplace_back(wire.connect());
    wire.kernel.sockets[socket].window = 1000;
    wire.send(socket, both);
    wire.pass(20);
    CHECK(wire.count(Count::answers_denied) == (i == 0 ? 0 : 2));
  }
  wire.reset(readers_of_nothing[0]);
  wire.pass(100);
  CHECK(wire.count(Count::requests_undelivered) == 2);
  const int socket = wire.connect();
  wire.send(socket, both);
  wire.pass(100);
  CHECK(answers(wire.take(socket)) == 2);
  CHECK(wire.count(Count::answers_denied) == 2);
}

TEST_CASE("one that will have no content needs no room while it waits") {
  WorkerConfig config;
  config.body_memory = 160 * 1024;
  Wire wire(config);
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 1000;
  wire.send(socket,
            "GET /large HTTP/1.1\r\nHost: a\r\n\r\nHEAD /wait-large HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.pass(20);
  wire.kernel.sockets[socket].window = 1 << 20;
  wire.pass(20);
  CHECK(answers(wire.take(socket)) == 2);
  CHECK(wire.count(Count::answers_denied) == 0);
}

TEST_CASE("while it is used up, pipelined answers go out a slab at a time, and all of them do") {
  WorkerConfig config;
  config.body_memory = 0;
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
  CHECK(wire.count(Count::body_denied) == 0);
}

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
    if (wire.shared.unlistened_at != Shared::never) break;
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

TEST_CASE("nor while a completion of the same turn holds them") {
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
  CHECK(wire.count(Count::late_bytes) == 0);
  CHECK(wire.closed(socket));
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
  CHECK(wire.take(open).find("200") == 9);
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
  CHECK(wire.count(Count::lost_after_fin) == 0);
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
  CHECK(wire.count(Count::lost_in_drain) == 1);
  CHECK(wire.count(Count::late_bytes) == 2 * hello.size());
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
  CHECK(wire.count(Count::requests_cut) == 2);
  CHECK(wire.count(Count::partial_cut) == 1);
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
  CHECK(wire.count(Count::receive_starved) == 1);
  CHECK(wire.count(Count::requests_cut) == 2);
  CHECK(wire.count(Count::partial_cut) == 0);
}

TEST_CASE("so is a large one, whatever the budget; what is behind a close never was one") {
  WorkerConfig config;
  config.body_memory = 0;
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
  CHECK(wire.count(Count::requests_cut) == 3);
  CHECK(wire.count(Count::partial_cut) == 1);
}

TEST_CASE("an answer that is ready in the turn of the deadline goes out") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 500});
  const int socket = wire.connect();
  wire.send(socket, "GET /wait?ms=400 HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.signal(SIGTERM);
  wire.kernel.now += 1000;
  wire.turn();
  CHECK(wire.worker.stopped());
  CHECK(wire.take(socket).find("200") == 9);
  CHECK(wire.count(Count::requests_answered) == 1);
  CHECK(wire.count(Count::requests_cut) == 0);
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
    CHECK(wire.count(Count::lost_in_drain) == (late == hello ? 1 : 0));
    CHECK(wire.count(Count::lost_after_fin) == (late == hello ? 1 : 0));
  }
}

TEST_CASE("a client that vanished with all of its answer is no loss, and not waited for") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 9000});
  const int socket = wire.connect();
  (void)wire.ask(socket, hello);
  wire.kernel.sockets[socket].unacked = 1;  // our FIN, in a moment
  wire.signal(SIGTERM);
  wire.pass(limits::linger_ms + 1000);
  CHECK(wire.worker.stopped());
  CHECK(wire.count(Count::requests_answered) == 1);
  CHECK(wire.count(Count::requests_undelivered) + wire.count(Count::requests_cut) == 0);
}

TEST_CASE("one that vanished without the end of it is") {
  Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 9000});
  const int socket = wire.connect();
  (void)wire.ask(socket, hello);
  wire.kernel.sockets[socket].unacked = 2;
  wire.signal(SIGTERM);
  wire.pass(limits::linger_ms + 1000);
  CHECK_FALSE(wire.worker.stopped());
  wire.pass(7000);
  CHECK(wire.worker.stopped());
  CHECK(wire.count(Count::requests_cut) == 1);
}

TEST_CASE("nor is its loss hidden by a request that it has begun, or that was refused") {
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
    CHECK(wire.count(Count::requests_answered) == 1);
    CHECK(wire.count(Count::requests_cut) == 1);
    CHECK(wire.count(Count::partial_cut) == (behind == begun ? 1 : 0));
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
  CHECK(wire.count(Count::requests_cut) == 0);
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
  CHECK(wire.count(Count::requests_undelivered) == 1);
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

TEST_CASE("one that has closed its side and still reads is waited for") {
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
  CHECK(wire.count(Count::requests_answered) == 1);
  CHECK(wire.count(Count::linger_timeouts) == 0);
}

TEST_CASE("a hook that throws does not keep the drain from its end") {
  WorkerConfig config;
  config.on_drain = [](void*) { throw std::runtime_error("the hook's own failure"); };
  Wire wire(config, Budget{.window = 0, .timeout = 500});
  wire.signal(SIGTERM);
  wire.pass(200);
  CHECK(wire.worker.stopped());
}

TEST_CASE("health paths answer by phase") {
  Wire wire;
  const int socket = wire.connect();
  const auto status = [&](const char* path) {
    const std::string answer = wire.ask(
        socket, std::string("GET ") + path + " HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(hello));
    return answer.substr(9, 3);
  };
  wire.shared.slots[0].heartbeat = wire.kernel.now;
  CHECK(status("/readyz") == "200");
  CHECK(status("/servingz") == "200");
  wire.signal(SIGTERM);
  CHECK(status("/readyz") == "503");
  CHECK(status("/ready") == "503");
  CHECK(status("/servingz") == "200");
  CHECK(status("/livez") == "200");
  CHECK(status("/alive") == "200");
}
