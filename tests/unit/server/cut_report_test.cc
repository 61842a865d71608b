// Of what is cut nothing is missing in the log, however much it is.
#include "server/cut_report.h"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <csignal>
#include <string>

#include "captured.h"
#include "http/router.h"
#include "wire.h"

using namespace lastcall;

TEST_CASE("a hundred lines for all workers together, and not one more") {
  std::atomic<unsigned> lines{0};
  CutReport one(lines);
  CutReport other(lines);
  unsigned taken = 0;
  for (int i = 0; i < 300; ++i) taken += (i % 2 == 0 ? one : other).take_line();
  CHECK(taken == limits::cut_lines);
}

TEST_CASE("what has no line is summed by route, and what has no place there as others") {
  std::atomic<unsigned> lines{0};
  CutReport report(lines);
  std::array<Route, limits::cut_routes + 4> routes;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    routes[i].method = Method::get;
    routes[i].path = "/r" + std::to_string(i);
    for (std::size_t n = 0; n <= i; ++n) report.add(&routes[i]);
    report.add_client();
  }
  report.add_unread(3);
  const Captured log;
  report.say_rest();
  CHECK(log.count("cut: 210 more requests of 20 clients: GET /r0: 1, GET /r1: 2, ") == 1);
  CHECK(log.count(", GET /r14: 15, others: 90") == 1);
  CHECK(log.count("cut: 1 more clients have not read 3 of their answers to the end") == 1);
  report.say_rest();
  CHECK(log.count("cut:") == 2);
}

TEST_CASE("of many clients that are cut a hundred requests are named, the rest is summed") {
  const Captured log;
  {
    Wire wire(WorkerConfig{}, Budget{.window = 0, .timeout = 500});
    for (int i = 0; i < 300; ++i) {
      const int socket = wire.connect();
      wire.send(socket, "GET /wait?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(hello));
    }
    wire.signal(SIGTERM);
    wire.pass(600);
    CHECK(wire.worker.stopped());
    CHECK(wire.count("requests_cut") == 600);
  }
  CHECK(log.count("cut: GET /") == limits::cut_lines);
  CHECK(log.count("cut: 500 more requests of ") == 1);
}
