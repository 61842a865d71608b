// One connection and its deadlines.
#include <doctest/doctest.h>

#include "wire.h"

using namespace lastcall;

TEST_CASE("a head that drips is answered 408 at its timeout, a body that stalls too") {
  Wire wire(with_timeouts(1000));
  const int head = wire.connect();
  for (int i = 0; i < 12; ++i) {
    wire.send(head, "G");
    wire.pass(100);
    if (wire.closed(head)) break;
    if (i == 0) wire.send(head, "ET / HTTP/1.1\r\nX: ");
  }
  CHECK(status(wire.take(head)) == 408);
  const int body = wire.connect();
  wire.send(body, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  wire.pass(900);
  CHECK_FALSE(wire.closed(body));
  wire.pass(200);
  CHECK(status(wire.take(body)) == 408);
  CHECK(wire.count("header_timeouts") == 1);
  CHECK(wire.count("body_timeouts") == 1);
}

TEST_CASE("a head that no buffer was free for in time is no slow client's") {
  Wire wire(with_timeouts(1000));
  const int socket = wire.connect();
  wire.send(socket, hello.substr(0, 9));
  wire.pass(900);
  wire.kernel.faults.no_buffers = 1;
  wire.kernel.now += 200;  // in one turn: its timer, and the bytes that find no buffer
  wire.send(socket, hello.substr(9));
  CHECK(wire.count("receive_starved") > 0);
  CHECK(wire.count("header_timeouts") == 0);
  wire.kernel.faults.no_buffers = 0;
  wire.pass(100);
  CHECK(status(wire.take(socket)) == 200);
}

TEST_CASE(
    "a head that has arrived and waits to be received is no slow client's, however long; it is "
    "looked for now and then") {
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
  CHECK(wire.count("header_timeouts") == 0);
  wire.kernel.faults.late = 0;
  wire.turn();
  CHECK(status(wire.take(socket)) == 200);
  CHECK_FALSE(wire.closed(socket));
}

TEST_CASE("a head that keeps dripping after its deadline is answered 408 all the same") {
  Wire wire(with_timeouts(1000));
  const int socket = wire.connect();
  wire.send(socket, "GET / HTTP/1.1\r\nX: ");
  wire.kernel.faults.late = 1;
  wire.kernel.now += 1100;
  wire.send(socket, "x");  // waits unread as the deadline passes
  CHECK(wire.count("header_timeouts") == 0);
  wire.kernel.faults.late = 0;
  for (int i = 0; i < 10; ++i) {
    wire.send(socket, "x");
    wire.pass(20);
  }
  CHECK(wire.count("header_timeouts") == 1);
  CHECK(status(wire.take(socket)) == 408);
}

TEST_CASE("while answers before it are being sent, a request has no less time for it") {
  Wire wire(with_timeouts(1000));
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 1000;
  wire.send(socket, std::string("GET /large HTTP/1.1\r\nHost: a\r\n\r\n") +
                        post("/echo", 100).substr(0, 80));
  for (int i = 0; i < 15; ++i) {  // read slowly, and above the least rate
    (void)wire.take(socket);
    wire.pass(100);
  }
  wire.kernel.sockets[socket].window = 1 << 20;
  (void)wire.take(socket);
  wire.pass(900);
  CHECK(wire.count("body_timeouts") == 0);
  wire.send(socket, post("/echo", 100).substr(80));
  CHECK(wire.take(socket).find("HTTP/1.1 200") != std::string::npos);
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
  CHECK(status(wire.take(steady)) == 200);
  CHECK(status(wire.take(drip)) == 408);
}

TEST_CASE("a silent connection is closed at the idle timeout, without a word") {
  Wire wire(with_timeouts(1000));
  const int socket = wire.connect();
  (void)wire.ask(socket, hello);
  wire.pass(1100);
  CHECK(wire.closed(socket));
  CHECK(wire.take(socket).empty());
  CHECK(wire.count("idle_timeouts") == 1);
}

TEST_CASE("a client that reads nothing loses its connection at the write timeout") {
  Wire wire(with_timeouts(1000));
  const int socket = wire.connect();
  wire.kernel.sockets[socket].window = 1000;
  wire.send(socket, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  wire.pass(2500);
  CHECK(wire.kernel.sockets[socket].server_closed);
  CHECK(wire.count("write_timeouts") == 1);
  CHECK(wire.count("requests_undelivered") == 1);
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
  CHECK(status(wire.take(socket)) == 200);
  wire.send(socket, request.substr(0, request.size() - 1));
  wire.pass(250);
  CHECK(status(wire.take(socket)) == 408);
}
