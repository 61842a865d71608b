// What handlers throw is told, and does not fill the log.
#include "server/failures.h"

#include <doctest/doctest.h>

#include <new>
#include <stdexcept>

#include "captured.h"
#include "wire.h"

using namespace lastcall;

namespace {

template <class Thrown>
void fail(Failures& failures, const Thrown& thrown, Ms now) {
  const Request request;
  try {
    throw thrown;
  } catch (...) {
    failures.note(request, now);
  }
}

}  // namespace

TEST_CASE("a kind of failure is told at once, then once a second with how many there were since") {
  const Captured log;
  Failures failures;
  for (Ms now = 1000; now < 2000; now += 10) fail(failures, std::runtime_error("disk"), now);
  CHECK(log.count("failed, answered 500: disk") == 1);
  fail(failures, std::runtime_error("disk again"), 2000);
  CHECK(log.count("disk again; and 99 more since that was said last") == 1);
  fail(failures, std::bad_alloc(), 2001);
  fail(failures, 42, 2001);
  CHECK(log.count("failed, answered 500") == 4);
  CHECK(log.count("no std::exception") == 1);
}

TEST_CASE("of many kinds the last share a line") {
  const Captured log;
  Failures failures;
  fail(failures, std::runtime_error("a"), 0);
  fail(failures, std::logic_error("b"), 0);
  fail(failures, std::invalid_argument("c"), 0);
  fail(failures, std::domain_error("d"), 0);
  fail(failures, std::length_error("e"), 0);
  fail(failures, std::out_of_range("f"), 0);
  fail(failures, std::range_error("g"), 0);
  fail(failures, std::overflow_error("h"), 0);
  fail(failures, std::underflow_error("i"), 0);
  fail(failures, 1, 0);
  CHECK(log.count("failed, answered 500") == limits::failure_kinds);
}

TEST_CASE("a failure is told by method, path and request id, none of them without bounds") {
  const Captured log;
  Wire wire;
  wire.router.add(
      {.method = Method::get, .path = "/fails/{id}", .handler = [](Request&, Response&) {
         throw std::runtime_error(std::string(5000, 'x'));
       }});
  const int socket = wire.connect();
  const std::string id(1000, 'i');
  CHECK(status(wire.ask(socket, "GET /fails/7?token=secret HTTP/1.1\r\nHost: a\r\nX-Request-Id: " +
                                    id + "\r\n\r\n")) == 500);
  CHECK(log.count("GET /fails/7 failed, answered 500: xxx") == 1);
  CHECK(log.count(", request id iii") == 1);
  CHECK(log.count("secret") == 0);
  CHECK(log.count(std::string(201, 'x')) == 0);
  CHECK(log.count(std::string(201, 'i')) == 0);
}
